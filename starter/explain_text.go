package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

func (c *cli) writeExplanation(w io.Writer, e explanation) {
	on := e.Tenant + "/" + e.Platform
	switch {
	case e.Person == "" && len(e.Access) == 0:
		fmt.Fprintf(w, "Nobody is to have access to %s.\n", on)
	case e.Person == "":
		c.writeEverybody(w, e)
	case len(e.Access) == 0:
		fmt.Fprintf(w, "%s is to have no access to %s.\n", e.Person, on)
	default:
		fmt.Fprintf(w, "%s is to have access to %s:\n", e.Person, on)
		for _, got := range e.Access {
			c.writeAccess(w, e, got)
		}
		fmt.Fprintln(w)
	}
	if e.Person == "" {
		c.writeLeaving(w, e)
	}
	for _, why := range e.Reasons {
		fmt.Fprintf(w, "  %s %s: %s\n", c.paint(color.FgYellow, "!"), why.Code, visible(why.Text))
	}
	for _, r := range e.Remarks {
		if !slices.ContainsFunc(e.Reasons, func(why reasonWhy) bool { return why.Text == r.Text }) {
			fmt.Fprintf(w, "  %s %s\n", c.paint(color.FgYellow, string(r.Code)), visible(r.Text))
		}
	}
	c.writeLastRun(w, e)
}

func (c *cli) writeAccess(w io.Writer, e explanation, got grantedAccess) {
	title := strings.Join(got.Roles, ", ")
	if got.Group != "" {
		title = cmp.Or(title, "no role of its own") + ", through the group " + got.Group
	}
	fmt.Fprintf(w, "\n  %s\n", c.paint(color.FgGreen, visible(title)))
	for _, fact := range slices.Concat(got.Because, groupText(e, got.Group)) {
		if fact != "" {
			fmt.Fprintf(w, "    because  %s\n", visible(fact))
		}
	}
	for _, step := range got.Applied {
		fmt.Fprintf(w, "    applied  %s: %s (%s, run %s)\n",
			step.At.Format(time.DateTime), visible(step.Text), cmp.Or(step.Cause, "no cause"), step.Run)
	}
	switch got.State {
	case accessFound:
		fmt.Fprintf(w, "    applied  it was there already when a run compared it\n")
	case accessBlocked, accessPending:
		fmt.Fprintf(w, "    applied  %s: %s\n", c.paint(color.FgYellow, "no"), got.State)
	}
}

// groupText says how the group came to its name, and to us.
func groupText(e explanation, group string) []string {
	i := slices.IndexFunc(e.Groups, func(f groupFacts) bool { return f.Group == group })
	if i < 0 {
		return nil
	}
	facts := e.Groups[i]
	text := []string{facts.Named}
	if r := facts.Renaming; r != nil {
		text = append(text, r.text())
	}
	if a := facts.Adoption; a != nil {
		state := "is to be taken over"
		switch a.State {
		case "adopted":
			state = "was on the platform before and was taken over"
		case "not-found", "not-desired":
			state = "was to be taken over, which came to nothing (" + a.State + ")"
		}
		text = append(text, fmt.Sprintf("the group %s, as %s asked at %s: %s", state, a.By, a.At.Format(time.DateTime), a.Reason))
	}
	return text
}

func (r renamingFact) text() string {
	how := map[string]string{
		string(ledger.Building):    "is taking the place of %q: it is being made",
		string(ledger.Passed):      "is taking the place of %q: it is complete, and the old group goes",
		string(ledger.Finished):    "took the place of %q",
		string(ledger.Compensated): "was to take the place of %q, which was taken back",
		string(ledger.Waiting):     "takes the place of %q, which waits for what is held and stays until then",
		string(ledger.Replanned):   "is to take the place of %q, which is planned again",
	}[r.State]
	text := fmt.Sprintf("the group %q ", r.To) + fmt.Sprintf(cmp.Or(how, "takes the place of %q"), r.From) + " (" + r.Mode
	if !r.Since.IsZero() {
		text += ", " + r.Since.Format(time.DateTime)
	}
	return text + ")"
}

// writeEverybody lists who can reach a tenant, and with what.
func (c *cli) writeEverybody(w io.Writer, e explanation) {
	lines := make([][]string, len(e.Access))
	for i, got := range e.Access {
		lines[i] = []string{got.Person, got.Account, cmp.Or(got.Group, "-"), strings.Join(got.Roles, ", "), got.State, got.Because[0]}
	}
	slices.SortFunc(lines, slices.Compare)
	rows(w, []string{"USER", "ACCOUNT", "GROUP", "ROLES", "STATE", "BECAUSE"}, lines)
}

// writeLeaving lists who has access still that the documents do not ask for.
func (c *cli) writeLeaving(w io.Writer, e explanation) {
	tenant, err := access.ParseTenantID(e.Tenant + "/" + e.Platform)
	if err != nil {
		return // it was made from one
	}
	for i, l := range e.Leaving {
		if i == 0 {
			fmt.Fprintln(w, "\nStill there, though the documents do not ask for it any more:")
		}
		fmt.Fprintf(w, "  %s\n", visible(l.text(tenant)))
	}
	if len(e.Remarks) > 0 {
		fmt.Fprintln(w)
	}
}

func (c *cli) writeLastRun(w io.Writer, e explanation) {
	if e.LastRun == nil {
		return
	}
	behind := ""
	if e.LastRun.Behind {
		behind = "; documents were applied since"
	}
	fmt.Fprintf(w, "  last run %s: %s (run %s)%s\n", e.LastRun.At.Format(time.DateTime), e.LastRun.Outcome, e.LastRun.Run, behind)
}
