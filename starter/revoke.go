package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

type revokeFlags struct {
	reason, as string
	list       bool
	lift, wait bool
}

func revokeCommand(c *cli) *cobra.Command {
	var flags revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke [USER]",
		Short: "Take a user out of everything, before all other work",
		Long: `revoke takes a user, named as the meshUser is, out of every group and role of
Rollcall's on every platform, at once and before all other work. No guard holds it
up. A platform that does not answer is waited for, for a day. Until the revocation
is lifted nothing is granted to the user again, whatever the documents say; a
warning on each tenant says where they still give something. Groups and roles that
are not Rollcall's are left alone and named.

It works from the record of what was done: also from groups of tenants and
platforms whose documents are removed, as long as a connection reaches them. Groups
and roles that nothing reaches any more are listed as open.

Without --reason it shows how the user's revocation stands on each platform: when
the platform had accepted all of it, whether that is verified (state "done"), what is
still open, and within which time access really ends, by the vendor's documents:
sessions and tokens last longer. Without a user it lists all revocations that stand.
With --lift it ends one, and starts runs that give back what the documents say.
Revocations and lifts are kept for ever with their reasons and the operating system's
user, and with the name that --as gives, which nothing verifies. --list shows all.

With --wait it ends when every platform has accepted it, or was given up, and says
what is still open: verification takes as long as the platforms need to show the
removals. Ctrl-C leaves the work running.`,
		Example: `  rollcall revoke jdoe --reason "left, HR-1234" --wait
  rollcall revoke jdoe
  rollcall revoke
  rollcall revoke --lift jdoe --reason "back from leave, HR-1300"`,
		Args:              atMost(1, "name one user, as the meshUser is named"),
		ValidArgsFunction: c.completeRevoked,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.revoke(cmd.Context(), args, &flags) },
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why the access is revoked, or the revocation lifted; kept for ever")
	addAs(cmd, &flags.as)
	cmd.Flags().BoolVar(&flags.list, "list", false, "list all revocations, also lifted ones")
	cmd.Flags().BoolVar(&flags.lift, "lift", false, "end the user's revocation")
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait until every platform has accepted it; with --lift for the end of the runs")
	return cmd
}

