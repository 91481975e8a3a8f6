package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// decisionLife is how long a decision counts unless told otherwise: over a weekend.
const decisionLife = 72 * time.Hour

// The bounds of --expires.
const (
	minDecision = time.Minute
	maxDecision = 30 * 24 * time.Hour
)

// forGood is longer than anybody waits.
const forGood = 10 * 365 * 24 * time.Hour

type decideFlags struct {
	verdict store.Verdict
	only    []string
	reason  string
	as      string
	life    time.Duration
	list    bool
	wait    bool
}

func approveCommand(c *cli) *cobra.Command {
	flags := decideFlags{verdict: store.Approved}
	cmd := &cobra.Command{
		Use:   "approve [TENANT DIGEST]",
		Short: "Approve removals that a guard holds",
		Long: `approve approves removals that a guard holds, and copies of external grants from a
replaced group to the new one, where a platform asks for that. Without arguments it lists
the steps that wait for an approval, with the reason and one digest for each tenant. A
limit per change or per hour also ends by itself. With a tenant and its digest it approves
all steps, or with --only those of the given accounts or objects, and starts a run. If
other steps wait by the time of the command, it approves none.

An approval counts until the tenant has nothing left to remove, at most for --expires,
also when a later plan has fewer of the same removals. Every decision is kept for ever
with the operating system's user, and with the name that --as gives, which nothing
verifies. --list shows all of them, with how each ended.`,
		Example: `  rollcall approve
  rollcall approve marketing.web/openstack.eu 1f0c5b0716ed --reason "team was dissolved, CHG-1234" --wait
  rollcall approve marketing.web/openstack.eu 1f0c5b0716ed --only jdoe@example.com --reason CHG-1235
  rollcall approve --list`,
		Args:              atMost(2, "name a tenant and the digest of what is held there"),
		ValidArgsFunction: c.completeTenants,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, &flags) },
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.list, "list", false, "list all decisions about removals, of the tenant if one is named, also those that ended")
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end of the run and report it")
	return cmd
}

func rejectCommand(c *cli) *cobra.Command {
	flags := decideFlags{verdict: store.Rejected}
	cmd := &cobra.Command{
		Use:   "reject TENANT DIGEST",
		Short: "Reject removals that a guard holds",
		Long: `reject rejects removals that a guard holds: they stay pending, and their warning names
the operator and the reason, until --expires. The documents still need a fix. With --only
it rejects those of the given accounts or objects.`,
		Example:           `  rollcall reject marketing.web/openstack.eu 1f0c5b0716ed --reason "wrong export, see INC-77"`,
		Args:              exactly(2, "name a tenant and the digest of what is held there: rollcall approve lists them"),
		ValidArgsFunction: c.completeTenants,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, &flags) },
	}
	flags.add(cmd)
	return cmd
}

func (f *decideFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only removals of these accounts, groups or roles")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; kept for ever with the decision")
	addAs(cmd, &f.as)
	cmd.Flags().DurationVar(&f.life, "expires", decisionLife, "how long the decision counts: 1m to 720h (30 days)")
}

func (c *cli) decide(ctx context.Context, args []string, f *decideFlags) error {
	by := actor(f.as)
	switch {
	case f.list:
		return c.listDecisions(ctx, args)
	case len(args) == 0:
		return c.listHeld(ctx)
	case len(args) == 1:
		return invalid(errors.New("name the digest of what is held there, too: rollcall approve lists them"))
	case f.life < minDecision || f.life > maxDecision:
		return invalid(fmt.Errorf("--expires %s: write how long the decision counts, from 1m to 720h (30 days), such as 72h", f.life))
	}
	if err := checkRecord(by, f.reason); err != nil {
		return err
	}
	tenants, err := c.tenants(ctx, &selection{}, args[:1])
	if err != nil {
		return err
	}
	held, err := c.held(ctx, tenants)
	if err != nil {
		return err
	}
	p := held[tenants[0]]
	if err := stillHeld(p, tenants[0], args[1]); err != nil {
		return err
	}
	decisions, err := f.decisions(p, by)
	if err != nil {
		return err
	}
	starts, err := c.tenantStarts(ctx, tenants, string(f.verdict))
	if err != nil {
		return err
	}
	if err := c.documents.Decide(ctx, tenants[0], decisions, starts...); err != nil {
		return err
	}
	removals, carried := f.count(p, decisions)
	fmt.Fprintf(c.err, "%s %s on %s.\n", decidedText(removals, carried), f.verdict, tenants[0])
	return c.startAndWait(ctx, tenants, replicateFlags{wait: f.wait, cause: string(f.verdict), tableFlags: tableFlags{named: true}})
}

// count counts what was decided, not what was left open.
func (f *decideFlags) count(p plan.Plan, decisions []store.Decision) (removals, carried int) {
	carries := map[plan.Removal]bool{}
	for _, s := range p.Held {
		if s.Carries != "" {
			carries[s.Removals()[0]] = true
		}
	}
	for _, d := range decisions {
		switch {
		case d.Verdict != f.verdict:
		case carries[d.Removal]:
			carried++
		default:
			removals++
		}
	}
	return removals, carried
}

