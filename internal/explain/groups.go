package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/naming"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// groups returns the facts about the groups that grant the access.
func (x *explainer) groups(all []Access) []Group {
	var facts []Group
	for _, got := range all {
		if got.Group == "" || slices.ContainsFunc(facts, func(f Group) bool { return f.Group == got.Group }) {
			continue
		}
		facts = append(facts, Group{
			Group: got.Group, Named: x.named(got.Group), Ref: x.refOf(got.Group),
			Replacement: x.replacement(got.Group), Adoption: x.adoption(got.Group),
		})
	}
	return facts
}

// named says how the group's name is made.
func (x *explainer) named(group string) string {
	pattern := cmp.Or(x.Input.Platform.Replication.GroupNamePattern, naming.Default)
	text := fmt.Sprintf("the platform's groupNamePattern %q makes the name %q", pattern, group)
	var allocated []string
	if strings.Contains(pattern, "#{tenantPlatformNumber") {
		allocated = append(allocated, fmt.Sprintf("the number %d", x.Input.Drawn.Number))
	}
	if strings.Contains(pattern, "#{rand") {
		allocated = append(allocated, fmt.Sprintf("the random text %q", x.Input.Drawn.Random))
	}
	if len(allocated) > 0 {
		text += ", with " + strings.Join(allocated, " and ") + ", allocated once for this tenant"
	}
	return text
}

// refOf is the group's id on the platform, as the ledger has it.
func (x *explainer) refOf(group string) string {
	for _, o := range x.Managed {
		if o.Key.Kind == access.KindGroup && o.Key.Group == group {
			return o.Ref
		}
	}
	return ""
}

// replacement is how the group replaces, or replaced, another: by the ledger, else by the
// plan of the last observation, else by a rename on the platform.
func (x *explainer) replacement(group string) *Replacement {
	for _, r := range x.Replacements { // newest first
		if r.To == group || r.From == group {
			fact := &Replacement{From: r.From, To: r.To, Mode: string(r.Mode), State: string(r.State())}
			if n := len(r.Changes); n > 0 {
				fact.Since = r.Changes[n-1].At
			}
			return fact
		}
	}
	if fact := x.plannedReplacement(group); fact != nil {
		return fact
	}
	return x.inPlaceRename(group)
}

// plannedReplacement is the replacement that the plan of the last observation has.
func (x *explainer) plannedReplacement(group string) *Replacement {
	for _, r := range x.Plan.Renames {
		if r.To != group && r.From.Name != group {
			continue
		}
		state := ledger.Building
		if r.Waits {
			state = ledger.Waiting
		}
		return &Replacement{From: r.From.Name, To: r.To, Mode: string(r.Mode), State: string(state), Since: x.Status.At}
	}
	return nil
}

// inPlaceRename is the last step that gave the group its name.
func (x *explainer) inPlaceRename(group string) *Replacement {
	for _, r := range x.Records {
		if !isRename(r.Step) || r.Step.Want.Group.Name != group || r.Err != "" {
			continue
		}
		fact := &Replacement{
			From: r.Step.Have.Group.Name, To: group, Mode: string(plan.InPlace), State: string(ledger.Finished), Since: r.DoneAt,
		}
		if r.DoneAt.IsZero() {
			fact.State, fact.Since = string(ledger.Building), r.IntendedAt
		}
		return fact
	}
	return nil
}

// adoption is the last one of the group that was not replaced.
func (x *explainer) adoption(group string) *Adoption {
	for _, a := range slices.Backward(x.Adoptions) {
		if a.Group == group && a.End != store.Replaced {
			return &Adoption{cmp.Or(string(a.End), "open"), a.By.String(), a.Reason, a.At}
		}
	}
	return nil
}
