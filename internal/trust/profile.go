package trust

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// issuersJSON has what is known of issuers, each with the page that says it.
//
//go:embed issuers.json
var issuersJSON []byte

// profiles are the issuers of issuersJSON.
var profiles = sync.OnceValue(loadProfiles) //nolint:gochecknoglobals // Compiled once, as a pattern is.

// level says whose an attribute of a workload is.
type level string

// The levels. A tenant is a customer of an issuer, such as a GitHub organization; it has
// projects, such as repositories, whose runs get tokens.
const (
	tenantLevel  level = "tenant"
	projectLevel level = "project"
	runLevel     level = "run"
)

// attribute is something that an issuer knows of a workload and writes into claims.
type attribute struct {
	Name  string `json:"name"`
	Level level  `json:"level"`
	// Group is of a project-level attribute: those of one group are the names and numbers
	// of one thing. Groups that come later lie within those that come earlier.
	Group string `json:"group"`
	// Unique is of a name that is unique in its tenant, whatever the groups around it.
	Unique bool `json:"unique"`
	// Stable is true of a number or UUID that the issuer gives only once. Others can be
	// given again after a rename or a removal.
	Stable bool `json:"stable"`
	// Free is true of a run-level attribute that each user with write access chooses.
	// Guarded is true of one that the project's settings protect.
	Free    bool `json:"free"`
	Guarded bool `json:"guarded"`
	// Created is true of a guarded one that a run makes by naming it: a new one has no
	// protection yet.
	Created bool `json:"created"`
	// Managed is true of a name that only administrators of the tenant choose.
	Managed bool `json:"managed"`
	// Fold is true of names that are unique regardless of case.
	Fold bool `json:"fold"`
	// OfIssuer is true if all tokens of an issuer have the same value.
	OfIssuer bool `json:"of_issuer"`
	// Chars are the characters of values, as the inside of a character class.
	Chars string `json:"chars"`
	// Begins are the beginnings that values have; any if empty.
	Begins []string `json:"begins"`
	// Closed is true if Example and Other are all values.
	Closed bool `json:"closed"`
	// Example stands for what a trust leaves open, Other for what another workload has.
	Example string   `json:"example"`
	Other   []string `json:"other"`
	// Template gives the value from other attributes where nothing else does.
	Template string `json:"template"`

	derived template
	ascii   [128]bool
}

// allows reports whether a value may contain a rune. Only ASCII is in use: no issuer here
// takes other letters in names.
func (a *attribute) allows(r rune) bool { return r >= 0 && r < 128 && a.ascii[r] }

// signable reports whether the issuer takes a value.
func (a *attribute) signable(value string) bool {
	if value == "" || len(value) > maxLiteral || !a.begins(value, false) {
		return false
	}
	for _, r := range value {
		if !a.allows(r) {
			return false
		}
	}
	return !a.Closed || value == a.Example || slices.Contains(a.Other, value)
}

// begins reports whether a value, or its beginning, can be one of the attribute.
func (a *attribute) begins(value string, partial bool) bool {
	if len(a.Begins) == 0 || partial && strings.HasPrefix(value, looseBegin) {
		return true
	}
	return slices.ContainsFunc(a.Begins, func(begin string) bool {
		return strings.HasPrefix(value, begin) || partial && strings.HasPrefix(begin, value)
	})
}

// form is one of the forms of tokens that an issuer signs.
type form struct {
	Name string `json:"name"`
	// Says names what gets such a token: "a pull request".
	Says    string `json:"says"`
	Subject string `json:"subject"`
	// Sets are attributes that have one value in this form, Begins those whose values
	// begin with a text, Absent those that it does not have.
	Sets   map[string]string `json:"sets"`
	Begins map[string]string `json:"begins"`
	Absent []string          `json:"absent"`
	// Outside is true if users without write access to the project may get such tokens, or
	// without review by others. A trust for it is a mistake even where it names the form.
	Outside bool `json:"outside"`
	// Recreated is true of forms that the issuer signs for a tenant that takes over the
	// name of another; if no form of a profile has it, all are.
	Recreated bool `json:"recreated"`
	// Claims are claims that differ from the profile's.
	Claims map[string]any `json:"claims"`

	subject template
	sets    []string // of each attribute: its one value, absent, or "" if it is open
	begin   []string // of each attribute
	claims  []int    // indices of the profile's claims
}

