package driver

import (
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Accounts answers lookups of names from the accounts that a driver has read. Two names are
// one account where their keys under the platform's Comparison are equal: what the platform
// takes for equal beyond that is another account.
type Accounts struct {
	names identity.Comparison
	byKey map[identity.Key][]account
	// known are the accounts that byKey has.
	known map[accountName]bool
	// elsewhere are the keys of names that belong to another identity provider.
	elsewhere map[identity.Key]bool
	// all are the names that were added, and bySearchKey the same, made by the first lookup
	// that finds nothing.
	all         []string
	bySearchKey map[string][]string
}

// accountName is one name of one account.
type accountName struct {
	key identity.Key
	ref string
}

type account struct {
	ref   string
	state access.Found
}

// NewAccounts returns an empty set of accounts, whose names are compared so.
func NewAccounts(names identity.Comparison) *Accounts {
	return &Accounts{
		names: names, byKey: map[identity.Key][]account{}, known: map[accountName]bool{}, elsewhere: map[identity.Key]bool{},
	}
}

// Add adds an account: one of its names, the platform's id, and its state, which is
// access.Yes, access.Disabled or access.Pending. An account can have several names. Adding one
// again changes nothing, and neither does an empty name.
func (a *Accounts) Add(name, ref string, state access.Found) {
	key := a.names.Key(name)
	id := accountName{key, ref}
	if name == "" || a.known[id] {
		return
	}
	a.known[id] = true
	a.byKey[key] = append(a.byKey[key], account{ref, state})
	a.all, a.bySearchKey = append(a.all, name), nil
}

// AddOfOtherOrigin adds the name of an account that another identity provider vouches for.
// No lookup finds the account.
func (a *Accounts) AddOfOtherOrigin(name string) { a.elsewhere[a.names.Key(name)] = true }

// Find returns the answer for a name.
func (a *Accounts) Find(name string) access.Resolution {
	found := a.byKey[a.names.Key(name)]
	refs := make([]string, len(found))
	for i, f := range found {
		refs[i] = f.ref
	}
	slices.Sort(refs)
	switch {
	case len(found) == 0:
		return access.Resolution{Found: access.No, Similar: a.similar(name)}
	case len(found) > 1:
		return access.Resolution{Found: access.Ambiguous, Refs: refs}
	default:
		return access.Resolution{Found: found[0].state, Refs: refs}
	}
}

// maxSimilar is how many accounts of one search key are compared with a name that is not
// found: a platform and the documents can both have thousands of spellings of one name, and
// all pairs of 16,000 took more than a minute.
const maxSimilar = 16

// similar returns the difference of an account that has nearly the name, or "".
func (a *Accounts) similar(name string) access.Similarity {
	if a.elsewhere[a.names.Key(name)] {
		return access.DiffersByOrigin
	}
	if a.bySearchKey == nil {
		a.bySearchKey = make(map[string][]string, len(a.all))
		for _, known := range a.all {
			key := identity.SearchKey(strings.TrimSpace(known))
			if len(a.bySearchKey[key]) < maxSimilar {
				a.bySearchKey[key] = append(a.bySearchKey[key], known)
			}
		}
	}
	var similarity access.Similarity
	for _, known := range a.bySearchKey[identity.SearchKey(strings.TrimSpace(name))] {
		if is := identity.Similar(name, known); is != "" && (similarity == "" || is < similarity) {
			similarity = is
		}
	}
	return similarity
}
