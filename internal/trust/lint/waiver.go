package lint

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// waiver accepts findings for a time.
type waiver struct {
	at    trust.Position
	rules []string
	// trust and file are patterns of a document; from and to are the lines of a comment.
	trust, file string
	from, to    int
	reason      string
	until       time.Time // the last day
	mistake     string    // why the waiver does not hold
}

// comment matches a waiver in a comment of HCL or YAML.
var comment = regexp.MustCompile(`(?:#|//)\s*rollcall:ignore\b\s*([A-Z][0-9]{2}(?:\s*,\s*[A-Z][0-9]{2})*)?` +
	`(?:\s+until\s+(\S+))?[ \t]*([^\r\n]*)`)

// comments returns the waivers in the comments of a file. A comment is about the findings
// of its line; if the line has nothing else, about those of the next line, or of the block
// of HCL that begins there.
func comments(f File) []waiver {
	if !bytes.Contains(f.Text, []byte("rollcall:ignore")) {
		return nil
	}
	lines := strings.Split(string(f.Text), "\n")
	var all []waiver
	for i, line := range lines {
		match := comment.FindStringSubmatchIndex(line)
		if match == nil {
			continue
		}
		w := newComment(comment.FindStringSubmatch(line))
		w.at = trust.Position{File: f.Name, Line: i + 1}
		w.from, w.to = i+1, i+1
		if strings.TrimSpace(line[:match[0]]) == "" {
			w.from, w.to = below(lines, i)
		}
		all = append(all, w)
	}
	return all
}

// newComment reads the parts of a comment.
func newComment(match []string) waiver {
	w := waiver{reason: strings.TrimSpace(match[3])}
	for rule := range strings.SplitSeq(match[1], ",") {
		if rule = strings.TrimSpace(rule); rule != "" {
			w.rules = append(w.rules, rule)
		}
	}
	w.read(match[2])
	return w
}

// read reads the last day, and says what the waiver lacks.
func (w *waiver) read(until string) {
	var err error
	w.until, err = time.Parse(time.DateOnly, until)
	switch {
	case len(w.rules) == 0:
		w.mistake = "names no rule"
	case err != nil:
		w.mistake = "has no end date of the form 2027-03-01"
	case w.reason == "":
		w.mistake = "has no reason"
	}
}

// below returns the lines that a comment of its own is about.
func below(lines []string, i int) (from, to int) {
	next := i + 1
	for next < len(lines) && isComment(lines[next]) {
		next++
	}
	if next == len(lines) {
		return i + 1, i + 1
	}
	if !strings.HasSuffix(strings.TrimSpace(lines[next]), "{") {
		return next + 1, next + 1
	}
	indent := lines[next][:len(lines[next])-len(strings.TrimLeft(lines[next], " \t"))]
	for end := next + 1; end < len(lines); end++ {
		if strings.TrimRight(lines[end], " \t\r") == indent+"}" {
			return next + 1, end + 1
		}
	}
	return next + 1, next + 1
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//")
}

// read returns the waiver of a document.
func (d TrustWaiver) read(at trust.Position) (*waiver, error) {
	w := &waiver{at: at, trust: d.Spec.Trust, file: d.Spec.File, reason: strings.TrimSpace(d.Spec.Reason)}
	if d.Spec.Rule != "" {
		w.rules = []string{d.Spec.Rule}
	}
	if d.Spec.Trust == "" && d.Spec.File == "" {
		return w, errors.New("spec has neither trust nor file: write which findings are accepted")
	}
	w.read(d.Spec.Until)
	return w, nil
}

// matches reports whether a waiver is about a finding.
func (w *waiver) matches(f trust.Finding) bool {
	if !slices.Contains(w.rules, f.Rule) {
		return false
	}
	if w.from > 0 {
		return f.File == w.at.File && f.Line >= w.from && f.Line <= w.to
	}
	return (w.trust == "" || glob(w.trust, f.Trust)) && (w.file == "" || glob(w.file, f.File))
}

// waive splits findings by waivers, and adds findings about waivers: those that do not
// hold (X01) or have nothing to hold back (X02).
func waive(findings []trust.Finding, waivers []waiver, now time.Time) (kept, waived []trust.Finding) {
	byFile := map[string][]int{}
	var general []int
	for i, w := range waivers {
		if w.from > 0 {
			byFile[w.at.File] = append(byFile[w.at.File], i)
		} else {
			general = append(general, i)
		}
	}
	used := make([]bool, len(waivers))
	for _, f := range findings {
		accepted := false
		for _, i := range slices.Concat(byFile[f.File], general) {
			if waivers[i].matches(f) {
				used[i] = true
				accepted = accepted || waivers[i].problem(now) == ""
			}
		}
		if accepted {
			waived = append(waived, f)
		} else {
			kept = append(kept, f)
		}
	}
	return append(kept, inspect(waivers, used, now)...), waived
}

// inspect returns the findings about waivers.
func inspect(waivers []waiver, used []bool, now time.Time) []trust.Finding {
	var findings []trust.Finding
	for i := range waivers {
		w := &waivers[i]
		if problem := w.problem(now); problem != "" {
			findings = append(findings, w.finding("X01", trust.Medium, "The waiver does not hold: it "+problem+".",
				"Correct the mistake that it accepts, or write: rollcall:ignore RULE until DATE REASON."))
		} else if !used[i] {
			findings = append(findings, w.finding("X02", trust.Low,
				"The waiver is not used: no finding of "+strings.Join(w.rules, ", ")+" is there.", "Remove the waiver."))
		}
	}
	return findings
}

// problem says why a waiver does not hold, "" if it does.
func (w *waiver) problem(now time.Time) string {
	if w.mistake != "" {
		return w.mistake
	}
	if !now.Before(w.until.AddDate(0, 0, 1)) {
		return "expired on " + w.until.Format(time.DateOnly)
	}
	return ""
}

func (w *waiver) finding(rule string, severity trust.Severity, message, fix string) trust.Finding {
	return trust.Finding{
		File: w.at.File, Line: w.at.Line, Trust: "waiver of " + strings.Join(w.rules, ", "),
		Rule: rule, Severity: severity, Message: message, Fix: fix,
	}
}