// nouns name the levels of an issuer in messages.
type nouns struct {
	Tenant  string `json:"tenant"`
	Project string `json:"project"`
	Run     string `json:"run"`
}

// profile is what is known of the tokens of an issuer.
type profile struct {
	Name string `json:"name"`
	// Like names an earlier profile that has what this one does not say.
	Like    string   `json:"like"`
	Source  string   `json:"source"`
	Sources []string `json:"sources"`
	// Shared is true if everybody can become a tenant.
	Shared bool `json:"shared"`
	// Users is true if tokens may be those of users, who have rights by their own names.
	Users bool     `json:"users"`
	URLs  []string `json:"urls"`
	// Recognise are beginnings of subjects by which the kind of an issuer with another URL
	// is recognised.
	Recognise []string `json:"recognise"`
	Nouns     nouns    `json:"nouns"`
	// SubjectClaim is the claim that names the workload, sub if empty.
	SubjectClaim string      `json:"subject_claim"`
	Attributes   []attribute `json:"attributes"`
	Subjects     []form      `json:"subjects"`
	// SubjectKeys are parts of which a tenant may compose its subjects, joined by colons.
	SubjectKeys []string       `json:"subject_keys"`
	Claims      map[string]any `json:"claims"`
	// FreeClaims are beginnings of the names of claims whose values tenants choose.
	FreeClaims []string `json:"free_claims"`
	// Audience is the audience of tokens by default. TenantAudiences are signed only for the
	// tenant that they name. AudienceFixed is true if workloads cannot ask for another.
	Audience        string   `json:"audience"`
	TenantAudiences []string `json:"tenant_audiences"`
	AudienceFixed   bool     `json:"audience_fixed"`
	AudienceList    bool     `json:"audience_list"`
	// Pins are claims that identify a tenant and a project for good, PinnedBy the kinds of
	// trust that can compare them.
	Pins     []string `json:"pins"`
	PinnedBy []Kind   `json:"pinned_by"`

	// writers are writers of tokens that no trust uses.
	writers sync.Pool

	index map[string]int
	// claims are all claims: those of the profile, then those in which forms differ.
	claims          []claim
	keys            []template
	grammars        map[string]template
	audience        template
	tenantAudiences []template
	urls            []issuerURL
}

// issuerURL is a form of issuer URLs.
type issuerURL struct {
	pattern *regexp.Regexp
	// attributes are the attributes that the groups of the pattern give; -1 for none.
	attributes []int
}

// claim is a claim of a token, with templates where it has texts.
type claim struct {
	name  string
	value any // template, []any or []claim with the same, or a constant
	// attributes are those of its templates, and mask has a bit for each.
	attributes []int
	mask       uint64
}

// loadProfiles reads the embedded file. It panics on a mistake in it, which every test
// finds.
func loadProfiles() []*profile {
	var file struct {
		Issuers []json.RawMessage `json:"issuers"`
	}
	if err := json.Unmarshal(issuersJSON, &file); err != nil {
		panic(fmt.Sprintf("trust: read issuers.json: %v", err))
	}
	raw := map[string]json.RawMessage{}
	var all []*profile
	for _, text := range file.Issuers {
		p := &profile{}
		if err := json.Unmarshal(text, p); err != nil {
			panic(fmt.Sprintf("trust: read issuers.json: %v", err))
		}
		raw[p.Name] = text
		if p.Like != "" {
			inherited := &profile{}
			if err := cmp.Or(json.Unmarshal(raw[p.Like], inherited), json.Unmarshal(text, inherited)); err != nil {
				panic(fmt.Sprintf("trust: read issuers.json: %s: %v", p.Name, err))
			}
			p = inherited
		}
		p.compile()
		all = append(all, p)
	}
	return all
}

