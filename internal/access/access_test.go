package access_test

import (
	order "cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

func TestKeyString(t *testing.T) {
	tests := []struct {
		reason string
		key    access.Key
		want   string
	}{
		{"a group is its name", access.Group{Name: "readers"}.Key(), "readers"},
		{"so are its members", access.Key{Kind: access.KindMembers, Group: "readers"}, "readers"},
		{"a role of a group", access.Binding{Role: "view", Group: "readers"}.Key(), "view → readers"},
		{"a role of people", access.Binding{Role: "view"}.Key(), "view"},
	}
	for _, test := range tests {
		if got := test.key.String(); got != test.want {
			t.Errorf("%s: %+v is written %q, want %q", test.reason, test.key, got, test.want)
		}
	}
}

func TestKeyOrder(t *testing.T) {
	sorted := []access.Key{
		{Kind: access.KindBinding, Role: "z"},
		{Kind: access.KindBinding, Group: "a", Role: "y"},
		{Kind: access.KindBinding, Group: "a", Role: "z"},
		{Kind: access.KindBinding, Group: "b", Role: "a"},
		{Kind: access.KindGroup, Group: "a"},
		{Kind: access.KindMembers, Group: "a"},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := a.Compare(b), order.Compare(i, j); got != want {
				t.Errorf("%+v.Compare(%+v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

// TestSortIgnoresOrder demands that a state has one JSON text, however it was
// listed: also with two groups of one name, and their bindings.
func TestSortIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := drawState(t)
		other := access.State{Groups: shuffle(t, one.Groups), Bindings: shuffle(t, one.Bindings)}
		for i := range other.Groups {
			other.Groups[i].Members = shuffle(t, other.Groups[i].Members)
		}
		for i := range other.Bindings {
			other.Bindings[i].Subjects = shuffle(t, other.Bindings[i].Subjects)
		}
		one.Sort()
		other.Sort()
		text := asJSON(t, one)
		if diff := cmp.Diff(text, asJSON(t, other)); diff != "" {
			t.Errorf("equal states in another order differ:\n%s", diff)
		}
		one.Sort()
		if diff := cmp.Diff(text, asJSON(t, one)); diff != "" {
			t.Errorf("sorting twice differs from sorting once:\n%s", diff)
		}
	})
}

func drawState(t *rapid.T) access.State {
	var s access.State
	names := rapid.SampledFrom([]string{"readers", "admins", ""})
	for i := range rapid.IntRange(0, 6).Draw(t, "groups") {
		ref := fmt.Sprintf("g-%d", i)
		g := access.Group{Name: names.Draw(t, "name"), Ref: ref, Members: drawMembers(t)}
		s.Groups = append(s.Groups, g)
		s.Bindings = append(s.Bindings, access.Binding{Role: "view", Group: g.Name, GroupRef: ref, Subjects: drawMembers(t)})
	}
	return s
}

func drawMembers(t *rapid.T) []access.Member {
	var members []access.Member
	for _, i := range rapid.SliceOfDistinct(rapid.IntRange(0, 20), rapid.ID[int]).Draw(t, "members") {
		// Two names to a ref, and names without one.
		account := access.Account{Name: fmt.Sprintf("person%d@example.com", i)}
		if i > 5 {
			account.Ref = fmt.Sprintf("u-%d", i/2)
		}
		members = append(members, access.Member{Account: account})
	}
	return members
}

func TestSortRemarks(t *testing.T) {
	held := access.Remark{Code: access.RemovalHeld, Object: "readers", Text: "a"}
	other := access.Remark{Code: access.RemovalHeld, Object: "readers", Text: "b"}
	later := access.Remark{Code: access.RemovalHeld, Object: "writers", Text: "a"}
	foreign := access.Remark{Code: access.ObjectForeign, Object: "zoo", Text: "z"}
	tests := []struct {
		reason   string
		in, want []access.Remark
	}{
		{"none", nil, nil},
		{"by code, object and text", []access.Remark{later, other, held, foreign}, []access.Remark{foreign, held, other, later}},
		{"repetitions go, also those that were apart", []access.Remark{held, foreign, held, held}, []access.Remark{foreign, held}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, access.SortRemarks(slices.Clone(test.in))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

func shuffle[T any](t *rapid.T, s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return rapid.Permutation(slices.Clone(s)).Draw(t, "order")
}

func asJSON(t *rapid.T, v any) string {
	t.Helper()
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