// completeRevoked offers people; for a revocation to be lifted those who are
// revoked.
func (c *cli) completeRevoked(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if lift, err := cmd.Flags().GetBool("lift"); len(args) > 0 || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	} else if !lift {
		return c.completeUsers(cmd, nil, typed)
	}
	s, err := c.database(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	found, err := s.Revocations(cmd.Context(), store.RevocationFilter{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var people []string
	for _, r := range found {
		people = append(people, r.Person)
	}
	return people, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) revoke(ctx context.Context, args []string, f *revokeFlags) error {
	changes := !f.list && (f.lift || f.reason != "")
	if changes && len(args) == 0 {
		return invalid(errors.New("name the user, as the meshUser is named"))
	}
	if changes {
		if err := checkRecord(actor(f.as), f.reason); err != nil {
			return err
		}
	}
	if _, err := c.database(ctx); err != nil {
		return err
	}
	switch {
	case len(args) == 0 || f.list:
		return c.listRevocations(ctx, f.list)
	case f.lift:
		return c.liftRevocation(ctx, args[0], f)
	case !changes:
		return c.showRevocation(ctx, args[0])
	default:
		return c.startRevocation(ctx, args[0], f)
	}
}

// startRevocation stores the revocation and has all platforms see to it.
func (c *cli) startRevocation(ctx context.Context, person string, f *revokeFlags) error {
	r, err := c.documents.Revoke(ctx, person, f.reason, actor(f.as), revocationStarts)
	if errors.Is(err, store.ErrNotFound) {
		return c.unknownPerson(ctx, person)
	}
	if err != nil {
		return err
	}
	if r.Reason != f.reason || r.By != actor(f.as) {
		fmt.Fprintf(c.err, "The access of %s is revoked already: who did so and why stays, and all platforms are asked again.\n", person)
	}
	id := workflows.RevokeUserID(r.ID)
	runs, err := c.drain(ctx, []string{id})
	if err != nil {
		return err
	}
	if _, err := c.warnWithoutWorker(ctx); err != nil {
		return err
	}
	if !f.wait {
		fmt.Fprintf(c.err, "Started on %s. Follow it with:  rollcall revoke %s\n", count(len(r.Platforms), "platform"), person)
		return c.showRevocation(ctx, person)
	}
	return c.awaitRevocation(ctx, r, runs[id])
}

// revocationStarts returns the start of the run of a revocation.
func revocationStarts(id string, platforms []string) ([]store.Start, error) {
	stored, err := start{
		id: workflows.RevokeUserID(id), workflow: workflows.RevokeUserWorkflow, summary: "take a user out of everything",
		input:    workflows.RevokeUserInput{ID: id, Platforms: platforms, Cause: "revoke"},
		priority: engine.Priority(engine.PriorityRevoke, id),
	}.stored("revoke")
	return []store.Start{stored}, err
}

// unknownPerson refuses to go on about somebody whom nothing knows by that name.
// Whoever is in a hurry may know another one.
func (c *cli) unknownPerson(ctx context.Context, who string) error {
	user, known, err := c.user(ctx, who)
	if err != nil {
		return err
	}
	if known && user.Name != who {
		return invalid(fmt.Errorf("%q: there is no such meshUser; it is the euid or the email of %s: name that", who, user.Name))
	}
	return invalid(fmt.Errorf("%q: there is no such meshUser, and Rollcall never gave one of that name anything: "+
		"rollcall get users lists those there are", who))
}

// awaitRevocation waits until every platform has accepted the removals or was given up, and
// says of each when that was and what is still open.
func (c *cli) awaitRevocation(ctx context.Context, r store.Revocation, run client.WorkflowRun) error {
	bar := c.watch(len(r.Platforms), "revoking")
	ended := make(chan error, 1)
	go func() { ended <- run.Get(ctx, nil) }()
	said := map[string]bool{}
	var failed error
	for open := true; open; {
		select {
		case failed = <-ended:
			open = false
		case <-time.After(revokeGlance):
		}
		if ctx.Err() != nil {
			bar.end()
			fmt.Fprintf(c.err, "\nThe work goes on without this command. Follow it with:  rollcall revoke %s\n", r.Person)
			return ctx.Err()
		}
		found, err := c.documents.Revocations(ctx, store.RevocationFilter{ID: r.ID, Lifted: true})
		if err != nil || len(found) == 0 {
			bar.end()
			return err
		}
		r = found[0]
		bar.aside(func() { c.sayAccepted(r, said) })
		bar.set(len(said))
		open = open && len(said) < len(r.Platforms)
	}
	bar.end()
	if err := c.showRevocation(ctx, r.Person); err != nil {
		return err
	}
	if text := unfinishedText(r); text != "" && c.format == formatTable {
		fmt.Fprintf(c.err, "%s Follow it with:  rollcall revoke %s\n", text, r.Person)
	}
	if failed != nil {
		return exitError{code: exitFailed, err: fmt.Errorf("not done everywhere: %s", workflows.Reason(failed))}
	}
	return nil
}

// unfinishedText says which platforms have not accepted a revocation, and which have and are
// not verified yet; empty where all are done.
func unfinishedText(r store.Revocation) string {
	var waiting, verifying []string
	for _, p := range r.Platforms {
		switch p.State {
		case store.RevocationWaiting:
			waiting = append(waiting, p.Platform)
		case store.RevocationAccepted:
			verifying = append(verifying, p.Platform)
		case store.RevocationDone, store.RevocationFailed:
		}
	}
	var parts []string
	if len(waiting) > 0 {
		parts = append(parts, "Still waiting for "+strings.Join(waiting, ", ")+".")
	}
	if len(verifying) > 0 {
		parts = append(parts, "Still verifying "+strings.Join(verifying, ", ")+".")
	}
	return strings.Join(parts, " ")
}

// revokeGlance is how often somebody who waits is told more.
const revokeGlance = 200 * time.Millisecond

// sayAccepted tells of platforms that were not told of before.
func (c *cli) sayAccepted(r store.Revocation, said map[string]bool) {
	for _, p := range r.Platforms {
		if p.Took == 0 || said[p.Platform] {
			continue
		}
		said[p.Platform] = true
		if c.format == formatTable {
			fmt.Fprintln(c.err, acceptedText(p))
		}
	}
}

// acceptedText says what a platform has accepted.
func acceptedText(p store.RevokedPlatform) string {
	if p.Sets == 0 {
		return fmt.Sprintf("%s: no group or role had the user when it was read, after %s", p.Platform, shortly(p.Took))
	}
	sets := "1 group or role"
	if p.Sets > 1 {
		sets = fmt.Sprintf("%d groups and roles", p.Sets)
	}
	return fmt.Sprintf("%s: out of %s after %s", p.Platform, sets, shortly(p.Took))
}

// liftRevocation ends a revocation and has what the documents say given back.
func (c *cli) liftRevocation(ctx context.Context, person string, f *revokeFlags) error {
	standing, err := c.documents.Revocations(ctx, store.RevocationFilter{Person: person})
	if err != nil {
		return err
	}
	if len(standing) == 0 {
		return invalid(fmt.Errorf("the access of %q is not revoked", person))
	}
	tenants, err := c.documents.PersonTenants(ctx, person, standing[0].EUID, "")
	if err != nil {
		return err
	}
	starts, err := c.tenantStarts(ctx, tenants, "lift")
	if err != nil {
		return err
	}
	err = c.documents.Lift(ctx, person, f.reason, actor(f.as), starts...)
	if errors.Is(err, store.ErrNotFound) {
		return invalid(fmt.Errorf("the access of %q is not revoked", person))
	}
	if err != nil {
		return err
	}
	c.endVerifications(ctx, standing[0])
	fmt.Fprintf(c.err, "Lifted. The documents give %s something on %s.\n", person, count(len(tenants), "tenant"))
	if len(tenants) == 0 {
		return c.showRevocation(ctx, person)
	}
	return c.startAndWait(ctx, tenants, replicateFlags{wait: f.wait, cause: "lift"})
}

// endVerifications tells the verifications of a lifted revocation to look again, which
// ends them. One that is not told ends with its next look.
func (c *cli) endVerifications(ctx context.Context, r store.Revocation) {
	for _, p := range r.Platforms {
		if p.State != store.RevocationAccepted {
			continue
		}
		temporal, err := c.engine(ctx)
		if err != nil {
			return
		}
		id := workflows.VerifyRevocationID(r.ID, p.Platform)
		_ = temporal.SignalWorkflow(ctx, id, "", workflows.TriggerSignal, workflows.Trigger{Cause: "lift"})
	}
}