// compile prepares templates, character classes and patterns.
func (p *profile) compile() {
	p.index = make(map[string]int, len(p.Attributes))
	for i, a := range p.Attributes {
		p.index[a.Name] = i
	}
	for i := range p.Attributes {
		a := &p.Attributes[i]
		class := regexp.MustCompile("^[" + a.Chars + "]$")
		for r := range rune(128) {
			a.ascii[r] = class.MatchString(string(r))
		}
		a.derived = newTemplate(a.Template, p.index)
	}
	p.SubjectClaim = cmp.Or(p.SubjectClaim, "sub")
	p.claims = p.newClaims(p.Claims)
	for i := range p.Subjects {
		p.compileForm(&p.Subjects[i])
	}
	for _, text := range p.SubjectKeys {
		p.keys = append(p.keys, newTemplate(text, p.index))
	}
	p.audience = newTemplate(p.Audience, p.index)
	for _, text := range p.TenantAudiences {
		p.tenantAudiences = append(p.tenantAudiences, newTemplate(text, p.index))
	}
	p.grammars = map[string]template{}
	p.addGrammars("", p.Claims)
	for _, url := range p.URLs {
		p.urls = append(p.urls, p.newIssuerURL(url))
	}
}

// compileForm prepares one form.
func (p *profile) compileForm(f *form) {
	f.subject = newTemplate(f.Subject, p.index)
	f.sets = make([]string, len(p.Attributes))
	f.begin = make([]string, len(p.Attributes))
	for name, value := range f.Sets {
		f.sets[p.index[name]] = value
	}
	for name, value := range f.Begins {
		f.begin[p.index[name]] = value
	}
	for _, name := range f.Absent {
		f.sets[p.index[name]] = absent
	}
	own := p.newClaims(f.Claims)
	for i, c := range p.claims[:len(p.Claims)] {
		if _, ok := f.Claims[c.name]; !ok {
			f.claims = append(f.claims, i)
		}
	}
	for i := range own {
		f.claims = append(f.claims, len(p.claims)+i)
	}
	p.claims = append(p.claims, own...)
}

// newClaims compiles claims, sorted by name.
func (p *profile) newClaims(object map[string]any) []claim {
	claims := make([]claim, 0, len(object))
	for name, value := range object {
		c := claim{name: name, value: p.newClaim(value)}
		c.attributes = attributesOf(c.value)
		for _, attribute := range c.attributes {
			c.mask |= 1 << attribute
		}
		claims = append(claims, c)
	}
	slices.SortFunc(claims, func(a, b claim) int { return strings.Compare(a.name, b.name) })
	return claims
}

// attributesOf returns the attributes that the value of a claim depends on.
func attributesOf(value any) []int {
	var all []int
	switch v := value.(type) {
	case template:
		for _, s := range v {
			if s.attribute >= 0 {
				all = append(all, s.attribute)
			}
		}
	case []any:
		for _, one := range v {
			all = append(all, attributesOf(one)...)
		}
	case []claim:
		for _, c := range v {
			all = append(all, c.attributes...)
		}
	}
	return all
}

// newClaim compiles the value of a claim.
func (p *profile) newClaim(value any) any {
	switch v := value.(type) {
	case string:
		return newTemplate(v, p.index)
	case []any:
		list := make([]any, len(v))
		for i, one := range v {
			list[i] = p.newClaim(one)
		}
		return list
	case map[string]any:
		return p.newClaims(v)
	default:
		return v
	}
}

