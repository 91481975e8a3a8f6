package trust

import (
	"cmp"
	"slices"
	"strings"
)

// reading is what a trust, its issuer's profile and documents say: for which workloads and
// audiences the trust is meant. It does not change after read.
type reading struct {
	trust   *Trust
	options Options
	profile *profile
	// subjectClaim is the claim that names the workload.
	subjectClaim string
	// issuer is the iss claim of the issuer's tokens.
	issuer string
	// fixed are the attributes that the issuer's URL gives; "" for others.
	fixed []string
	forms []*form
	// intents are the intended workloads. If documents declare them, named are those that
	// the literals of the trust name.
	intents   []*intent
	named     []*intent
	audiences []audience
	// needs are claims that the profile does not have and the trust reads: those of intended
	// workloads, and those of others.
	needs, otherNeeds Token
	// cut is true if there are more literals than the bounds allow.
	cut bool
}

// accountIssuer is before the account of AWS in the URL by which its profile is found. No
// token has it.
const accountIssuer = "aws-account:"

// read reads a trust. Several options add up.
func read(t *Trust, options []Options) *reading {
	r := &reading{trust: t}
	for _, o := range options {
		r.options.Intended = append(r.options.Intended, o.Intended...)
		r.options.Issuers = append(r.options.Issuers, o.Issuers...)
	}
	issuer := t.Issuer
	if t.Account != "" {
		issuer = accountIssuer + t.Account
	}
	r.profile, r.fixed = findProfile(issuer, subjectLiterals(t, &r.options))
	if t.User != nil && r.profile.isUnknown() {
		r.profile, r.fixed = findUsersProfile()
	}
	r.subjectClaim = r.profile.SubjectClaim
	if r.profile.isUnknown() && t.SubjectClaim != "" && !isEnvelope([]string{t.SubjectClaim}) && len(subjectLiterals(t, &Options{})) == 0 {
		r.subjectClaim = t.SubjectClaim
	}
	if r.issuer = cmp.Or(t.Issuer, r.literalIssuer()); t.Account != "" {
		r.issuer = ""
	}
	r.forms = make([]*form, len(r.profile.Subjects))
	for i := range r.profile.Subjects {
		r.forms[i] = &r.profile.Subjects[i]
	}
	r.audiences = r.findAudiences()
	r.needs, r.otherNeeds = r.findNeeds("example"), r.findNeeds("other")
	r.findIntents()
	return r
}

// literalIssuer returns the issuer that a comparison requires, or one that the profile has.
func (r *reading) literalIssuer() string {
	for _, c := range r.trust.Comparisons {
		if len(c.Claim) == 1 && c.Claim[0] == "iss" && c.Operator == Equal && len(c.Values) > 0 {
			return c.Values[0]
		}
	}
	for _, url := range r.profile.URLs {
		if !strings.Contains(url, "{") {
			return url
		}
	}
	return "https://issuer.example"
}

// findAudiences returns the audiences that the trust accepts, as far as it says them.
func (r *reading) findAudiences() []audience {
	var texts []string
	for i := range r.trust.Comparisons {
		c := &r.trust.Comparisons[i]
		if len(c.Claim) != 1 || c.Claim[0] != "aud" {
			continue
		}
		for _, value := range c.Values {
			for _, p := range c.patterns(value) {
				texts = append(texts, p.sample())
			}
		}
	}
	texts = append(texts, r.trust.Audiences...)
	for _, token := range r.options.Intended {
		texts = append(texts, token.Texts("aud")...)
	}
	if len(texts) == 0 {
		texts = []string{r.trust.Kind.audience()}
	}
	var all []audience
	r.cut = len(texts) > maxAudiences
	for _, text := range texts[:min(len(texts), maxAudiences)] {
		all = append(all, r.newAudience(text))
	}
	return all
}

// findNeeds returns values of the claims that the trust reads and the profile does not have;
// nil if there are none.
func (r *reading) findNeeds(text string) Token {
	var needs Token
	for _, path := range r.trust.Reads {
		if isEnvelope(path) && !isTime(path) || len(path) == 1 && path[0] == r.subjectClaim || r.profile.has(path) {
			continue
		}
		if needs == nil {
			needs = Token{}
		}
		setPath(needs, path, exampleClaim(path, text))
	}
	return needs
}

