package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// checkTimeout is how long workers may take to check all connections.
	checkTimeout = time.Minute
	// checkPollInterval is how often to look whether they did.
	checkPollInterval = 500 * time.Millisecond
)

func connectionCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connection",
		Short: "Show and check the accounts that workers use at platforms",
		Long: `A connection is an account at a platform, with its address and with what it may be
used for. The operator of the workers describes connections in the files of the
directory that ROLLCALL_CONNECTIONS names; documents only name them. Workers report
what they hold: these commands show the reports, and never the files or secrets.`,
		Example: "  rollcall connection list",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return invalid(unknownCommand(cmd, args[0]))
		},
	}
	cmd.AddCommand(connectionListCommand(c), connectionCheckCommand(c), connectionExtractCommand(c))
	return cmd
}

func connectionListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the connections that workers hold",
		Long: `list shows every connection with the workers that hold it, a digest of what it says,
and what its platform answered when a worker last checked it. Workers whose digests
differ are listed apart. Below are the platforms that no worker serves, with the
reason.`,
		Example: `  rollcall connection list
  rollcall connection list -o json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := c.connections(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(report, func(w io.Writer) { printConnections(w, report, unservedHint(report.Unserved)) })
		},
	}
}

// connectionsReport is what workers hold, in JSON.
type connectionsReport struct {
	Connections []connectionReport `json:"connections"`
	Unserved    []unservedReport   `json:"unserved"`
}

type connectionReport struct {
	Name    string     `json:"name"`
	Type    string     `json:"type"`
	UsedBy  []string   `json:"used_by"`
	Digest  string     `json:"digest"`
	Workers []string   `json:"workers"`
	Checked *time.Time `json:"checked"`
	Error   string     `json:"error,omitempty"`

	answers time.Time
}

type unservedReport struct {
	Platform   string `json:"platform"`
	Connection string `json:"connection"`
	Reason     string `json:"reason"`
}

// connections reads what workers report. Workers that report the same of a connection
// share a line.
func (c *cli) connections(ctx context.Context) (connectionsReport, error) {
	report := connectionsReport{Connections: []connectionReport{}, Unserved: []unservedReport{}}
	s, err := c.database(ctx)
	if err != nil {
		return report, err
	}
	reports, err := s.ConnectionReports(ctx)
	if err != nil {
		return report, err
	}
	for _, h := range reports {
		report.add(h)
	}
	unserved, err := s.UnservedPlatforms(ctx)
	if err != nil {
		return report, err
	}
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return report, err
	}
	workers := map[string]bool{}
	for _, h := range reports {
		workers[h.Worker] = true
	}
	for _, p := range platforms {
		reason, refusals := noReport, 0
		for _, u := range unserved {
			workers[u.Worker] = true
			if u.Platform == p.Identifier() {
				reason, refusals = u.Reason, refusals+1
			}
		}
		if refusals == len(workers) {
			report.Unserved = append(report.Unserved, unservedReport{
				Platform: p.Identifier(), Connection: p.ConnectionName(), Reason: reason,
			})
		}
	}
	return report, nil
}

// noReport is the reason of a platform while no worker runs.
const noReport = "no worker has reported: start one (rollcall-worker)"

// warnUnserved says which of the tenants' platforms no worker serves, and so how many
// tenants wait.
func (c *cli) warnUnserved(ctx context.Context, tenants []access.TenantID) error {
	report, err := c.connections(ctx)
	if err != nil {
		return err
	}
	affected := map[string]int{}
	for _, t := range tenants {
		affected[t.Platform]++
	}
	waiting := 0
	h := unservedHint(slices.DeleteFunc(report.Unserved, func(u unservedReport) bool {
		waiting += affected[u.Platform]
		return affected[u.Platform] == 0
	}))
	if waiting > 0 {
		h.text += fmt.Sprintf("\nWaiting for a worker: %d of %s.", waiting, count(len(tenants), "tenant"))
	}
	h.write(c.err)
	return nil
}

func (r *connectionsReport) add(h store.ConnectionReport) {
	for i, known := range r.Connections {
		if known.Name == h.Name && known.Digest == h.Digest && known.Error == h.Error {
			r.Connections[i].Workers = append(r.Connections[i].Workers, h.Worker)
			if h.Answers.Before(known.answers) { // the line is as old as its oldest part
				r.Connections[i].answers = h.Answers
			}
			if h.Checked.IsZero() || known.Checked != nil && h.Checked.Before(*known.Checked) {
				r.Connections[i].Checked = timeOf(h.Checked)
			}
			return
		}
	}
	r.Connections = append(r.Connections, connectionReport{
		Name: h.Name, Type: h.Type, UsedBy: append([]string{}, h.UsedBy...), Digest: h.Digest, Workers: []string{h.Worker},
		Checked: timeOf(h.Checked), Error: h.Error, answers: h.Answers,
	})
}

// timeOf is the time, or nil for none.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func printConnections(w io.Writer, report connectionsReport, unserved hint) {
	lines := make([][]string, len(report.Connections))
	for i, c := range report.Connections {
		state := "not checked: no platform uses it"
		switch {
		case c.Type == "":
			state = "cannot be used"
		case c.Error != "":
			state = "refused"
		case c.Checked != nil:
			state = "accepted " + elapsed(time.Since(*c.Checked))
		}
		lines[i] = []string{visible(c.Name), c.Type, strings.Join(c.UsedBy, ","), strconv.Itoa(len(c.Workers)), c.Digest, state}
	}
	if len(lines) == 0 {
		fmt.Fprintf(w, "No worker reports a connection. Workers read them from the directory that %s names.\n", connection.Variable)
	} else {
		rows(w, []string{"CONNECTION", "TYPE", "USED BY", "WORKERS", "DIGEST", "CHECK"}, lines)
	}
	for _, c := range report.Connections {
		if c.Error != "" {
			fmt.Fprintf(w, "\n%s: %s\n", visible(c.Name), visible(c.Error))
		}
	}
	if unserved.text != "" {
		fmt.Fprintln(w)
		unserved.write(w)
	}
}

// elapsed says how long ago something was.
func elapsed(d time.Duration) string { return max(d, 0).Round(time.Second).String() + " ago" }

func connectionCheckCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "check [CONNECTION...]",
		Short: "Ask the workers to check their connections",
		Long: `check has every worker ask the platforms whether they accept its accounts, waits for
