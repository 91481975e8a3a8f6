package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"
)

// replication is what `rollcall replicate -o json` says of each platform.
type replication struct {
	Platforms []struct {
		Platform string `json:"platform"`
		Tenants  int    `json:"tenants"`
		Steps    int    `json:"steps"`
		Calls    int    `json:"calls"`
	} `json:"platforms"`
}

// kind is what `rollcall platforms -o json` says of a type of platform.
type kind struct {
	Type      string `json:"type"`
	VerifyAll string `json:"verify_all"`
	Missed    string `json:"missed"`
}

// compareCalls replicates once more, which finds nothing to do, and shows what
// that took beside what each platform's API needs at least.
func (s *stack) compareCalls(ctx context.Context) error {
	var again replication
	if err := s.answer(ctx, &again, "replicate", "--all", "--wait"); err != nil {
		return err
	}
	var kinds []kind
	if err := s.answer(ctx, &kinds, "platforms"); err != nil {
		return err
	}
	floors := map[string]kind{}
	for _, k := range kinds {
		floors[k.Type] = k
	}
	out := s.console.out
	fmt.Fprintln(out, "\nEverything looked at once more, in calls to the platforms (T tenants, R roles each):")
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "PLATFORM\tTENANTS\tSTEPS\tCALLS\tAS PROMISED FOR ALL")
	for _, p := range again.Platforms {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", p.Platform, p.Tenants, p.Steps, p.Calls, floors[s.typeOf(p.Platform)].VerifyAll)
	}
	return table.Flush()
}

// typeOf returns the type of a platform of the example: they are named by it.
func (s *stack) typeOf(platform string) string {
	if platform == sandbox {
		return "memory"
	}
	name, _, _ := strings.Cut(platform, ".")
	return name
}

// answer runs rollcall for its answer in JSON. What waits for an approval is no
// failure.
func (s *stack) answer(ctx context.Context, into any, args ...string) error {
	body, err := s.ask(ctx, append(args, "-o", "json")...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != waitsForApproval) {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("rollcall %s: %w", join(args), err)
	}
	return nil
}
