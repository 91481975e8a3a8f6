package kubernetes

import (
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// maxEntries is how many jwt entries the API server takes.
const maxEntries = 64

// authentication reads an AuthenticationConfiguration. The API server refuses the whole
// file if one entry is wrong; each entry is judged alone here, and one that does not
// compile has findings and no trust.
func (p *parser) authentication(v *manifest.Value) {
	r := &configReader{parser: p, issuers: map[string]int{}}
	r.version(v)
	r.known(v, "AuthenticationConfiguration", "apiVersion", "kind", "metadata", "jwt", "anonymous")
	r.anonymous(v.Get("anonymous"))
	entries := v.Get("jwt").List()
	if len(entries) > maxEntries {
		r.invalid(v.Get("jwt"), "jwt", fmt.Sprintf("has %d entries; the API server takes at most %d", len(entries), maxEntries))
		entries = entries[:maxEntries]
	}
	if len(entries) == 0 {
		return
	}
	compiler, err := newCompiler()
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	r.compiler = compiler
	for i, entry := range entries {
		r.entry(entry, i)
	}
}

// configReader reads an AuthenticationConfiguration.
type configReader struct {
	*parser
	compiler *compiler
	issuers  map[string]int // the line of each issuer
	// name is the entry that is read; wrong is true once it has a finding that it is
	// invalid.
	name  string
	wrong bool
}

func (r *configReader) version(v *manifest.Value) {
	r.name = "AuthenticationConfiguration"
	switch version := v.Get("apiVersion").Text(); version {
	case "apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1":
	default:
		r.invalid(v, "apiVersion", fmt.Sprintf("is %q; write apiserver.config.k8s.io/v1", version))
	}
}

// invalid reports what the API server refuses (K10).
func (r *configReader) invalid(v *manifest.Value, field, problem string) {
	r.wrong = true
	r.Findings = append(r.Findings, trust.Finding{
		File: r.file, Line: v.LineOr(0), Trust: r.name, Rule: "K10", Severity: trust.Medium,
		Message: fmt.Sprintf("The API server refuses the file: %s %s.", field, problem),
		Fix:     "Correct " + field + "; a running API server keeps the old configuration until then, and does not start with this one.",
	})
}

// known reports fields that the API server does not know: it reads the file strictly.
func (r *configReader) known(v *manifest.Value, of string, names ...string) {
	for _, f := range v.Fields() {
		if !slices.Contains(names, f.Name) {
			r.invalid(f.Value, f.Name, "is no field of "+of)
		}
	}
}

// anonymous judges what requests without a token may reach (K13).
func (r *configReader) anonymous(v *manifest.Value) {
	if !v.Get("enabled").True() {
		return
	}
	finding := trust.Finding{
		File: r.file, Line: v.Line, Trust: "anonymous", Rule: "K13", Severity: trust.Medium,
		Message: "Requests without a token reach every path, as user system:anonymous: each role bound to it is open to the network.",
		Fix:     "Set anonymous.conditions to the health paths (/livez, /readyz, /healthz), or enabled to false.",
	}
	conditions := v.Get("conditions").List()
	if len(conditions) == 0 {
		r.Findings = append(r.Findings, finding)
		return
	}
	for _, c := range conditions {
		switch path := c.Get("path").Text(); path {
		case "/livez", "/readyz", "/healthz":
		default:
			finding.Line = c.Line
			finding.Message = fmt.Sprintf("Requests without a token reach %q, as user system:anonymous.", path)
			r.Findings = append(r.Findings, finding)
		}
	}
}

// entry reads a jwt entry.
func (r *configReader) entry(v *manifest.Value, index int) {
	a := &authenticator{at: r.at(v, 0), issuer: v.Get("issuer", "url").Text(), audiences: v.Get("issuer", "audiences").Texts()}
	a.name = fmt.Sprintf("jwt[%d] %s", index, a.issuer)
	r.name, r.wrong = a.name, false
	r.known(v, "a jwt entry", "issuer", "claimValidationRules", "claimMappings", "userValidationRules")
	r.issuer(v.Get("issuer"), v, a)
	r.claimRules(v.Get("claimValidationRules"), a)
	mappings := v.Get("claimMappings")
	r.known(mappings, "claimMappings", "username", "groups", "uid", "extra")
	a.username = r.mapping(mappings.Get("username"), "claimMappings.username", true)
	if !a.username.set() {
		r.invalid(mappings, "claimMappings.username", "has no claim and no expression")
	}
	a.groups = r.mapping(mappings.Get("groups"), "claimMappings.groups", true)
	a.uid = r.mapping(mappings.Get("uid"), "claimMappings.uid", false)
	r.extra(mappings.Get("extra"), a)
	r.userRules(v.Get("userValidationRules"), a)
	r.emailVerified(a)
	if r.wrong {
		return
	}
	r.Trusts = append(r.Trusts, a.trust())
	r.Findings = append(r.Findings, a.inspect()...)
}

// issuer checks the issuer as the API server does.
// Source: validateIssuer in k8s.io/apiserver/pkg/apis/apiserver/validation.
func (r *configReader) issuer(v, entry *manifest.Value, a *authenticator) {
	if !v.Exists() {
		r.invalid(entry, "issuer", "is missing")
		return
	}
	r.known(v, "issuer", "url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy", "egressSelectorType")
	r.url(v.Get("url"), v, "issuer.url")
	if first, twice := r.issuers[a.issuer]; twice {
		r.invalid(v.Get("url"), "issuer.url", fmt.Sprintf("is that of the entry in line %d, too", first))
	}
	r.issuers[a.issuer] = v.Line
	if discovery := v.Get("discoveryURL"); discovery.Text() != "" {
		r.url(discovery, v, "issuer.discoveryURL")
		if strings.TrimRight(discovery.Text(), "/") == strings.TrimRight(a.issuer, "/") {
			r.invalid(discovery, "issuer.discoveryURL", "is the issuer's url; remove it")
		}
	}
	if ca := v.Get("certificateAuthority"); ca.Text() != "" {
		if block, _ := pem.Decode([]byte(ca.Text())); block == nil {
			r.invalid(ca, "issuer.certificateAuthority", "is no certificate in PEM; write its text, not a path")
		}
	}
	policy := v.Get("audienceMatchPolicy").Text()
	switch {
	case len(a.audiences) == 0:
		r.invalid(v, "issuer.audiences", "is empty")
	case len(a.audiences) > 1 && policy != "MatchAny", policy != "" && policy != "MatchAny":
		r.invalid(v, "issuer.audienceMatchPolicy", fmt.Sprintf("is %q; write MatchAny", policy))
	}
}

func (r *configReader) url(v, parent *manifest.Value, field string) {
	u, err := url.Parse(v.Text())
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		if !v.Exists() {
			v = parent
		}
		r.invalid(v, field, "is no https URL without user, query and fragment")
	}
}

