package gcp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of the attributes of one token, in bytes.
const (
	maxSubject    = 127
	maxAttributes = 8 << 10
)

const (
	subjectKey      = "google.subject"
	groupsKey       = "google.groups"
	attributePrefix = "attribute."
)

// provider is a compiled provider. It does not change, so goroutines may share it.
type provider struct {
	Provider

	resource  resource
	audiences []string
	// mappings begin with google.subject.
	mappings  []mapping
	condition *expression // nil if there is none
	// refuses is true if the provider accepts no token: it is disabled or an expression
	// does not compile.
	refuses     bool
	comparisons []trust.Comparison
	// needed are the claims without which the provider accepts no token.
	needed claimSet
}

// mapping is one attribute and its expression.
type mapping struct {
	key string
	*expression
}

// identity has the values of a provider's mappings for one token, in the same order.
type identity []any

// newProvider compiles a provider. A mapping or condition that Google would not store
// becomes a finding, and the provider then accepts no token.
func newProvider(p Provider, report *findings) *provider {
	return newExpressions().provider(p, report)
}

// provider compiles a provider, as newProvider does.
func (x expressions) provider(p Provider, report *findings) *provider {
	c := &provider{Provider: p, refuses: p.Disabled || p.Deleted}
	c.resource, _ = parseResource(p.Name)
	if p.AWS != nil && len(p.AttributeMapping) == 0 {
		c.AttributeMapping = awsMapping()
	}
	if p.OIDC != nil {
		c.audiences = p.OIDC.AllowedAudiences
	}
	if len(c.audiences) == 0 {
		name := "//iam.googleapis.com/" + strings.TrimPrefix(p.Name, "//iam.googleapis.com/")
		c.audiences = []string{name, "https:" + name}
	}
	if p.Undecided == "" {
		c.compile(x, report)
		c.comparisons, c.needed = c.compare()
	}
	return c
}

// awsMapping returns the mapping of an AWS provider that has none.
// Source: the comment of iam/v1.WorkloadIdentityPoolProvider.AttributeMapping.
func awsMapping() map[string]string {
	return map[string]string{
		subjectKey: "assertion.arn",
		"attribute.aws_role": "assertion.arn.contains('assumed-role') ? assertion.arn.extract('{account_arn}assumed-role/') + " +
			"'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn",
	}
}

// compile compiles mappings and condition, or reports why Google would not store them.
func (p *provider) compile(x expressions, report *findings) {
	env, err := compilers()
	if err != nil {
		p.reject(report, "attributeCondition", err.Error())
		return
	}
	keys := slices.Collect(maps.Keys(p.AttributeMapping))
	sort.Slice(keys, func(i, j int) bool {
		if (keys[i] == subjectKey) != (keys[j] == subjectKey) {
			return keys[i] == subjectKey
		}
		return keys[i] < keys[j]
	})
	if len(keys) == 0 || keys[0] != subjectKey {
		p.reject(report, "attributeMapping", "there is no mapping of google.subject")
	}
	for _, key := range keys {
		e, err := x.compile(env.mapping, p.AttributeMapping[key], maxMapping)
		if err == nil && key == subjectKey {
			err = mustBe(e, cel.StringType)
		}
		if err != nil {
			p.reject(report, "attributeMapping."+key, err.Error())
			continue
		}
		p.mappings = append(p.mappings, mapping{key, e})
	}
	if p.AttributeCondition == "" {
		return
	}
	p.condition, err = x.compile(env.condition, p.AttributeCondition, maxCondition)
	if err == nil {
		err = mustBe(p.condition, cel.BoolType)
	}
	if err != nil {
		p.reject(report, "attributeCondition", err.Error())
	}
}

// mustBe returns an error if an expression never yields a value of a type.
func mustBe(e *expression, want *cel.Type) error {
	if e.output.IsExactType(want) || e.output.IsExactType(cel.DynType) {
		return nil
	}
	return fmt.Errorf("1:1: it is of type %s, not %s", e.output, want)
}

// reject reports an expression that Google would not store.
func (p *provider) reject(report *findings, field, message string) {
	p.refuses = true
	report.add(line(p.At, p.Lines, field), p.title(), "G00", trust.Medium,
		fmt.Sprintf("%s is invalid, so the provider accepts no token: %s", field, message),
		"Correct "+field+" and lint the provider again.")
}