// exampleClaim returns a value for a claim of which only the name is known.
func exampleClaim(path []string, text string) any {
	switch name := path[len(path)-1]; {
	case isTime(path):
		return float64(1_900_000_000)
	case strings.HasSuffix(name, "_verified"):
		return true
	case name == "groups" || name == "roles" || name == "amr":
		return []any{text}
	default:
		return text
	}
}

// isEnvelope reports whether a claim says nothing of the workload.
func isEnvelope(path []string) bool {
	if len(path) != 1 {
		return false
	}
	switch path[0] {
	case "iss", "aud", "exp", "iat", "nbf":
		return true
	default:
		return false
	}
}

// isTime reports whether a claim is a time.
func isTime(path []string) bool {
	return len(path) == 1 && slices.Contains([]string{"exp", "iat", "nbf", "auth_time"}, path[0])
}

// has reports whether tokens of a profile have a claim, or an object or a value in its path.
func (p *profile) has(path []string) bool {
	var value any = p.Claims
	for _, key := range path {
		object, isObject := value.(map[string]any)
		if !isObject {
			return true
		}
		var found bool
		if value, found = object[key]; !found {
			return false
		}
	}
	return true
}

// newAudience returns an audience, with its template if it is reserved for a tenant. No
// text means the issuer's default.
func (r *reading) newAudience(text string) audience {
	for _, t := range r.profile.tenantAudiences {
		if _, _, ok := r.profile.match(t, literal(text)); ok {
			return audience{text: text, template: t}
		}
	}
	if text == "" || r.profile.AudienceFixed {
		return audience{template: r.profile.audience}
	}
	return audience{text: text}
}

// comparesIdentity reports whether the trust compares anything that says who has a token.
func (r *reading) comparesIdentity() bool {
	return len(r.trust.Subjects) > 0 ||
		slices.ContainsFunc(r.trust.Comparisons, func(c Comparison) bool { return !isEnvelope(c.Claim) })
}

// speaksOfRuns reports whether the trust says anything that runs of a project differ in. One
// that names a project by claims of its own is meant for all its runs.
func (r *reading) speaksOfRuns() bool {
	namesRun := func(in *intent) bool {
		if in.form != nil && in.subject != "" && (in.form.Outside || r.guards(in.form.subject)) {
			return true
		}
		for i := range r.profile.Attributes {
			if r.profile.Attributes[i].Level == runLevel && in.knows(i) {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(r.intents, namesRun) || slices.ContainsFunc(r.trust.Comparisons, func(c Comparison) bool {
		return r.guards(r.profile.grammars[c.path()])
	})
}

// guards reports whether a template has an attribute that a project guards.
func (r *reading) guards(t template) bool {
	return slices.ContainsFunc(t, func(s segment) bool { return s.attribute >= 0 && r.profile.Attributes[s.attribute].Guarded })
}

// hasIntent reports whether anything says for which workload the trust is meant.
func (r *reading) hasIntent() bool {
	return slices.ContainsFunc(r.intents, func(in *intent) bool {
		return in.subject != "" || len(in.claims) > 0 || slices.ContainsFunc(in.values, func(v string) bool { return v != "" })
	}) && r.comparesIdentity()
}

// within reports whether what a literal names agrees with what a document declares.
func (r *reading) within(in, declared *intent) bool {
	if in.subject != "" && in.subject == declared.subject {
		return true
	}
	c := declared.clone()
	return !in.unsigned && c.merge(in.values, in.partial)
}

// matchClaim returns what a value of a comparison says of attributes. A claim that is one
// attribute says that attribute, also by a value that no workload has, such as a placeholder.
func (r *reading) matchClaim(c *Comparison, value string, p pattern) (values []string, partial uint64, ok bool) {
	grammar, known := r.profile.grammars[c.path()]
	if !known {
		return nil, 0, false
	}
	if values, partial, ok = r.profile.match(grammar, p); ok || len(grammar) != 1 || grammar[0].attribute < 0 || c.Operator != Equal {
		return values, partial, ok
	}
	values = make([]string, len(r.profile.Attributes))
	values[grammar[0].attribute] = value
	return values, 0, true
}

// chooseOtherForm sets another form that has the values of an intent and that its subject matches, as a
// pattern may match several. It reports false if there is none.
func (r *reading) chooseOtherForm(in *intent) bool {
	for _, p := range (&Comparison{Operator: Glob}).patterns(in.subject) {
		for _, f := range r.forms {
			if _, _, ok := r.profile.match(f.subject, p); ok && f.admits(in.values, in.partial) {
				in.form = f
				return true
			}
		}
	}
	return false
}