// addGrammars collects the templates of claims by their paths, for reading literals.
func (p *profile) addGrammars(path string, object map[string]any) {
	for name, value := range object {
		switch v := value.(type) {
		case string:
			p.grammars[path+name] = newTemplate(v, p.index)
		case []any:
			if text, ok := v[0].(string); ok {
				p.grammars[path+name] = newTemplate(text, p.index)
			}
		case map[string]any:
			p.addGrammars(path+name+pathSeparator, v)
		}
	}
}

// pathSeparator joins the keys of a claim's path in maps. No key of a claim contains it.
const pathSeparator = "\x00"

// newIssuerURL compiles a form of URLs, in which a name in braces is one label or segment.
func (p *profile) newIssuerURL(url string) issuerURL {
	var u issuerURL
	var b strings.Builder
	for url != "" {
		before, after, found := strings.Cut(url, "{")
		b.WriteString(regexp.QuoteMeta(before))
		if !found {
			break
		}
		name, rest, _ := strings.Cut(after, "}")
		b.WriteString("([^/.]+|[^/]+)")
		attribute, ok := p.index[name]
		if !ok {
			attribute = -1
		}
		u.attributes = append(u.attributes, attribute)
		url = rest
	}
	u.pattern = regexp.MustCompile("^" + b.String() + "$")
	return u
}

// reads reports whether a URL has one of the profile's forms, and the values of the
// attributes in it, "" for others.
func (p *profile) reads(url string) ([]string, bool) {
	for i, u := range p.urls {
		if len(u.attributes) == 0 {
			if p.URLs[i] == url {
				return make([]string, len(p.Attributes)), true
			}
			continue
		}
		begin, _, _ := strings.Cut(p.URLs[i], "{")
		if !strings.HasPrefix(url, begin) {
			continue
		}
		found := u.pattern.FindStringSubmatch(url)
		if found == nil {
			continue
		}
		fixed := make([]string, len(p.Attributes))
		for j, attribute := range u.attributes {
			if attribute >= 0 {
				fixed[attribute] = found[j+1]
			}
		}
		return fixed, true
	}
	return nil, false
}

// findProfile returns the profile of an issuer and the attributes that its URL gives. An
// issuer that no profile knows is recognised by the subjects that a trust names.
func findProfile(issuer string, subjects []string) (*profile, []string) {
	all := profiles()
	for _, url := range []string{issuer, normalIssuer(issuer), normalIssuer(issuer) + "/"} {
		for _, p := range all {
			if fixed, ok := p.reads(url); ok {
				return p, fixed
			}
		}
	}
	p := recognise(all, subjects)
	if issuer == "" && p.Like != "" {
		// Nothing says that the issuer is private.
		p = all[slices.IndexFunc(all, func(q *profile) bool { return q.Name == p.Like })]
	}
	return p, make([]string, len(p.Attributes))
}

// recognise returns the first profile that knows the beginning of a subject. The last
// profile knows any.
func recognise(all []*profile, subjects []string) *profile {
	for _, p := range all {
		for _, begin := range p.Recognise {
			if begin != "" && slices.ContainsFunc(subjects, func(s string) bool { return strings.Contains(s, begin) }) {
				return p
			}
		}
	}
	return all[len(all)-1]
}

// findUsersProfile returns the profile of a private issuer of users, which stands before that
// of one of which nothing is known, and its attributes.
func findUsersProfile() (*profile, []string) {
	all := profiles()
	p := all[len(all)-2]
	return p, make([]string, len(p.Attributes))
}

// isUnknown reports whether nothing is known of the issuers of a profile.
func (p *profile) isUnknown() bool { return slices.Contains(p.Recognise, "") }

// normalIssuer returns an issuer's URL with https, without a slash at the end, a host in
// lower case.
func normalIssuer(issuer string) string {
	rest := strings.TrimRight(strings.TrimSpace(issuer), "/")
	if _, after, ok := strings.Cut(rest, "://"); ok {
		rest = after
	}
	host, path, found := strings.Cut(rest, "/")
	host = strings.ToLower(host)
	if !found {
		return "https://" + host
	}
	return "https://" + host + "/" + path
}