the answers, and lists them. It ends with 1 if an account is refused, a file cannot be
used, no worker has a named connection, or a worker does not answer within a
minute. Connections that no platform uses are not checked.`,
		Example: `  rollcall connection check
  rollcall connection check openstack-main`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.checkConnections(cmd.Context(), args) },
	}
}

func (c *cli) checkConnections(ctx context.Context, names []string) error {
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	requested, err := s.RequestConnectionCheck(ctx)
	if err != nil {
		return err
	}
	report, err := c.awaitChecks(ctx, requested, names)
	if err != nil {
		return err
	}
	unserved := hint{text: unservedHint(report.Unserved).text} // the command would be this one
	if err := c.print(report, func(w io.Writer) { printConnections(w, report, unserved) }); err != nil {
		return err
	}
	var wrong []string
	for _, r := range report.Connections {
		if r.Error != "" {
			wrong = append(wrong, r.Name)
		}
	}
	missing := false
	for _, name := range names {
		if !slices.ContainsFunc(report.Connections, func(r connectionReport) bool { return r.Name == name }) {
			wrong, missing = append(wrong, name+" (no worker has it)"), true
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	err = fmt.Errorf("not usable: %s", strings.Join(wrong, ", "))
	if missing {
		err = commandError{err, "rollcall connection list"}
	}
	return err
}

// awaitChecks waits until every worker has checked what it holds for a platform.
func (c *cli) awaitChecks(ctx context.Context, requested time.Time, names []string) (connectionsReport, error) {
	deadline := time.Now().Add(checkTimeout)
	for {
		report, err := c.connections(ctx)
		if err != nil {
			return report, err
		}
		if len(names) > 0 {
			report.Connections = slices.DeleteFunc(report.Connections, func(r connectionReport) bool {
				return !slices.Contains(names, r.Name)
			})
			report.Unserved = slices.DeleteFunc(report.Unserved, func(u unservedReport) bool {
				return !slices.Contains(names, u.Connection)
			})
		}
		unanswered, err := c.uncheckedConnections(ctx, report, requested)
		if err != nil || len(unanswered) == 0 {
			return report, err
		}
		if time.Now().After(deadline) {
			return report, commandError{
				fmt.Errorf("no worker answers within %s for %s", checkTimeout, strings.Join(unanswered, ", ")), "rollcall worker versions",
			}
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(checkPollInterval):
		}
	}
}

// uncheckedConnections names the connections that platforms use and that were not
// checked since the request.
func (c *cli) uncheckedConnections(ctx context.Context, report connectionsReport, requested time.Time) ([]string, error) {
	platforms, err := c.documents.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	active := map[string]bool{}
	for _, p := range platforms {
		if !slices.ContainsFunc(report.Unserved, func(u unservedReport) bool { return u.Platform == p.Identifier() }) {
			active[p.ConnectionName()] = true
		}
	}
	var unanswered []string
	for _, r := range report.Connections {
		if active[r.Name] && r.Type != "" && r.answers.Before(requested) {
			unanswered = append(unanswered, r.Name)
		}
	}
	return unanswered, nil
}

func connectionExtractCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "extract",
		Short: "Write connections for the platforms of an earlier version",
		Long: `extract prints connections for platforms whose documents had addresses and named
credentials, as earlier versions of Rollcall wanted it. It is for the operator of the
workers: read it, put it into a *.yaml file in the directory that ROLLCALL_CONNECTIONS
names, and take the variables and files that it names along. Roles that give power over
more than a tenant are listed as denied.`,
		Example: "  rollcall connection extract > connections.yaml",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.extractConnections(cmd.Context()) },
	}
}

func (c *cli) extractConnections(ctx context.Context) error {
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	former, err := s.FormerConnections(ctx)
	if err != nil {
		return err
	}
	if len(former) == 0 {
		return errors.New("no platform was stored by a version before connections: there is nothing to extract")
	}
	redirects, err := redirectURLs(ctx, s)
	if err != nil {
		return err
	}
	var all []map[string]any
	for _, f := range former {
		extracted, err := connection.Extract(f.Platform, f.Type, f.Settings, redirects[f.Platform], types.All())
		if err != nil {
			return err
		}
		all = append(all, extracted...)
	}
	var out bytes.Buffer
	for i, one := range all {
		if i > 0 {
			out.WriteString("---\n")
		}
		if err := writeYAML(&out, one); err != nil {
			return err
		}
	}
	_, err = c.out.Write(out.Bytes())
	return err
}

// redirectURLs returns where the invitations of platforms lead to, by identifier.
func redirectURLs(ctx context.Context, s *store.Store) (map[string]string, error) {
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, p := range platforms {
		var settings struct {
			Replication struct {
				Invitation struct {
					RedirectURL string `json:"redirectUrl"`
				} `json:"b2bUserInvitation"`
			} `json:"replication"`
		}
		if err := json.Unmarshal(p.Settings, &settings); err != nil {
			return nil, fmt.Errorf("platform %s: %w", p.Identifier(), err)
		}
		found[p.Identifier()] = settings.Replication.Invitation.RedirectURL
	}
	return found, nil
}