// stillHeld refuses a decision about something else than what is held now.
func stillHeld(p plan.Plan, tenant access.TenantID, digest string) error {
	switch now := p.HeldDigest(); {
	case now == "":
		return invalid(fmt.Errorf("nothing is held on %s", tenant))
	case now != digest:
		return invalid(fmt.Errorf("what is held on %s is not %q, it is %s by now: look at it again with rollcall approve",
			tenant, digest, now))
	default:
		return nil
	}
}

// decisions are about all that is held. What --only does not name stays open,
// for good: it must not slip below the guard's limit once the rest is gone.
func (f *decideFlags) decisions(p plan.Plan, by access.Actor) ([]store.Decision, error) {
	var decisions []store.Decision
	named := map[string]bool{}
	for _, s := range p.Held {
		for _, r := range s.Removals() {
			d := store.Decision{
				Removal: r, Verdict: f.verdict, By: by, Reason: f.reason, Digest: p.HeldDigest(), Life: f.life,
			}
			if len(f.only) > 0 && !f.names(s, r, named) {
				d.Verdict, d.Life = store.Undecided, forGood
			}
			decisions = append(decisions, d)
		}
	}
	for _, only := range f.only {
		if !named[only] {
			return nil, invalid(fmt.Errorf("--only %q: no removal that is held names it", only))
		}
	}
	return decisions, nil
}

// names reports whether --only names the step's object, or the account.
func (f *decideFlags) names(s plan.Step, r plan.Removal, named map[string]bool) bool {
	found := false
	for _, only := range f.only {
		if only == s.Object || slices.ContainsFunc(s.Removes(), func(who access.Member) bool {
			return who.Ref == r.Ref && (only == who.Name || only == who.Ref)
		}) {
			named[only], found = true, true
		}
	}
	return found
}

// held returns the last plans that hold something back.
func (c *cli) held(ctx context.Context, tenants []access.TenantID) (map[access.TenantID]plan.Plan, error) {
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return nil, err
	}
	plans := map[access.TenantID]plan.Plan{}
	for tenant, status := range last {
		if status.Held == 0 || status.Digest == "" {
			continue
		}
		if plans[tenant], _, err = c.documents.Plan(ctx, status.Digest); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// listHeld shows everything that waits for an approval.
func (c *cli) listHeld(ctx context.Context) error {
	tenants, err := c.tenants(ctx, &selection{all: true}, nil)
	if err != nil {
		return err
	}
	plans, err := c.held(ctx, tenants)
	if err != nil {
		return err
	}
	items := []heldItem{}
	for _, t := range slices.SortedFunc(maps.Keys(plans), access.TenantID.Compare) {
		items = append(items, heldOn(t, plans[t]))
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "Nothing waits for an approval.")
		}
		for _, item := range items {
			writeHeldItem(w, item)
		}
	})
}

// decisionItem is one decision as it is listed.
type decisionItem struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	// Object is the group or role that the removal is from, Account the platform's id of the
	// account that leaves, or of the object that goes.
	Object  string `json:"object"`
	Account string `json:"account"`
	Verdict string `json:"verdict"`
	// State is open while the decision counts, else how it ended: used, replaced, expired,
	// nothing-left or abandoned.
	State   string    `json:"state"`
	By      string    `json:"by"`
	Claim   string    `json:"claim,omitempty"`
	Reason  string    `json:"reason"`
	Digest  string    `json:"digest"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	Ended   time.Time `json:"ended,omitzero"`
}

// listDecisions shows all decisions about removals, the newest first.
func (c *cli) listDecisions(ctx context.Context, args []string) error {
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	// Tenants that are gone have decisions, too: a name is not looked up.
	var tenants []access.TenantID
	for _, arg := range args[:min(1, len(args))] {
		tenant, err := access.ParseTenantID(arg)
		if err != nil {
			return invalid(err)
		}
		tenants = append(tenants, tenant)
	}
	all, err := s.AllDecisions(ctx, tenants)
	if err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	items := make([]decisionItem, len(all))
	for i, d := range all {
		items[i] = decisionItem{
			Tenant: d.Tenant.ProjectID(), Platform: d.Tenant.Platform, Object: d.Removal.Object.String(), Account: d.Removal.Ref,
			Verdict: string(d.Verdict), State: string(d.State(now)), By: d.By.ID(), Claim: d.By.Claim,
			Reason: d.Reason, Digest: d.Digest, At: d.Decided, Expires: d.Expires, Ended: d.EndedAt,
		}
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "No removal was approved or rejected.")
			return
		}
		lines := make([][]string, len(items))
		for i, it := range items {
			lines[i] = []string{
				it.Tenant, it.Platform, it.Object, it.Account, it.Verdict, it.State, stamp(it.At), all[i].By.String(), it.Reason,
			}
		}
		rows(w, []string{"TENANT", "PLATFORM", "OBJECT", "ACCOUNT", "VERDICT", "STATE", "SINCE", "BY", "REASON"}, lines)
	})
}
