package desired

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/naming"
)

// Ended is access that a binding granted until its end. It tells why an account that has the
// access still loses it.
type Ended struct {
	// Group is the group whose member the account was; empty where bindings list users.
	Group string `json:"group,omitempty"`
	// Role is the platform's role that the account had; empty with a group.
	Role    string `json:"role,omitempty"`
	Account string `json:"account"`
	// Reason names the binding and its end.
	Reason string `json:"reason"`
}

// endedText says for users that a binding ended.
func endedText(b document.Binding) string {
	return fmt.Sprintf("binding %q ended at %s", b.Name, document.FormatEnd(b.Ends))
}

// ended returns the access that ended bindings granted, the latest end of each first.
func ended(in document.TenantInput, mappings []mapping, names accountNames, o Options) ([]Ended, error) {
	grants := in.EndedGrants()
	if len(grants) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(grants, func(a, b document.Grant) int {
		return cmp.Or(b.Binding.Ends.Compare(a.Binding.Ends), cmp.Compare(a.Binding.Name, b.Binding.Name), cmp.Compare(a.User, b.User))
	})
	euids := make(map[string]string, len(in.Users))
	for _, u := range in.Users {
		euids[u.Name] = u.EUID
	}
	pattern, err := parseNames(in.Platform)
	if err != nil {
		return nil, err
	}
	var all []Ended
	roles := roleNames(in.Roles)
	for _, g := range grants {
		account := names.name(euids[g.User])
		if account == "" {
			continue
		}
		granted, err := grantedBy(in, mappings, roles.of(g.Binding.Role), pattern, o)
		if err != nil {
			return nil, err
		}
		for _, e := range granted {
			e.Account, e.Reason = account, endedText(g.Binding)
			all = append(all, e)
		}
	}
	return all, nil
}

// grantedBy returns what the mappings of a project role grant, for no account yet: a group, or
// roles on platforms without groups.
func grantedBy(in document.TenantInput, mappings []mapping, role string, pattern naming.Pattern, o Options) ([]Ended, error) {
	var all []Ended
	for _, m := range mappings {
		if m.role != role {
			continue
		}
		if !o.Groups {
			for _, role := range m.roles {
				all = append(all, Ended{Role: role})
			}
			continue
		}
		group, err := groupName(pattern, in, m)
		if err != nil {
			return nil, err
		}
		all = append(all, Ended{Group: group})
	}
	return all, nil
}

// untilText says until when a binding grants access; empty for one without an end.
func untilText(ends time.Time) string {
	if ends.IsZero() {
		return ""
	}
	return " until " + document.FormatEnd(ends)
}
