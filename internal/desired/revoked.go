package desired

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// revoked are the grants to users whose access is revoked by name.
type revoked struct {
	// accounts are the names of their accounts, sorted, without those that another user has.
	accounts []string
	// keys are those of the accounts of all revoked users, also of ones without a grant.
	keys     map[identity.Key]bool
	warnings []access.Remark
}

// dropRevoked returns the grants but for those of users whose access is revoked.
func dropRevoked(in document.TenantInput, grants []grant, names accountNames) ([]grant, revoked) {
	if len(in.Revoked) == 0 {
		return grants, revoked{}
	}
	euids, others := revokedEUIDs(in, names)
	out := revoked{keys: map[identity.Key]bool{}}
	for _, euid := range slices.Concat(slices.Collect(maps.Values(euids))...) {
		if key := names.key(euid); key != "" {
			out.keys[key] = true
		}
	}
	var rest []grant
	lost := map[string]bool{}
	for _, g := range grants {
		if _, gone := euids[g.person]; gone {
			lost[g.person] = true
			continue
		}
		rest = append(rest, g)
	}
	for _, user := range slices.Sorted(maps.Keys(lost)) {
		for _, euid := range euids[user] {
			if name := names.name(euid); name != "" && !others[names.key(euid)] {
				out.accounts = append(out.accounts, name)
			}
		}
		out.warnings = append(out.warnings, access.Remark{Code: access.UserRevoked, Object: user, Text: fmt.Sprintf(
			"the access of %s is revoked by name, so nothing is granted although the documents give a role here: "+
				"remove the binding or the membership that does, or lift the revocation with rollcall revoke --lift", user)})
	}
	slices.Sort(out.accounts)
	out.accounts = slices.Compact(out.accounts)
	return rest, out
}

// revokedEUIDs returns the euids of each revoked user, of when the access was revoked and of
// now, and the keys of all other users.
func revokedEUIDs(in document.TenantInput, names accountNames) (euids map[string][]string, others map[identity.Key]bool) {
	euids, others = make(map[string][]string, len(in.Revoked)), map[identity.Key]bool{}
	for _, r := range in.Revoked {
		euids[r.Person] = append(euids[r.Person], r.EUID)
	}
	for _, u := range slices.Concat(in.Users, in.SameAccount) {
		if _, gone := euids[u.Name]; gone {
			euids[u.Name] = append(euids[u.Name], u.EUID)
		} else {
			others[names.key(u.EUID)] = true
		}
	}
	return euids, others
}

// AccountsOf returns the names of the accounts that people with those euids have
// on the platform, sorted.
func AccountsOf(p document.Platform, euids []string) ([]string, error) {
	pattern, err := parseEUID(p)
	if err != nil {
		return nil, fmt.Errorf("desired: platform %s: %w", p.Identifier(), err)
	}
	accounts := accountNames{pattern: pattern}
	var names []string
	for _, e := range euids {
		if name := accounts.name(e); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
