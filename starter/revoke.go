package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/store"
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
Revocations, repeated ones and lifts are kept for ever with their reasons and the
operating system's user, and with the name that --as gives, which nothing verifies.
--list shows all.

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
	found, err := c.service().ListRevocations(cmd.Context(), false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var users []string
	for _, r := range found {
		users = append(users, r.User)
	}
	return users, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) revoke(ctx context.Context, args []string, f *revokeFlags) error {
	by, changes := actor(f.as), !f.list && (f.lift || f.reason != "")
	if changes && len(args) == 0 {
		return invalid(errors.New("name the user, as the meshUser is named"))
	}
	if changes {
		if err := checkRecord(by, f.reason); err != nil {
			return err
		}
	}
	switch {
	case len(args) == 0 || f.list:
		return c.listRevocations(ctx, f.list)
	case f.lift:
		return c.liftRevocation(ctx, control.LiftRequest{User: args[0], Reason: f.reason, By: by, Wait: f.wait})
	case changes:
		return c.startRevocation(ctx, control.RevokeRequest{User: args[0], Reason: f.reason, By: by, Wait: f.wait})
	}
	r, err := c.service().GetRevocation(ctx, args[0])
	e, ok := errors.AsType[*control.Error](err)
	if ok && e.Kind == control.KindRevocation {
		err = fmt.Errorf("%w: say why it should be with --reason", err)
	}
	if err != nil {
		return err
	}
	return c.showRevocation(r)
}

// startRevocation revokes the access of a user, and shows how far that is.
func (c *cli) startRevocation(ctx context.Context, request control.RevokeRequest) error {
	f := c.printEvents("revoking")
	f.repeated = func(r control.Revocation) {
		fmt.Fprintf(c.err, "The access of %s is revoked already. That decision stays, this one is kept as well, "+
			"and all platforms are asked again.\n", r.User)
	}
	f.accepted = func(p control.RevokedPlatform) {
		if c.format == formatTable {
			f.aside(func() { fmt.Fprintln(c.err, acceptedText(p)) })
		}
	}
	result, err := c.service().Revoke(ctx, request, f.event)
	f.end()
	if err != nil {
		if ctx.Err() != nil && f.bar != nil {
			fmt.Fprintf(c.err, "\nThe work goes on without this command. Follow it with:  rollcall revoke %s\n", request.User)
		}
		return err
	}
	r := result.Revocation
	if !request.Wait {
		fmt.Fprintf(c.err, "Started on %s. Follow it with:  rollcall revoke %s\n", count(len(r.Platforms), "platform"), r.User)
		return c.showRevocation(r)
	}
	if err := c.showRevocation(r); err != nil {
		return err
	}
	if text := unfinishedText(r); text != "" && c.format == formatTable {
		fmt.Fprintf(c.err, "%s Follow it with:  rollcall revoke %s\n", text, r.User)
	}
	if result.Failure != "" {
		return exitError{code: exitFailed, err: fmt.Errorf("not done everywhere: %s", result.Failure)}
	}
	return nil
}

