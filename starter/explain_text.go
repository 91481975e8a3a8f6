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
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

func (c *cli) writeExplanation(w io.Writer, a explain.Answer) {
	on := a.Tenant + "/" + a.Platform
	switch {
	case a.User == "" && len(a.Access) == 0:
		fmt.Fprintf(w, "No user should have access to %s.\n", on)
	case a.User == "":
		c.writeUsers(w, a)
	case len(a.Access) == 0 && len(a.Leaving) == 0:
		fmt.Fprintf(w, "Rollcall grants %s no access to %s.\n", a.User, on)
	case len(a.Access) == 0:
		fmt.Fprintf(w, "%s should have no access to %s.\n", a.User, on)
	default:
		fmt.Fprintf(w, "%s should have access to %s.\n", a.User, on)
		for _, got := range a.Access {
			c.writeAccess(w, a, got)
		}
		fmt.Fprintln(w)
	}
	if a.User == "" {
		c.writeLeaving(w, a)
	}
	for _, why := range a.Reasons {
		fmt.Fprintf(w, "  %s %s: %s\n", c.paint(color.FgYellow, "!"), why.Code, visible(why.Text))
	}
	for _, r := range a.Warnings {
		if !slices.ContainsFunc(a.Reasons, func(why explain.Reason) bool { return why.Text == r.Text }) {
			fmt.Fprintf(w, "  %s: %s\n", c.paint(color.FgYellow, string(r.Code)), visible(r.Text))
		}
	}
	c.writeEnd(w, a)
	c.writeLastRun(w, a)
}

// writeAccess shows one way to access: its state, its reasons, what was last seen of it and the
// steps applied for it.
func (c *cli) writeAccess(w io.Writer, a explain.Answer, got explain.Access) {
	colour := color.FgGreen
	if !got.State.InPlace() {
		colour = color.FgYellow
	}
	fmt.Fprintf(w, "\n  %s\n", c.paint(colour, visible(accessTitle(got))))
	for _, fact := range slices.Concat(got.Because, groupText(a, got.Group), got.SeenTexts(), a.MissingTexts(got)) {
		if fact != "" {
			fmt.Fprintf(w, "    %s\n", visible(formatFact(fact)))
		}
	}
	for _, step := range got.Applied {
		cause := cmp.Or(step.Cause, "no cause")
		if step.By != "" {
			cause += " by " + step.By
		}
		fmt.Fprintf(w, "    %s  %s (%s, run %s).\n", step.At.Format(time.DateTime), visible(step.Text), visible(cause), step.Run)
	}
}

// accessTitle names the roles and their state: "Role "owner" through the group "web-admin":
// granted".
func accessTitle(got explain.Access) string {
	text := "Role " + quoted(got.Roles)
	switch {
	case len(got.Roles) == 0:
		text = fmt.Sprintf("Member of the group %q", got.Group)
	case len(got.Roles) > 1:
		text = "Roles " + quoted(got.Roles)
	}
	if got.Group != "" && len(got.Roles) > 0 {
		text += fmt.Sprintf(" through the group %q", got.Group)
	}
	return text + ": " + got.StateText(map[explain.State]string{
		explain.Granted:  "granted",
		explain.Found:    "found in place",
		explain.Written:  "written, not seen yet",
		explain.Retained: fmt.Sprintf("retained, and not changed until %s is resolved", got.Code),
		explain.Blocked:  "blocked",
		explain.Pending:  "not replicated yet",
	}[got.State])
}

// formatFact writes a fact as a sentence, with a capital letter and a full stop.
func formatFact(fact string) string {
	first, size := utf8.DecodeRuneInString(fact)
	return string(unicode.ToUpper(first)) + fact[size:] + "."
}

// groupText says how the group got its name, and how Rollcall manages it.
func groupText(a explain.Answer, group string) []string {
	i := slices.IndexFunc(a.Groups, func(f explain.Group) bool { return f.Group == group })
	if i < 0 {
		return nil
	}
	facts := a.Groups[i]
	text := []string{facts.Named}
	if facts.Replacement != nil {
		text = append(text, replacementText(*facts.Replacement))
	}
	if facts.Adoption != nil {
		text = append(text, adoptionText(*facts.Adoption))
	}
	return text
}

func adoptionText(a explain.Adoption) string {
	text := "the next run adopts the group"
	switch a.State {
	case "adopted":
		text = "Rollcall adopted the group"
	case "not-found", "not-desired":
		text = "Rollcall did not adopt the group (" + a.State + ")"
	}
	return fmt.Sprintf("%s at the request of %s (%s, %s)", text, a.By, a.At.Format(time.DateTime), a.Reason)
}

func replacementText(r explain.Replacement) string {
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
func (c *cli) writeUsers(w io.Writer, a explain.Answer) {
	lines := make([][]string, len(a.Access))
	for i, got := range a.Access {
		lines[i] = []string{
			got.User, got.Account, cmp.Or(got.Group, "-"), strings.Join(got.Roles, ", "), got.StateText(string(got.State)),
			got.Latest(), got.Because[0],
		}
	}
	slices.SortFunc(lines, slices.Compare)
	rows(w, []string{"USER", "ACCOUNT", "GROUP", "ROLES", "STATE", "SEEN", "BECAUSE"}, lines)
	for _, text := range a.MissingTexts(a.Access...) {
		fmt.Fprintf(w, "  %s\n", visible(formatFact(text)))
	}
}

// writeLeaving lists the access that no document asks for and that is still there, or may still
// count.
func (c *cli) writeLeaving(w io.Writer, a explain.Answer) {
	tenant, err := access.ParseTenantID(a.Tenant + "/" + a.Platform)
	if err != nil {
		return // it was made from one
	}
	for i, l := range a.Leaving {
		if i == 0 {
			fmt.Fprintln(w, "\nAccess that no document asks for any more:")
		}
		fmt.Fprintf(w, "  %s\n", visible(l.Text(tenant, a.AccessEnd.Text)))
	}
	if len(a.Warnings) > 0 {
		fmt.Fprintln(w)
	}
}

// writeEnd says how long access lasts after a removal, where some is leaving.
func (c *cli) writeEnd(w io.Writer, a explain.Answer) {
	if len(a.Leaving) == 0 || a.AccessEnd == nil || a.AccessEnd.Because == "" {
		return
	}
	text := fmt.Sprintf("Time until access ends after a removal: %s: %s.", a.AccessEnd.Text, a.AccessEnd.Because)
	if a.AccessEnd.Hint != "" {
		text += " To end it earlier, " + a.AccessEnd.Hint + "."
	}
	fmt.Fprintf(w, "  %s\n", visible(text))
}

func (c *cli) writeLastRun(w io.Writer, a explain.Answer) {
	if a.LastRun == nil {
		return
	}
	behind := ""
	if a.LastRun.Behind {
		behind = " Documents changed after it."
	}
	fmt.Fprintf(w, "  The last run ended at %s: %s (run %s).%s\n",
		a.LastRun.At.Format(time.DateTime), a.LastRun.Outcome, a.LastRun.Run, behind)
	switch {
	case a.Observed == nil:
		fmt.Fprintln(w, "  No run has observed the platform yet.")
	case a.Observed.At.Before(a.LastRun.At.Add(-time.Minute)):
		fmt.Fprintf(w, "  The last successful observation began at %s.\n", a.Observed.At.Format(time.DateTime))
	}
}

// quoted writes names in quotes, with commas between them.
func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(all, ", ")
}
