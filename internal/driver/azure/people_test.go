package azure_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/fault"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestInvited: somebody invited counts once they have accepted, whatever way people
// are looked up, although Entra makes up another userPrincipalName for them.
func TestInvited(t *testing.T) {
	for _, by := range []string{"userByUsername", "userByMail"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1})
			w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": by})
			shop := w.newTenant(t, "prod")
			const who = "Guest.Person@partner.example"
			ref := shop.must(invite(who))
			want := access.Resolution{Found: access.Pending, Refs: []string{ref}}
			if diff := cmp.Diff(want, shop.resolve("guest.person@PARTNER.example")); diff != "" {
				t.Errorf("who was invited: %s", diff)
			}
			if again := shop.must(invite(who)); again != ref || w.cloud.Control().Calls()["POST /invitations"] != 1 {
				t.Errorf("inviting again gave %s after %s, with %d invitations", again, ref, w.cloud.Control().Calls()["POST /invitations"])
			}
			w.cloud.Accept(w.tenant, ref)
			want.Found = access.Yes
			if diff := cmp.Diff(want, shop.resolve(who)); diff != "" {
				t.Errorf("who has accepted: %s", diff)
			}
			w.cloud.DisableUser(w.tenant, ref)
			want.Found = access.Disabled
			if diff := cmp.Diff(want, shop.resolve(who)); diff != "" {
				t.Errorf("who was disabled: %s", diff)
			}
			w.cloud.DeleteUser(w.tenant, ref)
			if diff := cmp.Diff(access.Resolution{Found: access.No}, shop.resolve(who), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("who was deleted, but can be brought back: %s", diff)
			}
		})
	}
}

// TestInvitesNobodyUnasked: without the setting, and without an address.
func TestInvitesNobodyUnasked(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	if _, err := w.newTenant(t, "a").apply(invite("no-address")); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("inviting without an address: %v", err)
	}
	w.settings["replication"] = replication(map[string]any{"b2bUserInvitation": nil})
	if _, err := w.newTenant(t, "b").apply(invite("a@partner.example")); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("inviting where the document does not ask for it: %v", err)
	}
}

// TestAnswersAreCompared: what the platform takes for a match is compared here, too.
// This one ignores filters.
func TestAnswersAreCompared(t *testing.T) {
	w := newWorldBehind(t, simulated.Options{Stale: -1}, func(cloud http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/users") {
				query := r.URL.Query()
				query.Del("$filter")
				r.URL.RawQuery = query.Encode()
			}
			cloud.ServeHTTP(rw, r)
		})
	})
	w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": "UserByMailLookupStrategy"})
	ada := w.cloud.AddUser(w.tenant, "a@example.com", "ada@example.com", true)
	w.cloud.AddUser(w.tenant, "b@example.com", "ada@example.com.au", true)
	w.cloud.AddUser(w.tenant, "c@example.com", "", true)
	zoe := w.cloud.AddUser(w.tenant, "d@example.com", "zoë@example.com", true)
	shop := w.newTenant(t, "prod")
	cases := map[string]struct {
		reason, account string
		want            access.Resolution
	}{
		"Exact":    {"the whole address", "ada@example.com", access.Resolution{Found: access.Yes, Refs: []string{ada}}},
		"Case":     {"Entra ignores case", "ADA@Example.COM", access.Resolution{Found: access.Yes, Refs: []string{ada}}},
		"Umlaut":   {"the letter itself", "zo\u00eb@EXAMPLE.com", access.Resolution{Found: access.Yes, Refs: []string{zoe}}},
		"Accent":   {"the letter and an accent of its own", "zoe\u0308@example.com", access.Resolution{Found: access.Yes, Refs: []string{zoe}}},
		"Capital":  {"only ASCII letters ignore case", "ZO\u00cb@example.com", access.Resolution{Found: access.No, Similar: access.DiffersByCase}},
		"Prefix":   {"a prefix is another person", "ada@example", access.Resolution{Found: access.No}},
		"Suffix":   {"and so is a suffix", "da@example.com", access.Resolution{Found: access.No}},
		"UPN":      {"the other attribute does not count", "a@example.com", access.Resolution{Found: access.No}},
		"Nobody":   {"no account is not everybody without a mail", "", access.Resolution{Found: access.No}},
		"Wildcard": {"there are no wildcards", "*", access.Resolution{Found: access.No}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, shop.resolve(c.account), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s", c.reason, diff)
			}
		})
	}
}