// unfinishedText says which platforms have not accepted a revocation, and which have and are
// not verified yet; empty where all are done.
func unfinishedText(r control.Revocation) string {
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

// acceptedText says what a platform has accepted.
func acceptedText(p control.RevokedPlatform) string {
	if p.Sets == 0 {
		return fmt.Sprintf("%s: no group or role had the user when it was read, after %s", p.Platform, shortly(p.AcceptedMS))
	}
	sets := "1 group or role"
	if p.Sets > 1 {
		sets = fmt.Sprintf("%d groups and roles", p.Sets)
	}
	return fmt.Sprintf("%s: out of %s after %s", p.Platform, sets, shortly(p.AcceptedMS))
}

// liftRevocation ends a revocation and replicates the tenants that grant the user access.
func (c *cli) liftRevocation(ctx context.Context, request control.LiftRequest) error {
	f := c.printEvents("replicating")
	f.lifted = func(tenants int) {
		fmt.Fprintf(c.err, "Lifted. The documents give %s something on %s.\n", request.User, count(tenants, "tenant"))
	}
	result, err := c.service().Lift(ctx, request, f.event)
	if err == nil && result.Tenants == 0 {
		return c.showRevocation(result.Revocation)
	}
	return c.replicated(f, result.Replication, err, tableFlags{})
}

// listRevocations shows the revocations that are not lifted, and with lifted all.
func (c *cli) listRevocations(ctx context.Context, lifted bool) error {
	found, err := c.service().ListRevocations(ctx, lifted)
	if err != nil {
		return err
	}
	return c.print(found, func(w io.Writer) {
		if len(found) == 0 {
			fmt.Fprintln(c.err, "Nobody's access is revoked.")
			return
		}
		var lines [][]string
		for _, r := range found {
			line := []string{r.User, stamp(r.At), actorText(r.By, r.Claim), howFar(r.Platforms), r.Reason}
			if lifted {
				line = append(line, repeatsText(r.Repeats), liftText(r.Lifted))
			}
			lines = append(lines, line)
		}
		header := []string{"USER", "REVOKED", "BY", "PLATFORMS", "REASON"}
		if lifted {
			header = append(header, "REPEATED", "LIFTED")
		}
		rows(w, header, lines)
	})
}

func (c *cli) showRevocation(r control.Revocation) error {
	return c.print(r, func(w io.Writer) { writeRevocation(w, r) })
}

// repeatsText says how often a revocation was repeated, and the last time when, by which actor
// and why; "-" for never.
func repeatsText(repeats []control.Repeat) string {
	if len(repeats) == 0 {
		return "-"
	}
	text := repeatText(repeats[len(repeats)-1])
	if len(repeats) > 1 {
		text = fmt.Sprintf("%d times, last %s", len(repeats), text)
	}
	return text
}

func repeatText(r control.Repeat) string {
	return fmt.Sprintf("%s by %s: %s", stamp(r.At), actorText(r.By, r.Claim), r.Reason)
}

// liftText says when a revocation was lifted, by which actor and why; "-" for none.
func liftText(l *control.Lifted) string {
	if l == nil {
		return "-"
	}
	text := fmt.Sprintf("%s by %s", stamp(l.At), actorText(l.By, l.Claim))
	if l.Reason != "" {
		text += ": " + l.Reason
	}
	return text
}

func writeRevocation(w io.Writer, r control.Revocation) {
	fmt.Fprintln(w, visible(fmt.Sprintf("%s: revoked %s by %s: %s", r.User, stamp(r.At), actorText(r.By, r.Claim), r.Reason)))
	for _, repeat := range r.Repeats {
		fmt.Fprintln(w, visible("repeated "+repeatText(repeat)))
	}
	if r.Lifted != nil {
		fmt.Fprintln(w, visible("lifted "+liftText(r.Lifted)))
	}
	var lines [][]string
	for _, p := range r.Platforms {
		took, effective := "-", "-"
		if p.AcceptedMS > 0 {
			took, effective = shortly(p.AcceptedMS), p.Effective.Text
		}
		lines = append(lines, []string{
			p.Platform, string(p.State), took, effective, strconv.Itoa(p.Tenants), strconv.Itoa(p.Sets), strconv.Itoa(p.Calls), p.Problem,
		})
	}
	if len(lines) > 0 {
		rows(w, []string{"PLATFORM", "STATE", "ACCEPTED AFTER", "EFFECTIVE AFTER", "TENANTS", "SETS", "CALLS", "PROBLEM"}, lines)
	}
	for _, p := range r.Platforms {
		if text := accessEndText(p.Platform, p.Effective); text != "" && p.Sets > 0 {
			fmt.Fprintln(w, visible(text))
		}
		for _, m := range p.Warnings {
			fmt.Fprintln(w, visible(fmt.Sprintf("%s: %s %s: %s", p.Platform, m.Code, m.Object, m.Text)))
		}
		writeOpen(w, p)
	}
}

// maxOpen is how many open groups and roles of a platform are shown one by one.
const maxOpen = 10

func writeOpen(w io.Writer, p control.RevokedPlatform) {
	for _, o := range p.Open[:min(maxOpen, len(p.Open))] {
		fmt.Fprintln(w, visible(fmt.Sprintf("%s: still open: %s of %s", p.Platform, o.Object, o.Tenant)))
	}
	if more := len(p.Open) - maxOpen; more > 0 {
		fmt.Fprintf(w, "%s: still open: %d more, see -o json\n", p.Platform, more)
	}
}

// howFar counts the platforms that are done.
func howFar(platforms []control.RevokedPlatform) string {
	done := 0
	for _, p := range platforms {
		if p.State == store.RevocationDone {
			done++
		}
	}
	return fmt.Sprintf("%d of %d", done, len(platforms))
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.Local().Format(time.DateTime) }

// shortly writes a duration as exactly as people want to know it.
func shortly(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
