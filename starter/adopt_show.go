package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// adoption is what taking groups of one tenant over would change.
type adoption struct {
	tenant access.TenantID
	shown  plan.Plan // what of the plan is about the groups

	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	// Digest names the whole plan.
	Digest string         `json:"digest"`
	Groups []adoptedGroup `json:"groups"`
	// NotAdoptable are groups that were asked about and cannot be taken over, or
	// need not.
	NotAdoptable []notAdopted `json:"not_adoptable"`
	// MoreSteps counts the plan's steps that are about other things: the run that
	// takes the groups over does them, too.
	MoreSteps int `json:"more_steps"`
}

// adoptedGroup is a group that can be taken over.
type adoptedGroup struct {
	Group string `json:"group"`
	Ref   string `json:"ref"`
	// Marked is true for a group that carries this tenant's mark already.
	Marked bool `json:"has_ownership_marker"`
	// Steps are what changes about it, those that a guard holds among them.
	Steps   []planStep      `json:"steps"`
	Remarks []access.Remark `json:"warnings"`
}

type notAdopted struct {
	Group string `json:"group"`
	// State is ours, absent or refused.
	State string `json:"state"`
	Why   string `json:"why"`
}

// newAdoption takes from a plan what is about these groups.
func newAdoption(p plan.Plan, digest string, groups []string) adoption {
	a := adoption{
		tenant: p.Tenant, Tenant: p.Tenant.ProjectID(), Platform: p.Tenant.Platform, Digest: digest,
		shown: plan.Plan{Tenant: p.Tenant}, Groups: []adoptedGroup{}, NotAdoptable: []notAdopted{}, MoreSteps: len(p.Steps),
	}
	for _, name := range groups {
		about := onlyAbout(p, name)
		g := adoptedGroup{Group: name, Steps: []planStep{}, Remarks: list(about.Remarks)}
		for _, s := range about.Steps {
			if isAdoption(s) {
				g.Ref, g.Marked = s.Have.Group.Ref, s.Have.Group.Mark == s.Want.Group.Mark
			}
			g.Steps = append(g.Steps, shownStep(s, false))
		}
		for _, s := range about.Held {
			g.Steps = append(g.Steps, shownStep(s, true))
		}
		if g.Ref == "" {
			a.NotAdoptable = append(a.NotAdoptable, whyNotAdopted(p, about, name))
			continue
		}
		a.Groups = append(a.Groups, g)
		a.MoreSteps -= len(about.Steps)
		a.shown.Steps = append(a.shown.Steps, about.Steps...)
		a.shown.Held = append(a.shown.Held, about.Held...)
		a.shown.Remarks = append(a.shown.Remarks, about.Remarks...)
	}
	return a
}

// onlyAbout is the part of a plan that is about one group: itself, its members,
// its roles, and what is to be said of them.
func onlyAbout(p plan.Plan, group string) plan.Plan {
	about := plan.Plan{Tenant: p.Tenant}
	for _, s := range p.Steps {
		if s.Key().Group == group {
			about.Steps = append(about.Steps, s)
		}
	}
	for _, s := range p.Held {
		if s.Key().Group == group {
			about.Held = append(about.Held, s)
		}
	}
	for _, r := range p.Remarks {
		// A binding's name ends with its group's.
		if r.Object == group || strings.HasSuffix(r.Object, " → "+group) {
			about.Remarks = append(about.Remarks, r)
		}
	}
	return about
}

// whyNotAdopted says why the plan does not take a group over.
func whyNotAdopted(p, about plan.Plan, group string) notAdopted {
	for _, r := range about.Remarks {
		if r.Object == group && (r.Code == access.ObjectForeign || r.Code == access.OwnershipUnclear) {
			return notAdopted{group, "refused", r.Text}
		}
	}
	for _, r := range p.Remarks {
		if r.Code == access.TenantNotFound {
			return notAdopted{group, "refused", r.Text}
		}
	}
	for _, s := range about.Steps {
		if s.Kind == access.KindGroup && s.Op == plan.Create {
			return notAdopted{group, "absent", "the platform has no group of this name: the next run makes it"}
		}
	}
	return notAdopted{group, "ours", "it is Rollcall's already"}
}

// check refuses an adoption of groups, named one by one, that cannot all be taken
// over.
func (a adoption) check(asked []string) error {
	if len(asked) == 0 || len(a.NotAdoptable) == 0 {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "not all of it can be taken over on %s, so nothing is:", a.tenant)
	for _, g := range a.NotAdoptable {
		fmt.Fprintf(&text, "\n  group %q: %s", g.Group, visible(g.Why))
	}
	return invalid(errors.New(text.String()))
}

func (c *cli) writeAdoption(w io.Writer, a adoption) {
	if len(a.Groups) == 0 {
		fmt.Fprintf(w, "Nothing is to be taken over on %s.\n", a.tenant)
	} else {
		c.writePlan(w, a.shown.String())
		for _, g := range a.Groups {
			carries := "no mark of Rollcall's"
			if g.Marked {
				carries = "this tenant's mark"
			}
			fmt.Fprintf(w, "  group %q has the id %s and carries %s\n", visible(g.Group), visible(g.Ref), carries)
		}
	}
	for _, g := range a.NotAdoptable {
		fmt.Fprintf(w, "  %s group %q: %s\n", c.paint(color.FgYellow, "not taken over:"), visible(g.Group), visible(g.Why))
	}
	if len(a.Groups) > 0 && a.MoreSteps > 0 {
		fmt.Fprintf(w, "  the run does %s more on this tenant: rollcall plan %s shows them\n", count(a.MoreSteps, "step"), a.tenant)
	}
}

// adoptionItem is one adoption as it is listed.
type adoptionItem struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	Group    string `json:"group"`
	Ref      string `json:"ref"`
	// State is open while the group is still to be taken over, else how it ended:
	// adopted, gone, unwanted or replaced.
	State  string    `json:"state"`
	By     string    `json:"by"`
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Ended  time.Time `json:"ended,omitzero"`
}

// listAdoptions shows what was asked for, on all tenants, and what came of it.
func (c *cli) listAdoptions(ctx context.Context) error {
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	all, err := s.AllAdoptions(ctx, nil)
	if err != nil {
		return err
	}
	items := make([]adoptionItem, len(all))
	for i, a := range all {
		items[i] = adoptionItem{
			Tenant: a.Tenant.ProjectID(), Platform: a.Tenant.Platform, Group: a.Group, Ref: a.Ref,
			State: cmp.Or(string(a.End), "open"), By: a.By.ID(), Claim: a.By.Claim, Reason: a.Reason, At: a.At, Ended: a.EndedAt,
		}
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "Nobody has asked for a group to be taken over.")
			return
		}
		lines := make([][]string, len(items))
		for i, it := range items {
			lines[i] = []string{it.Tenant, it.Platform, it.Group, it.State, it.At.Format(time.DateTime), all[i].By.String(), it.Reason}
		}
		rows(w, []string{"TENANT", "PLATFORM", "GROUP", "STATE", "SINCE", "BY", "REASON"}, lines)
	})
}
