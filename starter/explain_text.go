package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

func (c *cli) writeExplanation(w io.Writer, e explanation) {
	on := e.Tenant + "/" + e.Platform
	switch {
	case e.Person == "" && len(e.Access) == 0:
		fmt.Fprintf(w, "No user should have access to %s.\n", on)
	case e.Person == "":
		c.writeUsers(w, e)
	case len(e.Access) == 0 && len(e.Leaving) == 0:
		fmt.Fprintf(w, "Rollcall grants %s no access to %s.\n", e.Person, on)
	case len(e.Access) == 0:
		fmt.Fprintf(w, "%s should have no access to %s.\n", e.Person, on)
	default:
		fmt.Fprintf(w, "%s should have access to %s.\n", e.Person, on)
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
			fmt.Fprintf(w, "  %s: %s\n", c.paint(color.FgYellow, string(r.Code)), visible(r.Text))
		}
	}
	c.writeLastRun(w, e)
}

// writeAccess shows one way to access: its state, its reasons and the steps applied for
// it.
func (c *cli) writeAccess(w io.Writer, e explanation, got grantedAccess) {
	colour := color.FgGreen
	if got.State == accessBlocked || got.State == accessPending {
		colour = color.FgYellow
	}
	fmt.Fprintf(w, "\n  %s\n", c.paint(colour, visible(got.title())))
	for _, fact := range slices.Concat(got.Because, groupText(e, got.Group), e.missingTexts([]grantedAccess{got})) {
		if fact != "" {
			fmt.Fprintf(w, "    %s\n", visible(formatFact(fact)))
		}
	}
	for _, step := range got.Applied {
		fmt.Fprintf(w, "    %s  %s (%s, run %s).\n",
			step.At.Format(time.DateTime), visible(step.Text), cmp.Or(step.Cause, "no cause"), step.Run)
	}
}

// title names the roles and their state: "Role "owner" through the group "web-admin":
// granted".
func (g *grantedAccess) title() string {
	text := "Role " + quoted(g.Roles)
	switch {
	case len(g.Roles) == 0:
		text = fmt.Sprintf("Member of the group %q", g.Group)
	case len(g.Roles) > 1:
		text = "Roles " + quoted(g.Roles)
	}
	if g.Group != "" && len(g.Roles) > 0 {
		text += fmt.Sprintf(" through the group %q", g.Group)
	}
	return text + ": " + g.stateText(map[string]string{
		accessGiven:   "granted",
		accessFound:   "found in place",
		accessBlocked: "blocked",
		accessPending: "not replicated yet",
	}[g.State])
}

// formatFact writes a fact as a sentence, with a capital letter and a full stop.
func formatFact(fact string) string {
	first, size := utf8.DecodeRuneInString(fact)
	return string(unicode.ToUpper(first)) + fact[size:] + "."
}

// groupText says how the group got its name, and how Rollcall manages it.
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
		text = append(text, a.text())
	}
	return text
}

func (a adoptionFact) text() string {
	text := "the next run adopts the group"
	switch a.State {
	case "adopted":
		text = "Rollcall adopted the group"
	case "not-found", "not-desired":
		text = "Rollcall did not adopt the group (" + a.State + ")"
	}
	return fmt.Sprintf("%s at the request of %s (%s, %s)", text, a.By, a.At.Format(time.DateTime), a.Reason)
}

func (r renamingFact) text() string {
	how := map[string]string{
		string(ledger.Building):    "replaces %q: Rollcall builds it now",
		string(ledger.Passed):      "replaces %q: it is complete, and Rollcall removes the old group",
		string(ledger.Finished):    "replaced %q",
		string(ledger.Compensated): "did not replace %q: Rollcall removed the new group",
		string(ledger.Waiting):     "replaces %q, which stays until an approval",
		string(ledger.Replanned):   "replaces %q after the next plan",
	}[r.State]
	text := fmt.Sprintf("the group %q ", r.To) + fmt.Sprintf(cmp.Or(how, "replaces %q"), r.From) + " (" + r.Mode
	if !r.Since.IsZero() {
		text += ", " + r.Since.Format(time.DateTime)
	}
	return text + ")"
}

// writeUsers lists the users of a tenant with their access.
func (c *cli) writeUsers(w io.Writer, e explanation) {
	lines := make([][]string, len(e.Access))
	for i, got := range e.Access {
		state := got.stateText(got.State)
		lines[i] = []string{got.Person, got.Account, cmp.Or(got.Group, "-"), strings.Join(got.Roles, ", "), state, got.Because[0]}
	}
	slices.SortFunc(lines, slices.Compare)
	rows(w, []string{"USER", "ACCOUNT", "GROUP", "ROLES", "STATE", "BECAUSE"}, lines)
	for _, text := range e.missingTexts(e.Access) {
		fmt.Fprintf(w, "  %s\n", visible(formatFact(text)))
	}
}

// writeLeaving lists the access that stays although no document asks for it.
func (c *cli) writeLeaving(w io.Writer, e explanation) {
	tenant, err := access.ParseTenantID(e.Tenant + "/" + e.Platform)
	if err != nil {
		return // it was made from one
	}
	for i, l := range e.Leaving {
		if i == 0 {
			fmt.Fprintln(w, "\nAccess that no document asks for any more:")
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
		behind = " Documents changed after it."
	}
	fmt.Fprintf(w, "  The last run ended at %s: %s (run %s).%s\n",
		e.LastRun.At.Format(time.DateTime), e.LastRun.Outcome, e.LastRun.Run, behind)
}