func (r *configReader) claimRules(v *manifest.Value, a *authenticator) {
	for i, rule := range v.List() {
		field := fmt.Sprintf("claimValidationRules[%d]", i)
		r.known(rule, "a claim validation rule", "claim", "requiredValue", "expression", "message")
		claim, expression := rule.Get("claim").Text(), rule.Get("expression").Text()
		switch {
		case claim != "" && expression != "":
			r.invalid(rule, field, "has a claim and an expression; write one")
		case claim != "":
			a.required = append(a.required, required{claim: claim, value: rule.Get("requiredValue").Text()})
		case expression != "":
			if rule.Get("requiredValue").Exists() {
				r.invalid(rule, field, "has an expression and a requiredValue; put the value in the expression")
			}
			if p := r.compile(rule.Get("expression"), field+".expression", true); p != nil {
				a.rules = append(a.rules, p)
			}
		default:
			r.invalid(rule, field, "has no claim and no expression")
		}
	}
}

func (r *configReader) userRules(v *manifest.Value, a *authenticator) {
	for i, rule := range v.List() {
		field := fmt.Sprintf("userValidationRules[%d].expression", i)
		r.known(rule, "a user validation rule", "expression", "message")
		expression := rule.Get("expression")
		if expression.Text() == "" {
			r.invalid(rule, field, "is missing")
			continue
		}
		p, err := r.compiler.userProgram(expression.Text())
		if err != nil {
			r.invalid(expression, field, "does not compile: "+err.Error())
			continue
		}
		a.userRules = append(a.userRules, p)
	}
}

