package kubernetes

import (
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// maxOpen bounds how many trusts without a subject of their own are asked about a service
// account. With more, each service account counts as trusted.
const maxOpen = 50

// trustedAccounts are the service accounts that other systems trust.
type trustedAccounts struct {
	// names are service accounts by namespace and name. An empty namespace stands for one
	// that the files do not say.
	names map[account]bool
	// namespaces are how many namespaces a name is trusted in.
	namespaces map[string]int
	// open are trusts that name no subject.
	open []trust.Trust
	// checked are answers of open trusts.
	checked map[account]bool
}

// account is a service account.
type account struct{ namespace, name string }

// trustedAccounts returns the service accounts with tokens for other systems, and those that
// trusts of clouds name.
func (s set) trustedAccounts() *trustedAccounts {
	t := &trustedAccounts{names: map[account]bool{}, namespaces: map[string]int{}, checked: map[account]bool{}}
	for _, w := range s.workloads {
		if slices.ContainsFunc(w.tokens, (*token).external) {
			t.add(account{w.namespace, w.account})
		}
	}
	for i := range s.trusts {
		one := &s.trusts[i]
		if cloudOfTrust(*one) == "" || one.Accepts == nil {
			continue
		}
		named := false
		for _, subject := range subjectsOf(one) {
			named = true
			if rest, ok := strings.CutPrefix(subject, "system:serviceaccount:"); ok {
				namespace, name, _ := strings.Cut(rest, ":")
				t.add(account{namespace, name})
			}
		}
		if !named && len(t.open) <= maxOpen {
			t.open = append(t.open, *one)
		}
	}
	return t
}

// subjectsOf returns the whole subjects that a trust names.
func subjectsOf(t *trust.Trust) []string {
	subjects := slices.Clone(t.Subjects)
	for _, c := range t.Comparisons {
		if len(c.Claim) == 1 && c.Claim[0] == "sub" && c.Operator == trust.Equal {
			subjects = append(subjects, c.Values...)
		}
	}
	return subjects
}

func (t *trustedAccounts) add(a account) {
	if !t.names[a] {
		t.names[a] = true
		t.namespaces[a.name]++
	}
}

// any reports whether one of the service accounts is trusted, or whether the files do not
// tell: there are no names, or the files have no trust. An empty namespace stands for each.
func (t *trustedAccounts) any(namespace string, names []string) bool {
	if len(names) == 0 || len(t.names)+len(t.open) == 0 || len(t.open) > maxOpen {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		if t.names[account{namespace, name}] || t.names[account{"", name}] || namespace == "" && t.namespaces[name] > 0 {
			return true
		}
		return t.isOpen(account{namespace, name})
	})
}

// isOpen reports whether a trust that names no subject accepts the tokens of a service
// account.
func (t *trustedAccounts) isOpen(a account) bool {
	accepted, known := t.checked[a]
	if !known {
		w := workload{id: id{namespace: a.namespace, name: a.name}, account: a.name}
		accepted = slices.ContainsFunc(t.open, func(one trust.Trust) bool {
			_, named := w.acceptedAudience(one)
			_, byDefault := w.accepts(one, "sts.amazonaws.com") // a role of AWS need not name it
			return named || byDefault
		})
		t.checked[a] = accepted
	}
	return accepted
}
