package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// planWriter writes plans one after the other, as one result.
type planWriter interface {
	tenant(p control.TenantPlan) error
	end(s control.PlanSummary, took time.Duration, of *plannedDocuments) error
}

// planWriter returns the one for the chosen format.
func (c *cli) planWriter(f *eventPrinter, table tableFlags) planWriter {
	switch c.format {
	case formatJSON:
		return &planJSON{out: c.out}
	case formatYAML:
		return &planYAML{out: c.out}
	case formatMarkdown:
		return &planMarkdown{out: c.out}
	default:
		return &planTable{cli: c, tableFlags: table, events: f}
	}
}

// planTable writes plans as text. It counts unchanged tenants and groups equal warnings,
// unless the flags ask for all.
type planTable struct {
	*cli
	tableFlags

	events    *eventPrinter
	unchanged int
	warnings  warningTable
}

func (w *planTable) tenant(p control.TenantPlan) error {
	failed := p.Outcome == activities.Failed
	switch {
	case p.Failure != nil: // which is written already
	case len(p.Plan.Steps)+len(p.Plan.Held) == 0 && !failed && !w.showAll && !w.named:
		w.unchanged++
	default:
		w.events.aside(func() { w.writePlan(w.out, w.text(p.Plan, failed, p.NextEnd)+"\n") })
	}
	if !w.showAll {
		w.warnings.add(p.Tenant.String(), p.Plan.Remarks...)
	}
	return nil
}

// text shows one plan, with its warnings if no table below groups them.
func (w *planTable) text(p plan.Plan, failed bool, end *document.NextEnd) string {
	if !w.showAll {
		p.Remarks = nil
	}
	text := p.String()
	if _, rest, ok := strings.Cut(text, "\n"); ok && failed { // and not "nothing to do"
		text = p.Tenant.String() + ": failed\n" + rest
	}
	if end != nil {
		text += "  " + endText(*end) + "\n"
	}
	return text
}

func (w *planTable) end(s control.PlanSummary, took time.Duration, of *plannedDocuments) error {
	writeUnlisted(w.out, w.unchanged, "unchanged")
	if w.unchanged > 0 {
		fmt.Fprintln(w.out)
	}
	w.warnings.write(w.out, "Add --show-all to list each warning with its tenant.")
	if len(w.warnings.groups) > 0 {
		fmt.Fprintln(w.out)
	}
	fmt.Fprintf(w.out, "%s: %s, ", count(s.Tenants, "tenant"), count(s.Steps, "step"))
	if s.Pending > 0 {
		fmt.Fprintf(w.out, "%d pending approval, ", s.Pending)
	}
	if s.Failed > 0 {
		fmt.Fprintf(w.out, "%d failed, ", s.Failed)
	}
	fmt.Fprintf(w.out, "%s; %s in %s.\n", count(s.Remarks, "warning"), count(s.Calls, "call"), took.Round(time.Millisecond))
	of.write(w.out)
	return nil
}

// writePlan colours the lines of a plan by their sign.
func (c *cli) writePlan(w io.Writer, text string) {
	colours := map[byte]color.Attribute{
		'+': color.FgGreen, '-': color.FgRed, '~': color.FgYellow, '!': color.FgMagenta, '?': color.FgCyan,
	}
	var all strings.Builder
	for line := range strings.Lines(text) {
		line = visible(strings.TrimSuffix(line, "\n"))
		sign := strings.TrimLeft(line, " ")
		if sign != "" && sign != line && colours[sign[0]] != 0 {
			line = c.paint(colours[sign[0]], line)
		}
		all.WriteString(line + "\n")
	}
	fmt.Fprint(w, all.String())
}

// planTotals are a report without its items.
type planTotals struct {
	activities.Totals
	DurationMS int64 `json:"duration_ms"`
	// Documents are the documents that were planned and are not stored.
	Documents *plannedDocuments `json:"documents,omitempty"`
}

// planJSON writes a report as it grows: the items, then the totals.
type planJSON struct {
	out   io.Writer
	items int
}

func (w *planJSON) tenant(p control.TenantPlan) error {
	body, err := indented("    ", planItemOf(p))
	if err != nil {
		return err
	}
	lead := ",\n    "
	if w.items == 0 {
		lead = "{\n  \"items\": [\n    "
	}
	w.items++
	_, err = fmt.Fprintf(w.out, "%s%s", lead, body)
	return err
}

func (w *planJSON) end(s control.PlanSummary, took time.Duration, of *plannedDocuments) error {
	body, err := indented("", planTotals{s.Totals, took.Milliseconds(), of})
	if err != nil {
		return err
	}
	lead := "\n  ],"
	if w.items == 0 {
		lead = "{\n  \"items\": [],"
	}
	_, err = fmt.Fprintf(w.out, "%s%s\n", lead, body[1:])
	return err
}

// indented returns value as JSON whose lines but the first begin with prefix.
func indented(prefix string, value any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetIndent(prefix, "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// planYAML is planJSON for YAML.
type planYAML struct {
	out   io.Writer
	items int
}

func (w *planYAML) tenant(p control.TenantPlan) error {
	var body bytes.Buffer
	if err := writeYAML(&body, []planItem{planItemOf(p)}); err != nil {
		return err
	}
	var lines strings.Builder
	if w.items == 0 {
		lines.WriteString("items:\n")
	}
	w.items++
	for line := range strings.Lines(body.String()) {
		lines.WriteString("  " + line)
	}
	_, err := io.WriteString(w.out, lines.String())
	return err
}

func (w *planYAML) end(s control.PlanSummary, took time.Duration, of *plannedDocuments) error {
	if w.items == 0 {
		if _, err := io.WriteString(w.out, "items: []\n"); err != nil {
			return err
		}
	}
	return writeYAML(w.out, planTotals{s.Totals, took.Milliseconds(), of})
}
