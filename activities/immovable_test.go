package activities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestMembersLeaveAReplacedGroupWhoseRoleStays: the platform does not take a role from an
// old group. In the same run its members leave it; they have the new group.
func TestMembersLeaveAReplacedGroupWhoseRoleStays(t *testing.T) {
	t.Parallel()
	const before = "[{projectRoleRef: {name: user}, groupAlias: user, roles: [developer, viewer]}]"
	all := []string{"u-adaline", "u-benedict", "u-sydney"}
	for _, c := range []struct {
		reason   string
		mappings string
		fault    memory.Fault
		old, now []string
	}{
		{
			"an unmapped role stays on the old group", "[{projectRoleRef: {name: user}, groupAlias: team, roles: [viewer]}]",
			memory.Fault{Op: "write:bindings.delete", Contains: "developer", Class: "invalid"}, nil, all,
		},
		{
			"the new group has the role, too", "[{projectRoleRef: {name: user}, groupAlias: team, roles: [developer, viewer]}]",
			memory.Fault{Op: "write:bindings.delete", Contains: "developer", Class: "invalid"}, nil, all,
		},
		{
			"the new group is refused a member: all stay in the old one", "[{projectRoleRef: {name: user}, groupAlias: team, roles: [viewer]}]",
			memory.Fault{Op: "write:groups.members", Contains: "u-sydney", Class: "invalid"}, all, nil,
		},
	} {
		l := newLab(t)
		l.documents(settings{bound: 3, mappings: before})
		l.converge()
		l.documents(settings{bound: 3, mappings: c.mappings})
		l.edit(func(w *memory.World) { w.Faults = []memory.Fault{c.fault} })
		got, err := l.replicate(0, nil)
		if result := workflows.FailedResult(err); err == nil || result.Outcome != activities.Failed {
			t.Errorf("%s: %+v, %v; want failed", c.reason, got, err)
		}
		old, _ := l.group("web-user")
		if diff := cmp.Diff(c.old, old, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: the old group's members (-want +got):\n%s", c.reason, diff)
		}
		if now, _ := l.group("web-team"); c.now != nil {
			if diff := cmp.Diff(c.now, now); diff != "" {
				t.Errorf("%s: the new group's members (-want +got):\n%s", c.reason, diff)
			}
		}
	}
}
