package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/fatih/color"

	"github.com/rollcall-iam/rollcall/internal/control"
)

func (c *cli) writeAdoption(w io.Writer, result control.AdoptResult) {
	a, tenant := result.Adoption, result.Plan.Tenant
	if len(a.Groups) == 0 {
		fmt.Fprintf(w, "Nothing is to be taken over on %s.\n", tenant)
	} else {
		c.writePlan(w, result.Plan.String())
		for _, g := range a.Groups {
			carries := "no mark of Rollcall's"
			if g.HasMarker {
				carries = "this tenant's mark"
			}
			fmt.Fprintf(w, "  group %q has the id %s and carries %s\n", visible(g.Group), visible(g.Ref), carries)
		}
	}
	for _, g := range a.NotAdoptable {
		fmt.Fprintf(w, "  %s group %q: %s\n", c.paint(color.FgYellow, "not taken over:"), visible(g.Group), visible(g.Reason))
	}
	if len(a.Groups) > 0 && a.MoreSteps > 0 {
		fmt.Fprintf(w, "  the run does %s more on this tenant: rollcall plan %s shows them\n", count(a.MoreSteps, "step"), tenant)
	}
}

// listAdoptions shows what was asked for, on all tenants, and what came of it.
func (c *cli) listAdoptions(ctx context.Context) error {
	items, err := c.service().ListAdoptions(ctx)
	if err != nil {
		return err
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "Nobody has asked for a group to be taken over.")
			return
		}
		lines := make([][]string, len(items))
		for i, it := range items {
			lines[i] = []string{
				it.Tenant, it.Platform, it.Group, it.State, it.At.Format(time.DateTime), actorText(it.By, it.Claim), it.Reason,
			}
		}
		rows(w, []string{"TENANT", "PLATFORM", "GROUP", "STATE", "SINCE", "BY", "REASON"}, lines)
	})
}