// TestNamesBeforeMails: a guest whose mail is somebody's userPrincipalName is not
// that person.
func TestNamesBeforeMails(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	ada := w.cloud.AddUser(w.tenant, "ada@example.com", "other@example.com", true)
	w.cloud.AddGuestPending(w.tenant, "ada@example.com")
	w.cloud.AddUser(w.tenant, "eve@example.com", "bob@example.com", true)
	shop := w.newTenant(t, "prod")
	if diff := cmp.Diff(access.Resolution{Found: access.Yes, Refs: []string{ada}}, shop.resolve("ada@example.com")); diff != "" {
		t.Error(diff)
	}
	if got := shop.resolve("bob@example.com"); got.Found != access.No {
		t.Errorf("the mail of somebody who is no guest was taken for a userPrincipalName: %v", got)
	}
}

// TestGuestsByOtherAddresses: a guest is found by every address that they have. Addresses of
// others than guests are theirs to change, and count for nothing.
func TestGuestsByOtherAddresses(t *testing.T) {
	for _, by := range []string{"userByUsername", "userByMail"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1})
			w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": by})
			guest := w.cloud.AddGuestPending(w.tenant, "g.person@partner.example")
			w.cloud.Accept(w.tenant, guest)
			w.cloud.SetAddresses(w.tenant, guest, []string{"Old.Name@partner.example", "shared@partner.example"}, []string{"SMTP:g.person@partner.example", "smtp:Second@partner.example", "x500:third@partner.example"})
			second := w.cloud.AddGuestPending(w.tenant, "second.guest@partner.example")
			w.cloud.SetAddresses(w.tenant, second, []string{"shared@partner.example", "g.person@partner.example"}, nil)
			member := w.cloud.AddUser(w.tenant, "member@example.com", "member@example.com", true)
			w.cloud.SetAddresses(w.tenant, member, []string{"boss@example.com"}, []string{"smtp:chief@example.com"})
			both := slices.Sorted(slices.Values([]string{guest, second}))
			shop := w.newTenant(t, "prod")
			for name, tc := range map[string]struct {
				reason, account string
				want            access.Resolution
			}{
				"mail":       {"their own mail counts before what others have as a further address", "G.Person@partner.example", access.Resolution{Found: access.Yes, Refs: []string{guest}}},
				"otherMails": {"the address that the invitation went to", "old.name@partner.example", access.Resolution{Found: access.Yes, Refs: []string{guest}}},
				"proxy":      {"a secondary address of a mailbox", "second@partner.example", access.Resolution{Found: access.Yes, Refs: []string{guest}}},
				"x500":       {"no address of mail", "third@partner.example", access.Resolution{Found: access.No}},
				"two":        {"two guests have it", "shared@partner.example", access.Resolution{Found: access.Ambiguous, Refs: both}},
				"member":     {"a member's otherMails do not count", "boss@example.com", access.Resolution{Found: access.No}},
				"mailbox":    {"nor do a member's proxyAddresses", "chief@example.com", access.Resolution{Found: access.No}},
				"look-alike": {"the Kelvin sign is no k", "boo\u212a@partner.example", access.Resolution{Found: access.No}},
				"quote":      {"a quote ends no filter", "x' or '1'='1@partner.example", access.Resolution{Found: access.No}},
			} {
				if diff := cmp.Diff(tc.want, shop.resolve(tc.account), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: %s: %s", name, tc.reason, diff)
				}
			}
		})
	}
}

// TestLookUpVariable: the worker's variable counts where the document is silent.
func TestLookUpVariable(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	w.getenv = environment(map[string]string{
		"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret, azure.LookUpVariable: "UserByMailLookupStrategy",
	})
	ada := w.cloud.AddUser(w.tenant, "a123@example.com", "ada@example.com", true)
	if got := w.newTenant(t, "a").resolve("ada@example.com"); !slices.Equal(got.Refs, []string{ada}) {
		t.Errorf("by mail: %v", got)
	}
	w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": "userByUsername"})
	if got := w.newTenant(t, "b").resolve("ada@example.com"); got.Found != access.No {
		t.Errorf("the document says by name: %v", got)
	}
}

// TestManyAccounts: 15 to a filter, 20 filters to a call.
func TestManyAccounts(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	w.users("many", 310)
	shop := w.newTenant(t, "prod")
	var names []string
	for _, u := range w.cloud.Users(w.tenant) {
		names = append(names, strings.ToUpper(u.UserPrincipalName))
	}
	before := w.proxy.Count()
	got, err := shop.driver.Resolve(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if r.Found != access.Yes {
			t.Fatalf("account %d is %v", i, r)
		}
	}
	// 21 filters for names and 21 for mails.
	if calls := w.proxy.Count() - before; calls != 3 {
		t.Errorf("looking up %d accounts took %d calls, want 3", len(names), calls)
	}
}
