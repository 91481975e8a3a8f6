package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// authenticator is a jwt entry of an AuthenticationConfiguration. Source:
// k8s.io/apiserver/plugin/pkg/authenticator/token/oidc, version 1.35.
type authenticator struct {
	name      string
	at        trust.Position
	issuer    string
	audiences []string
	username  mapping
	groups    mapping
	uid       mapping
	extra     []mapping
	required  []required
	rules     []*program
	userRules []*program
}

// mapping makes an attribute of a user of a claim with a prefix, or of an expression.
type mapping struct {
	line       int
	key        string // of an extra attribute
	claim      string
	prefix     string
	prefixed   bool // a prefix is written, if an empty one
	expression *program
}

func (m mapping) set() bool { return m.claim != "" || m.expression != nil }

// required is a claim that must be a text.
type required struct{ claim, value string }

// user is what the API server takes a token for.
type user struct {
	name, uid string
	groups    []string
	extra     map[string][]string
}

// accepts is the predicate of the trust.
func (a *authenticator) accepts(t trust.Token) trust.Decision {
	switch _, err := a.authenticate(t, true); {
	case err == nil:
		return trust.Decision{Accepted: true}
	case errors.Is(err, errUndecided):
		return trust.Decision{Accepted: true, Undecided: err.Error()}
	default:
		return trust.Decision{}
	}
}

// authenticate returns the user that a token is taken for. The error says why it is
// refused; it is errUndecided if that is not known. Without rules, the rules for claims
// are taken to hold.
func (a *authenticator) authenticate(t trust.Token, rules bool) (user, error) {
	if t.Text("iss") != a.issuer {
		return user{}, errors.New("the issuer is another")
	}
	if !slices.ContainsFunc(t.Texts("aud"), func(audience string) bool { return slices.Contains(a.audiences, audience) }) {
		return user{}, errors.New("the audience is another")
	}
	u, err := a.identify(t)
	if err != nil {
		return user{}, err
	}
	if rules {
		err = a.checkClaims(t)
	}
	// A refusal by a rule that is known wins over a rule that is undecided.
	if userErr := a.checkUser(u); err == nil || userErr != nil && !errors.Is(userErr, errUndecided) {
		err = userErr
	}
	return u, err
}

// identify maps claims to a user.
func (a *authenticator) identify(t trust.Token) (user, error) {
	var u user
	var err error
	if u.name, err = a.username.text(t); err != nil {
		return user{}, fmt.Errorf("username: %w", err)
	}
	if a.username.claim == "email" {
		if verified, present := t["email_verified"]; present && verified != true {
			return user{}, errors.New("the email address is not verified")
		}
	}
	if a.username.expression != nil && u.name == "" {
		return user{}, errors.New("the username is empty")
	}
	if u.groups, err = a.groups.texts(t); err != nil {
		return user{}, fmt.Errorf("groups: %w", err)
	}
	if a.uid.set() {
		if u.uid, err = a.uid.text(t); err != nil {
			return user{}, fmt.Errorf("uid: %w", err)
		}
	}
	if u.extra, err = a.extras(t); err != nil {
		return user{}, fmt.Errorf("extra: %w", err)
	}
	return u, nil
}

// extras maps claims to the extra attributes of a user.
func (a *authenticator) extras(t trust.Token) (map[string][]string, error) {
	extra := map[string][]string{}
	for _, m := range a.extra {
		values, err := m.texts(t)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			extra[m.key] = values
		}
	}
	return extra, nil
}

// text maps claims to a text.
func (m mapping) text(t trust.Token) (string, error) {
	if m.expression != nil {
		return m.expression.text(t)
	}
	value, _ := t.Lookup(m.claim)
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("claim %s is no text", m.claim)
	}
	return m.prefix + text, nil
}

// texts maps claims to a list of texts.
func (m mapping) texts(t trust.Token) ([]string, error) {
	if m.expression != nil {
		return m.expression.texts(t)
	}
	if _, present := t[m.claim]; !present || m.claim == "" {
		return nil, nil
	}
	texts := t.Texts(m.claim)
	if texts == nil {
		return nil, fmt.Errorf("claim %s is no text or list of texts", m.claim)
	}
	for i := range texts {
		texts[i] = m.prefix + texts[i]
	}
	return texts, nil
}

// checkClaims applies the claim validation rules.
func (a *authenticator) checkClaims(t trust.Token) error {
	for _, r := range a.required {
		value, _ := t.Lookup(r.claim)
		if text, ok := value.(string); !ok || text != r.value {
			return fmt.Errorf("claim %s is another", r.claim)
		}
	}
	return checkAll(a.rules, "claims", t)
}