// trust returns the provider as a trust. subjects are those of the members of its pool.
func (p *provider) trust(subjects []string) trust.Trust {
	account, subject := "", ""
	if p.AWS != nil {
		account = p.AWS.AccountID
	}
	if len(p.mappings) > 0 && len(p.mappings[0].claim) == 1 {
		subject = p.mappings[0].claim[0]
	}
	return trust.Trust{
		SubjectClaim: subject,
		Account:      account,
		Name:         p.title(), Kind: trust.GCPProvider, At: p.At, Issuer: p.issuer(), Accepts: p.accepts,
		Comparisons: p.comparisons, Subjects: subjects, Audiences: p.audiences,
		Disabled: p.Disabled || p.Deleted, Unknown: p.Undecided, Reads: p.needed.paths(),
	}
}

// title names the provider in findings.
func (p *provider) title() string { return cmp.Or(p.Name, "a provider without a name") }

// issuer returns the URL of the issuer, "" if the provider trusts none by URL.
func (p *provider) issuer() string {
	if p.OIDC == nil {
		return ""
	}
	return p.OIDC.IssuerURI
}

// accepts decides whether the provider exchanges a token.
func (p *provider) accepts(t trust.Token) trust.Decision {
	_, decision := p.identify(t)
	return decision
}

// identify returns the mapped attributes of a token that the provider exchanges. The
// identity is nil if the decision is undecided.
func (p *provider) identify(t trust.Token) (identity, trust.Decision) {
	if p.refuses || !p.issued(t) {
		return nil, trust.Decision{}
	}
	if p.Undecided != "" {
		return nil, trust.Decision{Accepted: true, Undecided: p.Undecided}
	}
	vars := &activation{claims: t, provider: p, identity: make(identity, len(p.mappings))}
	if !p.maps(vars) || !p.admits(vars) {
		return nil, trust.Decision{}
	}
	return vars.identity, trust.Decision{Accepted: true}
}

// issued reports whether a token is of the trusted issuer or account, for this provider.
// The audience of an AWS token is the signed header x-goog-cloud-target-resource.
func (p *provider) issued(t trust.Token) bool {
	if p.AWS != nil {
		if account, _ := t["account"].(string); account != p.AWS.AccountID {
			return false
		}
	}
	if p.OIDC != nil {
		if iss, _ := t["iss"].(string); iss != p.OIDC.IssuerURI {
			return false
		}
	}
	switch aud := t["aud"].(type) {
	case string:
		return slices.Contains(p.audiences, aud)
	case []any:
		return slices.ContainsFunc(aud, func(one any) bool {
			text, ok := one.(string)
			return ok && slices.Contains(p.audiences, text)
		})
	default:
		return false
	}
}

// maps evaluates the mappings into the identity. It fails if an expression fails, if
// google.subject is no text of at most 127 bytes, or if all attributes are larger than 8 KB.
// Other attributes may have any type: only texts select an identity, but others do not
// refuse it.
func (p *provider) maps(vars *activation) bool {
	size := 0
	for i := range p.mappings {
		value, ok := p.mappings[i].value(vars)
		if !ok {
			return false
		}
		vars.identity[i] = value
		size += sizeOf(value)
	}
	subject, ok := vars.identity[0].(string)
	return ok && len(subject) <= maxSubject && size <= maxAttributes
}

// sizeOf returns the size of an attribute in bytes.
func sizeOf(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []any:
		size := 0
		for _, one := range v {
			text, _ := one.(string)
			size += len(text)
		}
		return size
	default:
		return 8
	}
}

// admits evaluates the condition.
func (p *provider) admits(vars *activation) bool {
	if p.condition == nil {
		return true
	}
	value, ok := p.condition.value(vars)
	accepted, isBool := value.(bool)
	return ok && isBool && accepted
}

// value evaluates an expression.
func (e *expression) value(vars *activation) (any, bool) {
	if e.program == nil {
		return trust.Token(vars.claims).Lookup(e.claim...)
	}
	value, _, err := e.program.Eval(vars)
	if err != nil || value == nil {
		return nil, false
	}
	return native(value)
}

// activation resolves the variables of an expression.
type activation struct {
	claims   map[string]any
	provider *provider
	identity identity
	// google and attribute are made when an expression first needs them.
	google, attribute map[string]any
}

// ResolveName returns the value of a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "assertion":
		return a.claims, true
	case "google":
		if a.google == nil {
			a.google = a.byName("google.")
		}
		return a.google, true
	case "attribute":
		if a.attribute == nil {
			a.attribute = a.byName(attributePrefix)
		}
		return a.attribute, true
	default:
		return nil, false
	}
}

// Parent returns nil: all variables are here.
func (*activation) Parent() cel.Activation { return nil }

// byName returns the mapped attributes with a prefix, without it.
func (a *activation) byName(prefix string) map[string]any {
	values := map[string]any{}
	for i, m := range a.provider.mappings {
		if name, ok := strings.CutPrefix(m.key, prefix); ok {
			values[name] = a.identity[i]
		}
	}
	return values
}
