package drivertest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

//go:embed testdata/attack-names.json
var attackNames []byte

// AttackName is an account name that a careless lookup takes for another one, or for a part
// of a query.
type AttackName struct {
	Key    string `json:"key"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// AttackNames returns the names of testdata/attack-names.json. They resemble the names that
// BaseNames returns.
func AttackNames(t testing.TB) []AttackName {
	t.Helper()
	var names []AttackName
	if err := json.Unmarshal(attackNames, &names); err != nil {
		t.Fatalf("drivertest: read the attack names: %v", err)
	}
	return names
}

// BaseNames returns the names of users whose accounts no attack name may reach.
func BaseNames() []string {
	return []string{"amoreno", "bokafor", "knovak", "saziz", "zaziz", "icarvalho", "glund", "glynd", "finn", "jose", "x", "a"}
}

// nameDomain makes an address of a name: some platforms have no other names.
const nameDomain = "@example.com"

// lookups is the platform of the test of account names: the accounts that it has.
type lookups struct {
	*lab
	accounts []access.Account
}

// accountNamesAreCompared looks attack names up: first where the platform has base
// accounts only, then where it also has accounts of the attack names.
func accountNamesAreCompared(l *lab) {
	p := &lookups{lab: l}
	for _, name := range BaseNames() {
		p.add(p.form(name))
	}
	input := slices.Clone(names(p.accounts))
	for _, h := range AttackNames(l) {
		input = append(input, h.Name)
		if form := p.form(h.Name); form != h.Name {
			input = append(input, form)
		}
	}
	p.compare("among base accounts", input)
	base := len(p.accounts)
	for _, h := range AttackNames(l) {
		p.add(p.form(h.Name))
	}
	l.Logf("the platform has %d of the attack names", len(p.accounts)-base)
	p.compare("among accounts of these names", input)
	p.origins()
}

// form returns the name, or an address made of it where the platform cannot have the name.
func (p *lookups) form(name string) string {
	if p.world.Holds != nil && !p.world.Holds(name) {
		return name + nameDomain
	}
	return name
}

// add makes an account unless the platform cannot have the name, or has an account of it.
func (p *lookups) add(name string) {
	p.Helper()
	if p.world.Holds != nil && !p.world.Holds(name) || len(p.named(name)) > 0 {
		return
	}
	ref := p.world.User(p, name)
	if slices.ContainsFunc(p.accounts, func(a access.Account) bool { return a.Ref == ref }) {
		return // the platform takes it for the name of that account
	}
	p.accounts = append(p.accounts, access.Account{Name: name, Ref: ref})
}

// named returns the accounts of a name.
func (p *lookups) named(name string) []access.Account {
	return slices.DeleteFunc(slices.Clone(p.accounts), func(a access.Account) bool {
		return !p.profile.AccountNames.Same(a.Name, name)
	})
}

// compare looks the names up, all at once and a few at a time: drivers ask in another way
// for many names.
func (p *lookups) compare(where string, input []string) {
	p.Helper()
	const batch = 10
	for _, size := range []int{len(input), batch} {
		for part := range slices.Chunk(input, size) {
			p.settles(func() string {
				for i, got := range p.resolve(part...) {
					if wrong := p.wrong(part[i], got); wrong != "" {
						return fmt.Sprintf("Resolve of %s %s, %d names at once: %s", identity.Quote(part[i]), where, len(part), wrong)
					}
				}
				return ""
			})
		}
	}
}

// wrong returns what is wrong with the answer for a name, or "".
func (p *lookups) wrong(name string, got access.Resolution) string {
	there := p.named(name)
	if len(there) == 0 || got.Found == access.No && there[0].Name != identity.Normalize(there[0].Name) {
		// A platform that compares bytes does not find a decomposed name by the composed one.
		return p.wrongMiss(name, got)
	}
	return cmp.Diff(found(there[0].Ref), got, cmpopts.EquateEmpty())
}

// wrongMiss returns what is wrong with the answer for a name that no account has, or "".
func (p *lookups) wrongMiss(name string, got access.Resolution) string {
	if diff := cmp.Diff(access.Resolution{Found: access.No, Similar: got.Similar}, got, cmpopts.EquateEmpty()); diff != "" {
		return diff
	}
	similar := slices.ContainsFunc(p.accounts, func(a access.Account) bool { return identity.Similar(name, a.Name) == got.Similar })
	if got.Similar != "" && !similar {
		return fmt.Sprintf("no account differs by %s", got.Similar)
	}
	return ""
}

// origins looks names up that users of another identity provider have.
func (p *lookups) origins() {
	if p.world.OtherOrigin == nil {
		p.Log("the platform has one identity provider for all users")
		return
	}
	const other, both = "other.origin@example.com", "both.origins@example.com"
	p.world.OtherOrigin(p, other)
	p.world.OtherOrigin(p, both)
	ref := p.world.User(p, both)
	p.settles(func() string {
		got := p.resolve(other, both)
		want := []access.Resolution{{Found: access.No, Similar: access.DiffersByOrigin}, found(ref)}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			return "users of another identity provider: " + diff
		}
		return ""
	})
}

func names(accounts []access.Account) []string {
	var all []string
	for _, a := range accounts {
		all = append(all, a.Name)
	}
	return all
}
