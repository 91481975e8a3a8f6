package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// writePendingTenant shows what waits on one tenant. What is held for the same reason
// gives it once.
func writePendingTenant(w io.Writer, item control.PendingTenant) {
	fmt.Fprintf(w, "%s/%s  %s\n", item.Tenant, item.Platform, item.Digest)
	for i, s := range item.Steps {
		writePendingStep(w, s)
		if last := i == len(item.Steps)-1; s.Waits != "" && (last || item.Steps[i+1].Waits != s.Waits) {
			fmt.Fprintf(w, "    waits: %s\n", visible(s.Waits))
		}
	}
}

// writePendingStep shows one removal and whom it hits, or a role that could be carried
// over.
func writePendingStep(w io.Writer, s control.PendingStep) {
	if s.IsCopy() {
		fmt.Fprintf(w, "  + give role %s to %s, carried over\n", visible(s.Want.Binding.Role), visible(s.Want.Binding.Group))
		return
	}
	fmt.Fprintf(w, "  - %s %s\n", s.Kind, visible(s.Object))
	step := plan.Step{Op: s.Op, Have: s.Have, Want: s.Want}
	for _, who := range step.Removes() {
		why := ""
		if who.Why != "" {
			why = "  (" + who.Why + ")"
		}
		fmt.Fprintf(w, "      %s\n", visible(cmp.Or(who.Name, "account "+who.Ref)+why))
	}
}

// decidedText counts what was decided: "2 removals and 1 carried role".
func decidedText(d control.Decided) string {
	switch {
	case d.Copies == 0:
		return count(d.Removals, "removal")
	case d.Removals == 0:
		return count(d.Copies, "carried role")
	default:
		return count(d.Removals, "removal") + " and " + count(d.Copies, "carried role")
	}
}

// writePendingTotals says how much waits for an approval, and how to list it.
func writePendingTotals(w io.Writer, pending control.PendingTotals) {
	if pending.PendingTenants == 0 {
		return
	}
	text := count(pending.PendingTenants, "tenant")
	if pending.PendingRemovals > 0 {
		text = count(pending.PendingRemovals, "removal") + " on " + text
	}
	hint{"Pending approval: " + text + ".", "rollcall approve"}.write(w)
}
