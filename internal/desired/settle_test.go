package desired_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// pair is a tenant on which jane and kim hold one role.
func pair() document.TenantInput {
	in := shop()
	in.Platform.Replication.EUIDPattern = ""
	in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin", GroupAlias: "admin", Roles: []string{"owner"}}}
	in.UserBindings = []document.Binding{binding("b1", "project-admin", "jane"), binding("b2", "project-admin", "kim")}
	in.GroupBindings = nil
	return in
}

// settleCase answers for jane and kim, who hold one role.
type settleCase struct {
	reason  string
	options desired.Options
	jane    access.Resolution
	kim     access.Resolution
	want    []string
	keep    []access.Keep
	remarks []string
}

func (tc settleCase) run(t *testing.T) {
	t.Parallel()
	s := settle(t, compute(t, pair(), tc.options), map[string]access.Resolution{"jane": tc.jane, "kim": tc.kim})
	if diff := cmp.Diff(tc.want, shape(s.State)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.keep, s.Keep); diff != "" {
		t.Errorf("keep (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.remarks, codes(s.Remarks)); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
}

func TestSettleGrants(t *testing.T) {
	jane := access.Resolution{Found: access.Yes, Refs: []string{"u-jane"}}
	for _, tc := range []settleCase{
		{
			reason: "both are found", options: options(), jane: jane, kim: access.Resolution{Found: access.Yes, Refs: []string{"u-kim"}},
			want: []string{"retail.shop-admin: jane kim", "owner → retail.shop-admin"},
		},
		{
			reason: "who is not found is left out and not kept", options: options(), jane: jane, kim: access.Resolution{Found: access.No},
			want:    []string{"retail.shop-admin: jane", "owner → retail.shop-admin"},
			remarks: []string{"user-not-found kim"},
		},
		{
			reason: "two users of one account gain nothing and lose nothing", options: options(), jane: jane, kim: jane,
			want:    []string{"retail.shop-admin: ", "owner → retail.shop-admin"},
			keep:    []access.Keep{{Set: access.Key{Kind: access.KindGroup, Group: "retail.shop-admin"}, Refs: []string{"u-jane"}}},
			remarks: []string{"account-collision jane", "account-collision kim"},
		},
		{
			reason: "a group stays when nobody is found", options: options(),
			jane: access.Resolution{Found: access.No}, kim: access.Resolution{Found: access.No},
			want:    []string{"retail.shop-admin: ", "owner → retail.shop-admin"},
			remarks: []string{"user-not-found jane", "user-not-found kim"},
		},
		{
			reason: "a binding to people goes when nobody is found", options: peopleOptions(),
			jane: access.Resolution{Found: access.No}, kim: access.Resolution{Found: access.No},
			remarks: []string{"user-not-found jane", "user-not-found kim"},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestSettleKeeps(t *testing.T) {
	jane := access.Resolution{Found: access.Yes, Refs: []string{"u-jane"}}
	group := access.Key{Kind: access.KindGroup, Group: "retail.shop-admin"}
	owner := access.Key{Kind: access.KindBinding, Role: "owner"}
	for _, tc := range []settleCase{
		{
			reason: "every account that might be meant is kept", options: options(),
			jane: jane, kim: access.Resolution{Found: access.Ambiguous, Refs: []string{"u-2", "u-1", "u-2"}},
			want:    []string{"retail.shop-admin: jane", "owner → retail.shop-admin"},
			keep:    []access.Keep{{Set: group, Refs: []string{"u-1", "u-2"}}},
			remarks: []string{"user-ambiguous kim"},
		},
		{
			reason: "a disabled account is kept", options: options(),
			jane: jane, kim: access.Resolution{Found: access.Disabled, Refs: []string{"u-kim"}},
			want:    []string{"retail.shop-admin: jane", "owner → retail.shop-admin"},
			keep:    []access.Keep{{Set: group, Refs: []string{"u-kim"}}},
			remarks: []string{"user-disabled kim"},
		},
		{
			reason: "an invited account is kept", options: options(),
			jane: jane, kim: access.Resolution{Found: access.Pending, Refs: []string{"u-kim"}},
			want:    []string{"retail.shop-admin: jane", "owner → retail.shop-admin"},
			keep:    []access.Keep{{Set: group, Refs: []string{"u-kim"}}},
			remarks: []string{"invitation-pending kim"},
		},
		{
			reason: "a binding to people stays when somebody is kept", options: peopleOptions(),
			jane: access.Resolution{Found: access.No}, kim: access.Resolution{Found: access.Disabled, Refs: []string{"u-kim"}},
			want:    []string{"owner: "},
			keep:    []access.Keep{{Set: owner, Refs: []string{"u-kim"}}},
			remarks: []string{"user-disabled kim", "user-not-found jane"},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestSettleRefuses(t *testing.T) {
	cases := []struct {
		reason string
		kim    *access.Resolution
	}{
		{"no answer", nil},
		{"an empty answer", &access.Resolution{}},
		{"an answer nobody knows", &access.Resolution{Found: "maybe"}},
		{"found without an id", &access.Resolution{Found: access.Yes}},
		{"found with an empty id", &access.Resolution{Found: access.Yes, Refs: []string{""}}},
		{"found twice", &access.Resolution{Found: access.Yes, Refs: []string{"a", "b"}}},
		{"disabled without an id", &access.Resolution{Found: access.Disabled}},
		{"invited without an id", &access.Resolution{Found: access.Pending}},
		{"ambiguous with one id", &access.Resolution{Found: access.Ambiguous, Refs: []string{"a"}}},
		{"not found with an id", &access.Resolution{Found: access.No, Refs: []string{"a"}}},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			found := map[string]access.Resolution{"jane": {Found: access.Yes, Refs: []string{"u-jane"}}}
			if tc.kim != nil {
				found["kim"] = *tc.kim
			}
			s, err := compute(t, pair(), options()).Settle(found, desired.Known{})
			if !errors.Is(err, desired.ErrUnresolved) {
				t.Fatalf("Settle = %+v, %v, want ErrUnresolved", s, err)
			}
			if strings.Contains(err.Error(), "kim") {
				t.Errorf("Settle says %q, which names a person", err)
			}
		})
	}
}

func TestSettleKeepsDesired(t *testing.T) {
	d := compute(t, shop(), peopleOptions())
	before := toJSON(t, d)
	settle(t, d, everybody(d))
	if diff := cmp.Diff(before, toJSON(t, d)); diff != "" {
		t.Errorf("Settle changed what it settles (-before +after):\n%s", diff)
	}
}

func TestSettleNothing(t *testing.T) {
	in := shop()
	in.Deleted = true
	s := settle(t, compute(t, in, options()), nil)
	if diff := cmp.Diff(desired.Settled{}, s); diff != "" {
		t.Errorf("a deleted tenant (-want +got):\n%s", diff)
	}
}

// TestSettleProperties draws the answers: nobody is granted what the platform
// does not vouch for, no set holds an account twice, and everybody is accounted
// for, as a member or by a remark.
func TestSettleProperties(t *testing.T) {
	answer := rapid.Custom(func(rt *rapid.T) access.Resolution {
		ref := rapid.SampledFrom([]string{"u-1", "u-2", "u-3", "u-4"})
		switch found := rapid.SampledFrom([]access.Found{
			access.Yes, access.Yes, access.No, access.Ambiguous, access.Disabled, access.Pending,
		}).Draw(rt, "found"); found {
		case access.No:
			return access.Resolution{Found: found}
		case access.Ambiguous:
			return access.Resolution{Found: found, Refs: []string{ref.Draw(rt, "ref"), "u-9"}}
		default:
			return access.Resolution{Found: found, Refs: []string{ref.Draw(rt, "ref")}}
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		o := rapid.SampledFrom([]desired.Options{options(), peopleOptions()}).Draw(rt, "options")
		d := compute(t, shop(), o)
		found := map[string]access.Resolution{}
		for _, name := range d.Accounts() {
			found[name] = answer.Draw(rt, name)
		}
		s := settle(t, d, found)
		granted := map[string]bool{}
		for _, set := range memberSets(s.State) {
			refs := map[string]bool{}
			for _, m := range set {
				if found[m.Name].Found != access.Yes || found[m.Name].Refs[0] != m.Ref || refs[m.Ref] {
					rt.Fatalf("%+v is granted, the answer is %+v, the set %+v", m, found[m.Name], set)
				}
				refs[m.Ref], granted[m.Person] = true, true
			}
		}
		for _, set := range memberSets(d.State) {
			for _, m := range set {
				remarked := slices.ContainsFunc(s.Remarks, func(r access.Remark) bool { return r.Object == m.Person })
				if granted[m.Person] == remarked {
					rt.Fatalf("%s: granted %v, remarked %v", m.Person, granted[m.Person], remarked)
				}
			}
		}
	})
}

func memberSets(s access.State) [][]access.Member {
	var sets [][]access.Member
	for _, g := range s.Groups {
		sets = append(sets, g.Members)
	}
	for _, b := range s.Bindings {
		sets = append(sets, b.Subjects)
	}
	return sets
}

// TestSettleBringsIn: who is not found is brought in where the platform can and
// its document asks for it, and granted nothing until the platform knows them.
func TestSettleBringsIn(t *testing.T) {
	t.Parallel()
	bringIn := options()
	bringIn.BringIn = true
	in := pair()
	in.Users = append(in.Users[:0:0], in.Users...)
	for i, u := range in.Users {
		in.Users[i].Email, in.Users[i].FirstName = u.Name+"@corp.example", "First "+u.Name
	}
	for _, tc := range []struct {
		reason  string
		asked   bool
		options desired.Options
		kim     access.Resolution
		want    []access.Newcomer
		remarks []string
	}{
		{
			reason: "unknown", asked: true, options: bringIn, kim: access.Resolution{Found: access.No},
			want: []access.Newcomer{{
				Account: access.Account{Name: "kim"}, Person: "kim", Email: "kim@corp.example", FirstName: "First kim",
			}},
		},
		{
			reason: "an account beside one that users may take for it is a duplicate", asked: true, options: bringIn,
			kim:     access.Resolution{Found: access.No, Similar: access.DiffersByCase},
			remarks: []string{"user-not-found kim"},
		},
		{
			reason: "invited and not accepted is a remark, not another invitation", asked: true, options: bringIn,
			kim:     access.Resolution{Found: access.Pending, Refs: []string{"u-kim"}},
			remarks: []string{"invitation-pending kim"},
		},
		{
			reason: "the document does not ask for it", options: bringIn, kim: access.Resolution{Found: access.No},
			remarks: []string{"user-not-found kim"},
		},
		{
			reason: "the platform cannot", asked: true, options: options(), kim: access.Resolution{Found: access.No},
			remarks: []string{"user-not-found kim"},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			in := in
			in.Platform.Replication.BringIn = tc.asked
			jane := access.Resolution{Found: access.Yes, Refs: []string{"u-jane"}}
			s := settle(t, compute(t, in, tc.options), map[string]access.Resolution{"jane": jane, "kim": tc.kim})
			if diff := cmp.Diff(tc.want, s.Newcomers); diff != "" {
				t.Errorf("newcomers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.remarks, codes(s.Remarks)); diff != "" {
				t.Errorf("remarks (-want +got):\n%s", diff)
			}
			if got := names(s.State.Groups[0].Members); !slices.Equal(got, []string{"jane"}) {
				t.Errorf("the group has %v, want jane alone", got)
			}
		})
	}
}

// TestSettleSaysWhatIsDeprecated demands the remark in each run.
func TestSettleSaysWhatIsDeprecated(t *testing.T) {
	t.Parallel()
	in := pair()
	in.Platform.Replication.BringIn = true
	o := options()
	o.BringIn, o.Deprecated = true, true
	d := compute(t, in, o)
	s := settle(t, d, everybody(d))
	if diff := cmp.Diff([]string{"user-creation-deprecated stack.eu-1"}, codes(s.Remarks)); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
}

// TestNotFound_AdvisesBySimilarity: what the warning advises depends on whether a similar account exists.
func TestNotFound_AdvisesBySimilarity(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason  string
		similar access.Similarity
		want    string
	}{
		{"nothing like it", "", `the platform has no account whose userName is "kim": create it there, ` +
			`or correct spec.euid of the meshUser kim or the platform's euidPattern`},
		{"case", access.DiffersByCase, `the platform has no account whose userName is "kim", only one that differs by case: ` +
			`correct spec.euid of the meshUser kim, the platform's euidPattern, or the name there`},
		{"composition", access.DiffersByComposition, `the platform has no account whose userName is "kim", only one that differs by composition: ` +
			`correct spec.euid of the meshUser kim, the platform's euidPattern, or the name there`},
		{"blanks", access.DiffersByBlanks, `the platform has no account whose userName is "kim", only one with other blanks: ` +
			`remove the blanks there, or correct spec.euid of the meshUser kim`},
		{"another identity provider", access.DiffersByOrigin, `the platform has no account whose userName is "kim", only one of another origin: ` +
			`correct the platform's origin, or the origin of the account of kim`},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.LookupAttribute = "userName"
			s := settle(t, compute(t, pair(), o), map[string]access.Resolution{
				"jane": {Found: access.Yes, Refs: []string{"u-jane"}}, "kim": {Found: access.No, Similar: tc.similar},
			})
			if len(s.Remarks) != 1 || s.Remarks[0].Text != tc.want {
				t.Errorf("warnings %+v, want %q", s.Remarks, tc.want)
			}
		})
	}
}

// TestKnown_UsersOfOtherTenants: an account that another user has under another name is granted
// to neither.
func TestKnown_UsersOfOtherTenants(t *testing.T) {
	t.Parallel()
	found := map[string]access.Resolution{
		"jane": {Found: access.Yes, Refs: []string{"u-jane"}}, "kim": {Found: access.Yes, Refs: []string{"u-kim"}},
	}
	group := access.Key{Kind: access.KindGroup, Group: "retail.shop-admin"}
	holder := func(user, name string) []access.Member {
		return []access.Member{{Account: access.Account{Name: name, Ref: "u-jane"}, Person: user}}
	}
	for _, tc := range []struct {
		reason  string
		users   map[string][]access.Member
		members string
		keep    []access.Keep
		remarks []string
	}{
		{"no other user has the account", nil, "jane kim", nil, nil},
		{
			"another user has it", map[string][]access.Member{"u-jane": holder("mallory", "jane.x")}, "kim",
			[]access.Keep{{Set: group, Refs: []string{"u-jane"}}}, []string{"account-collision jane"},
		},
		{"the user has another name of it", map[string][]access.Member{"u-jane": holder("jane", "jane.x")}, "jane kim", nil, nil},
		{"another user has another account", map[string][]access.Member{"u-other": holder("mallory", "jane.x")}, "jane kim", nil, nil},
	} {
		s, err := compute(t, pair(), options()).Settle(found, desired.Known{Users: tc.users})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(names(s.State.Groups[0].Members), " "); got != tc.members {
			t.Errorf("%s: members %q, want %q", tc.reason, got, tc.members)
		}
		if diff := cmp.Diff(tc.keep, s.Keep); diff != "" {
			t.Errorf("%s: keep (-want +got):\n%s", tc.reason, diff)
		}
		if diff := cmp.Diff(tc.remarks, codes(s.Remarks)); diff != "" {
			t.Errorf("%s: remarks (-want +got):\n%s", tc.reason, diff)
		}
	}
}

// TestUsersOf: users have those accounts that their euids make, and euids that may make an account
// are found from its name.
func TestUsersOf(t *testing.T) {
	t.Parallel()
	jane := access.Account{Name: "JANE@x", Ref: "u-jane"}
	for _, tc := range []struct {
		reason, pattern string
		names           identity.Comparison
		euid            string
		candidates      []string
		want            map[string][]access.Member
	}{
		{
			"the platform ignores case", "%s@x", identity.IgnoreCase, "jane",
			[]string{"JANE"}, map[string][]access.Member{"u-jane": {{Account: jane, Person: "j"}}},
		},
		{"the platform does not", "%s@x", identity.Exact, "jane", []string{"JANE"}, map[string][]access.Member{}},
		{
			"the pattern writes upper case", "%S@x", identity.Exact, "jane",
			[]string{"JANE"}, map[string][]access.Member{"u-jane": {{Account: jane, Person: "j"}}},
		},
		{"another pattern made the name", "%s@y", identity.IgnoreCase, "jane", nil, map[string][]access.Member{}},
		{"no euid", "%s@x", identity.IgnoreCase, " ", []string{"JANE"}, map[string][]access.Member{}},
	} {
		p := document.Platform{Replication: document.Replication{EUIDPattern: tc.pattern}}
		candidates, err := desired.EUIDs(p, []access.Account{jane})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.candidates, candidates); diff != "" {
			t.Errorf("%s: euids (-want +got):\n%s", tc.reason, diff)
		}
		got, err := desired.UsersOf(p, tc.names, []access.Account{jane}, []document.User{{Name: "j", EUID: tc.euid}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: users (-want +got):\n%s", tc.reason, diff)
		}
	}
}
