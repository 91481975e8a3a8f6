package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// role is a Role or ClusterRole that may create tokens of service accounts.
type role struct {
	id
	at trust.Position
	// accounts are the service accounts whose tokens it may create; empty for all.
	accounts []string
}

// binding is a RoleBinding or ClusterRoleBinding.
type binding struct {
	id
	at       trust.Position
	role     id // its namespace is empty for a ClusterRole
	subjects []string
}

// builtIn reports whether an object is one that every cluster has.
func builtIn(v *manifest.Value) bool {
	return v.Get("metadata", "labels", "kubernetes.io/bootstrapping").Exists() ||
		strings.HasPrefix(v.Get("metadata", "name").Text(), "system:")
}

// role reads a Role or ClusterRole.
func (p *parser) role(v *manifest.Value) {
	if builtIn(v) {
		return
	}
	for _, rule := range v.Get("rules").List() {
		if !createsTokens(rule) {
			continue
		}
		r := role{id: idOf(v), at: p.at(rule, v.Line), accounts: rule.Get("resourceNames").Texts()}
		if r.kind == "ClusterRole" {
			r.namespace = ""
		}
		p.roles = append(p.roles, r)
	}
}

// createsTokens reports whether a rule may create serviceaccounts/token.
func createsTokens(rule *manifest.Value) bool {
	has := func(field string, values ...string) bool {
		return slices.ContainsFunc(rule.Get(field).Texts(), func(text string) bool { return slices.Contains(values, text) })
	}
	return has("apiGroups", "", "*") && has("resources", "serviceaccounts/token", "*/token", "*") && has("verbs", "create", "*")
}

// binding reads a RoleBinding or ClusterRoleBinding.
func (p *parser) binding(v *manifest.Value) {
	if builtIn(v) {
		return
	}
	b := binding{id: idOf(v), at: p.at(v, 0), role: id{kind: v.Get("roleRef", "kind").Text(), name: v.Get("roleRef", "name").Text()}}
	if b.role.kind == "Role" {
		b.role.namespace = b.namespace
	}
	if b.kind == "ClusterRoleBinding" {
		b.namespace = ""
	}
	for _, s := range v.Get("subjects").List() {
		subject := id{kind: s.Get("kind").Text(), namespace: s.Get("namespace").Text(), name: s.Get("name").Text()}
		if subject.name == "system:masters" {
			continue // may do everything without a role
		}
		b.subjects = append(b.subjects, subject.String())
	}
	p.bindings = append(p.bindings, b)
}

// tokenCreators finds the accounts that may create tokens of service accounts (K05): they
// can be any workload that has one of them. A role that names service accounts is left out
// where none of them is trusted.
func (s set) tokenCreators() []trust.Finding {
	var findings []trust.Finding
	trusted := s.trustedAccounts()
	type key struct{ kind, name string }
	bindings := map[key][]binding{}
	for _, b := range s.bindings {
		bindings[key{b.role.kind, b.role.name}] = append(bindings[key{b.role.kind, b.role.name}], b)
	}
	for _, r := range s.roles {
		findings = append(findings, r.creators(bindings[key{r.kind, r.name}], trusted)...)
	}
	federated := s.federated()
	for _, b := range s.bindings {
		if f, found := federated.creator(b); found {
			findings = append(findings, f)
		}
	}
	return findings
}

// creators returns the findings of a role, at the bindings of its name.
func (r role) creators(bindings []binding, trusted *trustedAccounts) []trust.Finding {
	var findings []trust.Finding
	bound := false
	for _, b := range bindings {
		if !sameNamespace(b.role.namespace, r.namespace) || len(b.subjects) == 0 {
			continue
		}
		bound = true
		if trusted.any(cmp.Or(b.namespace, r.namespace), r.accounts) {
			findings = append(findings, r.finding(b))
		}
	}
	if bound || !trusted.any(r.namespace, r.accounts) {
		return findings
	}
	return append(findings, trust.Finding{
		File: r.at.File, Line: r.at.Line, Trust: r.id.String(), Rule: "K05", Severity: trust.Medium,
		Message: "The role may create tokens of " + r.reach("") + "; no binding of it is among the files.",
		Fix:     fixCreator,
	})
}

const fixCreator = "Remove create on serviceaccounts/token, or name the service accounts in resourceNames; pods get " +
	"tokens from the kubelet without it."

// finding returns the finding of a binding of a role.
func (r role) finding(b binding) trust.Finding {
	return trust.Finding{
		File: b.at.File, Line: b.at.Line, Trust: b.id.String(), Rule: "K05", Severity: trust.High,
		Message: fmt.Sprintf("%s may create tokens of %s, for any audience, by %s: that is, be these workloads in every cloud.",
			strings.Join(b.subjects, ", "), r.reach(b.namespace), r.id),
		Fix: fixCreator,
	}
}

// reach names the service accounts whose tokens a role may create in a namespace.
func (r role) reach(namespace string) string {
	accounts := "every service account"
	if len(r.accounts) > 0 {
		accounts = "service account " + strings.Join(r.accounts, ", ")
	}
	switch {
	case namespace != "":
		return accounts + " of namespace " + namespace
	case r.namespace != "":
		return accounts + " of namespace " + r.namespace
	default:
		return accounts + " of the cluster"
	}
}

// federated has the first workload with tokens for other systems in each namespace, and the
// first at all at "*", by index.
type federated struct {
	workloads []workload
	first     map[string]int
}

func (s set) federated() federated {
	f := federated{workloads: s.workloads, first: map[string]int{}}
	for i, w := range s.workloads {
		if !slices.ContainsFunc(w.tokens, (*token).external) {
			continue
		}
		for _, namespace := range []string{w.namespace, "*"} {
			if _, found := f.first[namespace]; !found {
				f.first[namespace] = i
			}
		}
	}
	return f
}

// in returns the first workload that may be in a namespace; false if there is none.
func (f federated) in(namespace string) (workload, bool) {
	if namespace == "" {
		namespace = "*"
	}
	i, found := f.first[namespace]
	if k, anywhere := f.first[""]; anywhere && (!found || k < i) {
		i, found = k, true
	}
	if !found {
		return workload{}, false
	}
	return f.workloads[i], true
}

// creator finds a binding of a built-in role that may create tokens, where it reaches a
// workload that another system trusts.
func (f federated) creator(b binding) (trust.Finding, bool) {
	if b.role.kind != "ClusterRole" || len(b.subjects) == 0 || !slices.Contains([]string{"cluster-admin", "admin", "edit"}, b.role.name) {
		return trust.Finding{}, false
	}
	namespace := ""
	if b.kind == "RoleBinding" {
		namespace = b.namespace
	}
	w, found := f.in(namespace)
	if !found {
		return trust.Finding{}, false
	}
	return trust.Finding{
		File: b.at.File, Line: b.at.Line, Trust: b.id.String(), Rule: "K05", Severity: trust.High,
		Message: fmt.Sprintf("%s may create tokens of service account %s, by the built-in role %s: that is, be %s in every cloud.",
			strings.Join(b.subjects, ", "), w.account, b.role.name, w.id),
		Fix: "Bind a role without create on serviceaccounts/token, or keep trusted workloads in a namespace of their own.",
	}, true
}
