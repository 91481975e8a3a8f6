package oracle

import (
	"cmp"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// adopts reports whether somebody told Rollcall to take over this very group, and
// no mark on it names another owner.
func (m *maker) adopts(key access.Key, ref string, mark access.Mark) bool {
	return m.adopted[Removal{Object: key, Ref: ref}] && (mark == access.Mark{} || mark.Agrees(m.in.Rules.Mark))
}

// takeOver gives a group on the platform its name and our mark, where it lacks
// one of them. Everything about the group comes after.
func (m *maker) takeOver(want, have access.Group) {
	before, renamed := m.inPlace[want.Name]
	switch {
	case renamed:
		have = before
	case m.whose(have.Key(), have.Ref, have.Mark) == ours:
		return
	}
	have.Members = nil
	want = access.Group{Name: want.Name, Ref: have.Ref, Mark: m.in.Rules.Mark, Serves: want.Serves, Why: want.Why}
	why := "somebody told Rollcall to take this group over"
	if renamed {
		why = fmt.Sprintf("the group %q has another name now, and the platform renames it", have.Name)
		if m.moved[have.Name] == want.Name {
			why = fmt.Sprintf("somebody else gave this group the name %q", have.Name)
		}
	}
	at := m.at(want.Name)
	at.created = []string{m.build(want.Name, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})}
}

// cannotAdopt says why a group that somebody told Rollcall to take over is not.
func (m *maker) cannotAdopt(have access.Group) {
	for _, o := range m.in.Adopted {
		switch {
		case o.Key != have.Key():
		case o.Ref != have.Ref:
			m.remark(access.ObjectForeign, have.Name, fmt.Sprintf(
				"the group %q is not the one that was to be taken over: it has another id, so it was made anew since; "+
					"adopt it again if it is the right one", have.Name))
		default:
			m.remark(access.ObjectForeign, have.Name, fmt.Sprintf(
				"the group %q cannot be taken over: the mark on it says that it belongs to the installation %q and the tenant %q; "+
					"remove the mark there if that is no longer so", have.Name, have.Mark.Installation, cmp.Or(have.Mark.Tenant, "?")))
		}
	}
}
