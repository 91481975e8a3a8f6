package driver_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

func TestAccounts_Find(t *testing.T) {
	t.Parallel()
	no := func(similar access.Similarity) access.Resolution {
		return access.Resolution{Found: access.No, Similar: similar}
	}
	for _, tc := range []struct {
		reason string
		names  identity.Comparison
		name   string
		want   access.Resolution
	}{
		{"the name itself", identity.Exact, "ada", access.Resolution{Found: access.Yes, Refs: []string{"1"}}},
		{"an account keeps its state", identity.Exact, "gone", access.Resolution{Found: access.Disabled, Refs: []string{"2"}}},
		{"two accounts have the name", identity.Exact, "twin", access.Resolution{Found: access.Ambiguous, Refs: []string{"3", "4"}}},
		{"one account was added twice", identity.Exact, "again", access.Resolution{Found: access.Yes, Refs: []string{"5"}}},
		{"the platform stores the name decomposed", identity.Exact, "jos\u00e9", access.Resolution{Found: access.Yes, Refs: []string{"6"}}},
		{"case counts", identity.Exact, "ADA", no(access.DiffersByCase)},
		{"case does not count", identity.IgnoreCase, "ADA", access.Resolution{Found: access.Yes, Refs: []string{"1"}}},
		{"case counts beyond ASCII", identity.IgnoreCase, "JOS\u00c9", no(access.DiffersByCase)},
		{"a long s is no s, though its capital is S", identity.IgnoreCase, "lee\u017f", no(access.DiffersByCase)},
		{"a dotted capital I is no i", identity.IgnoreCase, "\u0130lker", no("")},
		{"the account has a blank at its end", identity.Exact, "blank", no(access.DiffersByBlanks)},
		{"the name has a blank at its end", identity.Exact, "ada ", no(access.DiffersByBlanks)},
		{"another provider's account has the name", identity.Exact, "eve", no(access.DiffersByOrigin)},
		{"the other provider's name is compared as any", identity.IgnoreCase, "EVE", no(access.DiffersByOrigin)},
		{"nothing is like it", identity.Exact, "bob", no("")},
		{"an account without a name is not found", identity.Exact, "", no("")},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			accounts := driver.NewAccounts(tc.names)
			accounts.Add("ada", "1", access.Yes)
			accounts.Add("gone", "2", access.Disabled)
			accounts.Add("twin", "4", access.Yes)
			accounts.Add("twin", "3", access.Disabled)
			accounts.Add("again", "5", access.Yes)
			accounts.Add("again", "5", access.Yes)
			accounts.Add("jose\u0301", "6", access.Yes)
			accounts.Add("blank ", "7", access.Yes)
			accounts.Add("lees", "8", access.Yes)
			accounts.Add("ilker", "9", access.Yes)
			accounts.Add("", "10", access.Yes)
			accounts.AddOfOtherOrigin("eve")
			if diff := cmp.Diff(tc.want, accounts.Find(tc.name), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s", tc.reason, diff)
			}
		})
	}
}

// TestAccounts_FindAfterAdd: a lookup that found nothing is not remembered.
func TestAccounts_FindAfterAdd(t *testing.T) {
	t.Parallel()
	accounts := driver.NewAccounts(identity.Exact)
	if got := accounts.Find("ada"); got.Found != access.No || got.Similar != "" {
		t.Errorf("an empty set finds %+v", got)
	}
	accounts.Add("Ada", "1", access.Yes)
	if got := accounts.Find("ada"); got.Similar != access.DiffersByCase {
		t.Errorf("the account that was added later is not seen: %+v", got)
	}
}

// BenchmarkAccounts_Add adds accounts that all have one name: 10 times as many should take 10
// times as long.
func BenchmarkAccounts_Add(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		refs := make([]string, n)
		for i := range refs {
			refs[i] = strconv.Itoa(i)
		}
		b.Run(fmt.Sprintf("%d accounts of one name", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				accounts := driver.NewAccounts(identity.IgnoreCase)
				for _, ref := range refs {
					accounts.Add("ada", ref, access.Yes)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/account")
		})
	}
}