// compile compiles an expression over claims, and reports one that does not compile.
func (r *configReader) compile(v *manifest.Value, field string, test bool) *program {
	p, err := r.compiler.claimsProgram(v.Text(), test)
	if err != nil {
		r.invalid(v, field, "does not compile: "+err.Error())
		return nil
	}
	return p
}

// mapping reads a claim with a prefix, or an expression. prefixes is true where a claim
// needs a prefix.
func (r *configReader) mapping(v *manifest.Value, field string, prefixes bool) mapping {
	m := mapping{
		line: v.LineOr(0), claim: v.Get("claim").Text(),
		prefix: v.Get("prefix").Text(), prefixed: v.Get("prefix").Exists(),
	}
	names := []string{"claim", "expression"}
	if prefixes {
		names = append(names, "prefix")
	}
	r.known(v, field, names...)
	expression := v.Get("expression")
	switch {
	case m.claim != "" && expression.Text() != "":
		r.invalid(v, field, "has a claim and an expression; write one")
	case expression.Text() != "":
		if m.prefixed {
			r.invalid(v, field, "has an expression and a prefix; put the prefix in the expression")
		}
		m.expression = r.compile(expression, field+".expression", false)
	case m.claim != "" && prefixes && !m.prefixed:
		r.invalid(v, field+".prefix", "is missing; write one, such as \"oidc:\"")
	}
	return m
}

// extra reads the extra attributes.
func (r *configReader) extra(v *manifest.Value, a *authenticator) {
	for i, item := range v.List() {
		field := fmt.Sprintf("claimMappings.extra[%d]", i)
		r.known(item, field, "key", "valueExpression")
		key := item.Get("key").Text()
		domain, _, ok := strings.Cut(key, "/")
		switch {
		case !ok || domain == "" || key != strings.ToLower(key):
			r.invalid(item, field+".key", "is no path below a domain in small letters, such as example.com/team")
		case strings.HasSuffix("."+domain, ".kubernetes.io"), strings.HasSuffix("."+domain, ".k8s.io"):
			r.invalid(item, field+".key", "is in a domain of Kubernetes; use your own")
		}
		if m := (mapping{line: item.Line, key: key}); item.Get("valueExpression").Text() != "" {
			if m.expression = r.compile(item.Get("valueExpression"), field+".valueExpression", false); m.expression != nil {
				a.extra = append(a.extra, m)
			}
		} else {
			r.invalid(item, field+".valueExpression", "is missing")
		}
	}
}

// emailVerified reports a username of claims.email where no expression reads
// claims.email_verified: the API server refuses that.
func (r *configReader) emailVerified(a *authenticator) {
	e := a.username.expression
	if e == nil || !slices.Contains(topClaims(e.tree), "email") {
		return
	}
	programs := append([]*program{e}, a.rules...)
	for _, m := range a.extra {
		programs = append(programs, m.expression)
	}
	for _, p := range programs {
		if slices.Contains(topClaims(p.tree), "email_verified") {
			return
		}
	}
	r.invalid(&manifest.Value{Line: a.username.line}, "claimMappings.username.expression",
		"reads claims.email and no rule reads claims.email_verified")
}
