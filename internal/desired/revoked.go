package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// revoked is what comes of grants to people whose access is revoked by name.
type revoked struct {
	// accounts are the names of their accounts, sorted.
	accounts []string
	remarks  []access.Remark
}

// dropRevoked returns the grants but for those of people whose access is revoked.
// Somebody else with the same account is the same for the platform: what was
// revoked does not come back under another name.
func dropRevoked(
	in document.TenantInput, grants []grant, pattern euid.Pattern, names identity.Comparison,
) ([]grant, revoked) {
	if len(in.Revoked) == 0 {
		return grants, revoked{}
	}
	gone := revokedPeople(in, pattern, names)
	var rest []grant
	lost := map[string]bool{}
	for _, g := range grants {
		if _, is := gone[g.person]; is {
			lost[g.person] = true
			continue
		}
		rest = append(rest, g)
	}
	var out revoked
	for _, person := range slices.Sorted(maps.Keys(lost)) {
		out.accounts = append(out.accounts, gone[person]...)
		out.remarks = append(out.remarks, access.Remark{Code: access.UserRevoked, Object: person, Text: fmt.Sprintf(
			"the access of %s is revoked by name, so nothing is granted although the documents give a role here: "+
				"remove the binding or the membership that does, or lift the revocation with rollcall revoke --lift", person)})
	}
	slices.Sort(out.accounts)
	out.accounts = slices.Compact(out.accounts)
	return rest, out
}

// revokedPeople returns those of the users who are revoked, each with the names
// of the accounts that may be theirs.
func revokedPeople(in document.TenantInput, pattern euid.Pattern, compare identity.Comparison) map[string][]string {
	byPerson, byAccount := map[string]string{}, map[identity.Key]bool{}
	for _, r := range in.Revoked {
		byPerson[r.Person] = account(pattern, r.EUID)
		if name := account(pattern, r.EUID); name != "" {
			byAccount[compare.Key(name)] = true
		}
	}
	gone := map[string][]string{}
	for _, u := range in.Users {
		now := account(pattern, u.EUID)
		then, named := byPerson[u.Name]
		if !named && (now == "" || !byAccount[compare.Key(now)]) {
			continue
		}
		names := slices.DeleteFunc([]string{then, now}, func(name string) bool { return name == "" })
		slices.Sort(names)
		gone[u.Name] = slices.Compact(names)
	}
	return gone
}

// account returns the name of the account, empty without an euid.
func account(pattern euid.Pattern, euid string) string {
	if strings.TrimSpace(euid) == "" {
		return ""
	}
	return pattern.Apply(euid)
}

// AccountsOf returns the names of the accounts that people with those euids have
// on the platform, sorted.
func AccountsOf(p document.Platform, euids []string) ([]string, error) {
	pattern, err := parseEUID(p)
	if err != nil {
		return nil, fmt.Errorf("desired: platform %s: %w", p.Identifier(), err)
	}
	var names []string
	for _, e := range euids {
		if name := account(pattern, e); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