// checkUser applies the user validation rules.
func (a *authenticator) checkUser(u user) error {
	if len(a.userRules) == 0 {
		return nil
	}
	groups, extra := make([]any, 0, len(u.groups)), make(map[string]any, len(u.extra))
	for _, group := range u.groups {
		groups = append(groups, group)
	}
	for key, values := range u.extra {
		extra[key] = values
	}
	return checkAll(a.userRules, "user", map[string]any{"username": u.name, "uid": u.uid, "groups": groups, "extra": extra})
}

// checkAll returns an error unless all rules hold. A rule that fails wins over one that
// is undecided.
func checkAll(rules []*program, variable string, value map[string]any) error {
	var undecided error
	for _, rule := range rules {
		holds, err := rule.test(variable, value)
		switch {
		case errors.Is(err, errUndecided):
			undecided = err
		case err != nil:
			return err
		case !holds:
			return fmt.Errorf("the rule %q does not hold", rule.source)
		}
	}
	return undecided
}

// trust returns the trust of an entry.
func (a *authenticator) trust() trust.Trust {
	t := trust.Trust{
		Name: a.name, Kind: trust.KubernetesAuthentication, At: a.at, Issuer: a.issuer,
		Accepts: a.accepts, Comparisons: a.comparisons(), Reads: a.reads(), SubjectClaim: a.username.claim,
	}
	if a.ofUsers() {
		t.User = func(token trust.Token) string {
			u, _ := a.identify(token)
			return u.name
		}
	}
	return t
}

// reads returns the claims that a token must have: those of name and UID, and times in rules.
func (a *authenticator) reads() [][]string {
	var paths [][]string
	for _, claim := range append(a.username.claims(), a.uid.claims()...) {
		paths = append(paths, []string{claim})
	}
	for _, rule := range a.rules {
		for _, claim := range topClaims(rule.tree) {
			switch claim {
			case "exp", "iat", "nbf", "auth_time", "email_verified":
				paths = append(paths, []string{claim})
			}
		}
	}
	return paths
}

// ofUsers reports whether an entry is for users of a company, not for workloads: it maps
// groups or roles, or a name that only users have. Each user has rights by the own name.
func (a *authenticator) ofUsers() bool {
	isGroups := func(claim string) bool {
		claim = strings.ToLower(claim)
		return strings.Contains(claim, "group") || strings.Contains(claim, "role")
	}
	isName := func(claim string) bool {
		switch claim {
		case "email", "upn", "unique_name", "preferred_username", "username", "name", "nickname", "login":
			return true
		default:
			return false
		}
	}
	return slices.ContainsFunc(a.groups.claims(), isGroups) || slices.ContainsFunc(a.username.claims(), isName)
}

// comparisons returns the comparisons of claims with literals in all rules.
func (a *authenticator) comparisons() []trust.Comparison {
	found := []trust.Comparison{{Claim: []string{"aud"}, Operator: trust.Equal, Values: a.audiences}}
	for _, r := range a.required {
		found = append(found, trust.Comparison{Claim: []string{r.claim}, Operator: trust.Equal, Values: []string{r.value}})
	}
	for _, p := range a.overClaims() {
		for _, c := range comparisons(p.tree, nil) {
			if len(c.Claim) > 1 && c.Claim[0] == "claims" {
				c.Claim = c.Claim[1:]
				found = append(found, c)
			}
		}
	}
	for _, p := range a.userRules {
		for _, c := range comparisons(p.tree, nil) {
			if c, ok := a.ofClaim(c); ok {
				found = append(found, c)
			}
		}
	}
	return found
}

// overClaims returns all expressions over claims.
func (a *authenticator) overClaims() []*program {
	programs := slices.Clone(a.rules)
	for _, m := range append([]mapping{a.username, a.groups, a.uid}, a.extra...) {
		if m.expression != nil {
			programs = append(programs, m.expression)
		}
	}
	return programs
}

// ofClaim turns a comparison of an attribute of the user into one of the claim that the
// attribute is made of, without the prefix.
func (a *authenticator) ofClaim(c trust.Comparison) (trust.Comparison, bool) {
	if len(c.Claim) != 2 || c.Claim[0] != "user" {
		return c, false
	}
	m := a.username
	switch c.Claim[1] {
	case "username":
	case "groups":
		m = a.groups
	case "uid":
		m = a.uid
	default:
		return c, false
	}
	if m.claim == "" {
		return c, false
	}
	values := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		values = append(values, strings.TrimPrefix(v, m.prefix))
	}
	c.Claim, c.Values = []string{m.claim}, values
	return c, true
}
