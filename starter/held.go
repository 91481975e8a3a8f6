package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// heldItem is what waits on one tenant.
type heldItem struct {
	Tenant   string     `json:"tenant"`
	Platform string     `json:"platform"`
	Digest   string     `json:"digest"`
	Steps    []heldStep `json:"steps"`
}

// heldStep is one step that waits, and what for.
type heldStep struct {
	planStep

	Waits string `json:"waits,omitempty"`
}

// heldOn returns what a plan holds.
func heldOn(t access.TenantID, p plan.Plan) heldItem {
	item := heldItem{Tenant: t.ProjectID(), Platform: t.Platform, Digest: p.HeldDigest()}
	for _, s := range p.Held {
		item.Steps = append(item.Steps, heldStep{
			shownStep(s, true), waitsFor(p, s.Object),
		})
	}
	return item
}

// waitsFor says why a plan holds what it holds of an object.
func waitsFor(p plan.Plan, object string) string {
	var texts []string
	for _, r := range p.Remarks {
		if r.Code == access.RemovalHeld && r.Object == object {
			texts = append(texts, r.Text)
		}
	}
	return strings.Join(texts, "; ")
}

// carried reports whether the step gives a group what its forerunner has from
// somebody else.
func (s planStep) carried() bool {
	return s.Op == plan.Create && s.Want.Binding != nil && s.Want.Binding.Carried
}

// writeHeldItem shows what waits on one tenant. What is held for the same reason
// gives it once.
func writeHeldItem(w io.Writer, item heldItem) {
	fmt.Fprintf(w, "%s/%s  %s\n", item.Tenant, item.Platform, item.Digest)
	for i, s := range item.Steps {
		writeHeld(w, s.planStep)
		if last := i == len(item.Steps)-1; s.Waits != "" && (last || item.Steps[i+1].Waits != s.Waits) {
			fmt.Fprintf(w, "    waits: %s\n", visible(s.Waits))
		}
	}
}

// writeHeld shows one removal and whom it hits, or a role that could be carried
// over.
func writeHeld(w io.Writer, s planStep) {
	if s.carried() {
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
func decidedText(removals, carried int) string {
	switch {
	case carried == 0:
		return count(removals, "removal")
	case removals == 0:
		return count(carried, "carried role")
	default:
		return count(removals, "removal") + " and " + count(carried, "carried role")
	}
}

// heldTotals is what waits for approvals, of all that was asked for.
type heldTotals struct {
	HeldRemovals int `json:"removals_pending_approval"`
	HeldTenants  int `json:"tenants_pending_approval"`
}

func (s statuses) heldTotals(tenants []access.TenantID) (h heldTotals) {
	for _, t := range tenants {
		if last := s[t]; last.Held > 0 {
			h.HeldRemovals += last.Removals
			h.HeldTenants++
		}
	}
	return h
}

// write says how much waits for an approval, and how to list it.
func (h heldTotals) write(w io.Writer) {
	if h.HeldTenants == 0 {
		return
	}
	text := count(h.HeldTenants, "tenant")
	if h.HeldRemovals > 0 {
		text = count(h.HeldRemovals, "removal") + " on " + text
	}
	hint{"Pending approval: " + text + ".", "rollcall approve"}.write(w)
}
