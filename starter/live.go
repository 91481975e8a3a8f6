package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/workflows"
)

// openRunText is the state with its details: "waiting for the platform, attempt 4,
// Unavailable, next try in 12s: list groups: 503".
func openRunText(l control.OpenRun) string {
	parts := []string{l.State}
	if l.State == control.StateRunning && l.Doing != "" {
		parts[0] = l.Doing
	}
	for prefix, purpose := range map[string]string{
		"plan/": " for a plan", workflows.RecreateGroupID(""): " for a group replacement", workflows.RevokeUserID(""): " for a revocation",
	} {
		if strings.HasPrefix(l.Workflow, prefix) {
			parts[0] += purpose
		}
	}
	if l.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", l.Attempt))
	}
	if l.Error != "" {
		parts = append(parts, l.Error)
	}
	if l.State == control.StatePlatform && l.Doing != "" { // else a timer of the run ends the wait
		parts = append(parts, "next try in "+seconds(l.NextTryMS).String())
	}
	text := strings.Join(parts, ", ")
	if l.Reason != "" {
		text += ": " + l.Reason
	}
	return text
}

func seconds(ms int64) time.Duration {
	return (time.Duration(ms) * time.Millisecond).Round(time.Second)
}

// writeLive lists the open runs. The tenants that wait for an approval are in the table of
// tenants.
func writeLive(w io.Writer, all []control.OpenRun, more int) {
	var lines [][]string
	for _, l := range all {
		if l.State == control.StateApproval {
			continue
		}
		age := ""
		if l.SinceMS > 0 {
			age = seconds(l.SinceMS).String()
		}
		lines = append(lines, []string{cmp.Or(l.Tenant, "(all)"), cmp.Or(l.Platform, "(all)"), age, openRunText(l)})
	}
	if len(lines) > 0 {
		fmt.Fprintln(w, "\nOpen runs:")
		rows(w, []string{"TENANT", "PLATFORM", "AGE", "STATE"}, lines)
	}
	if more > 0 {
		fmt.Fprintf(w, "... and %d more.\n", more)
	}
}
