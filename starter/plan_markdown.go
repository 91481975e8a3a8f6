package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// planMarkdown writes plans as Markdown, for a pull request: first the sums, then the changes
// as diffs, which are coloured.
type planMarkdown struct {
	out       io.Writer
	plans     strings.Builder
	unchanged int
	warnings  warningTable
}

// fence opens and closes a block. Text inside cannot close it: see line.
const fence = "````"

func (w *planMarkdown) tenant(p control.TenantPlan) error {
	w.warnings.add(p.Tenant.String(), p.Plan.Remarks...)
	shown := p.Plan
	shown.Remarks = nil
	switch {
	case p.Failure != nil:
		w.plans.WriteString(fence + "diff\n" + line(fmt.Sprintf("! %s cannot be planned: %s", p.Tenant, p.Failure.Reason)) + fence + "\n\n")
	case len(shown.Steps)+len(shown.Held)+len(shown.Forbidden) == 0:
		w.unchanged++
	default:
		w.plans.WriteString(fence + "diff\n")
		for text := range strings.Lines(shown.String()) {
			w.plans.WriteString(line(signFirst(strings.TrimSuffix(text, "\n"))))
		}
		w.plans.WriteString(fence + "\n\n")
	}
	return nil
}

// signFirst moves the sign of a plan's line before the blanks: a diff colours lines by their
// first character.
func signFirst(text string) string {
	trimmed := strings.TrimLeft(text, " ")
	if trimmed == "" || trimmed == text || !strings.ContainsRune("+-!~?", rune(trimmed[0])) {
		return text
	}
	return trimmed[:1] + text[:len(text)-len(trimmed)] + trimmed[1:]
}

// line returns a line of a block.
func line(text string) string { return strings.ReplaceAll(visible(text), "```", "'''") + "\n" }

func (w *planMarkdown) end(s control.PlanSummary, _ time.Duration, of *plannedDocuments) error {
	var all strings.Builder
	fmt.Fprintf(&all, "### Rollcall plan: %s, %s", count(s.Tenants, "tenant"), count(s.Steps, "step"))
	if s.Pending > 0 {
		fmt.Fprintf(&all, ", %d pending approval", s.Pending)
	}
	if s.Failed > 0 {
		fmt.Fprintf(&all, ", %d failed", s.Failed)
	}
	all.WriteString("\n\n")
	writeDocuments(&all, of)
	all.WriteString(w.plans.String())
	if w.unchanged > 0 {
		fmt.Fprintf(&all, "%s unchanged.\n\n", count(w.unchanged, "tenant"))
	}
	if len(w.warnings.groups) > 0 {
		var table strings.Builder
		w.warnings.write(&table, "")
		all.WriteString("Warnings:\n\n" + fence + "text\n")
		for text := range strings.Lines(strings.TrimSpace(table.String())) {
			all.WriteString(line(strings.TrimSuffix(text, "\n")))
		}
		all.WriteString(fence + "\n\n")
	}
	if of != nil && of.Digest != "" {
		fmt.Fprintf(&all, "Nothing is stored. Store exactly this within a week: `rollcall apply --plan %s`\n", of.Digest)
	}
	_, err := io.WriteString(w.out, all.String())
	return err
}

// writeDocuments lists what changes in the documents.
func writeDocuments(w io.Writer, of *plannedDocuments) {
	if of == nil {
		return
	}
	fmt.Fprintf(w, "Documents: %d created, %d changed, %d removed, %d unchanged.\n\n",
		len(of.Created), len(of.Changed), len(of.Removed), of.Unchanged)
	if of.Digest != "" {
		fmt.Fprintln(w, fence+"diff")
		for _, text := range createdLines(of.Created) {
			fmt.Fprint(w, line("+ "+text))
		}
		writeIDs(w, "!", of.Changed)
		writeIDs(w, "-", of.Removed)
		fmt.Fprintf(w, "%s\n\n", fence)
	}
	for _, note := range of.notes() {
		fmt.Fprintf(w, "%s\n\n", note)
	}
}

func writeIDs(w io.Writer, sign string, ids []document.ID) {
	for i, id := range ids {
		if i == shownAtMost {
			fmt.Fprintf(w, "%s ... and %d more\n", sign, len(ids)-i)
			return
		}
		fmt.Fprint(w, line(sign+" "+id.String()))
	}
}
