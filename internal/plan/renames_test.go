package plan_test

import (
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// goesOn reports whether the plan leaves the rest of a renaming to the next one.
func goesOn(p plan.Plan) bool {
	return slices.ContainsFunc(p.Remarks, func(r access.Remark) bool {
		return r.Code == access.RenameWaiting && strings.Contains(r.Text, "the next plan goes on")
	})
}

// otherCase returns the desired group whose name differs from this one in case only.
func otherCase(in plan.Input, name string) string {
	for _, g := range in.Desired.Groups {
		if in.Rules.IgnoreCase && g.Name != name && strings.EqualFold(g.Name, name) {
			return g.Name
		}
	}
	return ""
}

// preservedNames are those of groups that are one with a desired one to the platform,
// which cannot give them its name.
func preservedNames(in plan.Input) []string {
	var names []string
	for _, g := range in.Observed.Groups {
		if !in.Rules.CanRename && otherCase(in, g.Name) != "" {
			names = append(names, g.Name)
		}
	}
	return names
}

// keptName returns the name under which the platform has a desired group.
func keptName(in plan.Input, name string) string {
	for _, kept := range preservedNames(in) {
		if strings.EqualFold(kept, name) {
			return kept
		}
	}
	return name
}

// formerName returns the name that a group had before the plan renames it in place.
func formerName(p plan.Plan, name string) string {
	for _, s := range p.Steps {
		if s.Op == plan.Change && s.Kind == access.KindGroup && s.Want.Group.Name == name {
			return s.Have.Group.Name
		}
	}
	return name
}

// adoptable reports whether somebody told us to take over this very group, and no
// other owner's mark is on it.
func adoptable(in plan.Input, name, ref string) bool {
	free := slices.ContainsFunc(in.Observed.Groups, func(g access.Group) bool {
		return g.Name == name && g.Ref == ref && g.Mark != alien
	})
	return free && slices.Contains(in.Adopted, plan.Owned{Key: access.Group{Name: name}.Key(), Ref: ref})
}

// replacement returns the desired group that holds whom this one held until now.
func replacement(in plan.Input, g access.Group) (access.Group, bool) {
	for _, o := range in.Owned {
		for _, want := range in.Desired.Groups {
			if o.Key == g.Key() && o.Serves != "" && want.Serves == o.Serves && want.Name != g.Name {
				return want, true
			}
		}
	}
	return access.Group{}, false
}

// members returns who is in the group with that id.
func (p *platform) members(ref string) []access.Member {
	for _, g := range p.Groups {
		if g.Ref == ref {
			return g.Members
		}
	}
	return nil
}
