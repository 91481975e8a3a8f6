package openshift

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	userv1 "github.com/openshift/api/user/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

func named(name string) *userv1.Group {
	return &userv1.Group{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// TestSeenForgets: it grows no further than its limit, and old groups go.
func TestSeenForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeen()
		for i := range mostSeen + 10 {
			s.put(named(strconv.Itoa(i)))
		}
		if got := len(s.groups); got != mostSeen || s.get("0") == nil || s.get(strconv.Itoa(mostSeen)) != nil {
			t.Errorf("%d groups are remembered, want the first %d", got, mostSeen)
		}
		time.Sleep(seenFor + time.Second)
		if s.get("0") != nil {
			t.Error("a group is remembered for too long")
		}
		s.put(named("new"))
		if got := len(s.groups); got != 1 || s.get("new") == nil {
			t.Errorf("%d groups are remembered, want the new one", got)
		}
		if s.forget("new"); s.get("new") != nil {
			t.Error("a forgotten group is remembered")
		}
	})
}

// TestChanged: whoever is added is in, whoever is removed is not, nobody else moves,
// and doing it again is no change.
func TestChanged(t *testing.T) {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"ada", "bob", "eve", "Ada", "zoe"}), 0, 6)
	people := func(names []string) []access.Member {
		var all []access.Member
		for _, name := range names {
			all = append(all, access.Member{Account: access.Account{Ref: name}})
		}
		return all
	}
	rapid.Check(t, func(t *rapid.T) {
		before, add, remove := names.Draw(t, "before"), names.Draw(t, "add"), names.Draw(t, "remove")
		users, differs := changed(&userv1.Group{Users: before}, people(add), people(remove))
		want := map[string]bool{}
		for _, name := range before {
			want[name] = true
		}
		for _, name := range remove {
			delete(want, name)
		}
		for _, name := range add {
			want[name] = true
		}
		if users == nil || len(users) != len(want) || differs != !equal(unique(before), users) {
			t.Fatalf("%v + %v - %v = %v (changed: %t), want %v", before, add, remove, users, differs, want)
		}
		for _, name := range users {
			if !want[name] {
				t.Fatalf("%v + %v - %v has %q", before, add, remove, name)
			}
		}
		if again, differs := changed(&userv1.Group{Users: users}, people(add), people(remove)); differs {
			t.Fatalf("done again it is %v, not %v", again, users)
		}
	})
}

func equal(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) && len(a) == len(b) }
