package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// changeFlags are those of every command that changes documents.
type changeFlags struct {
	yes, dryRun, replicate bool
}

func (f *changeFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "remove documents without asking")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would change and store nothing")
	cmd.Flags().BoolVar(&f.replicate, "replicate", false, "start a run for every tenant that the change touches")
}

func applyCommand(c *cli) *cobra.Command {
	var flags changeFlags
	var prune bool
	var digest string
	cmd := &cobra.Command{
		Use:   "apply FILE|DIRECTORY|- ... | apply --plan DIGEST",
		Short: "Store documents, after checking all of them together",
		Long: `apply reads documents (YAML or JSON, many to a file, directories, - for
standard input), checks them together with those that are stored, shows what
changes, and stores all of them or none. No platform is touched before
rollcall replicate, or with --replicate.

Before it asks whether to remove documents, and with --dry-run, it shows what the change
does to platforms as well: the plans of the affected tenants, as rollcall plan --file shows
them. That needs a worker and takes at most 30 seconds. It is left out with --yes, -o json
and -o yaml.

With --plan it stores exactly what rollcall plan --file has planned under that digest. If
one of these documents, or the tenants that they affect, have changed since, it stores
nothing.

The access of a binding with an expirationDate, or with spec.expiresAt, ends by itself at
that time on every tenant that was replicated before.`,
		Example: `  rollcall apply organisation/
  rollcall apply --prune --dry-run organisation/
  rollcall apply --plan 5f0c1d6b3a9e48d7a1b2c3d4e5f60718
  rollcall apply - < organisation.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case digest != "" && (len(args) > 0 || prune):
				return invalid(errors.New("--plan stores what was planned: name no files, and leave out --prune"))
			case digest != "":
				return c.applyPlan(cmd.Context(), digest, flags)
			case len(args) == 0:
				return invalid(errors.New("name a file, a directory, or - for standard input"))
			}
			docs, dropped, err := document.Load(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			request := control.ApplyRequest{Documents: docs, Prune: prune, ChangeOptions: flags.options()}
			if err := request.Validate(); err != nil {
				return err
			}
			request.Effect = c.showsEffect(flags)
			return c.change(flags, dropped, func(digest string, report func(control.Event)) (control.ChangeResult, error) {
				request.Digest = digest
				return c.service().Apply(cmd.Context(), request, report)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&prune, "prune", false, "remove stored documents that the input lacks")
	cmd.Flags().StringVar(&digest, "plan", "", "store exactly the documents of this rollcall plan --file")
	return cmd
}

// applyPlan stores documents that were planned.
func (c *cli) applyPlan(ctx context.Context, digest string, flags changeFlags) error {
	request := control.ApplyPlanRequest{
		Digest: digest, By: actor(""), DryRun: flags.dryRun, Replicate: flags.replicate, Effect: c.showsEffect(flags),
	}
	return c.change(flags, nil, func(_ string, report func(control.Event)) (control.ChangeResult, error) {
		return c.service().ApplyPlan(ctx, request, report)
	})
}

func deleteCommand(c *cli) *cobra.Command {
	var flags changeFlags
	var source string
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Remove one document",
		Long: `delete removes one document that no other refers to. A removed tenant is
remembered until what Rollcall made for it is cleaned up. Like rollcall apply, it shows
what the removal does to platforms before it asks, and with --dry-run.

A document that belongs to a directory or another source is removed there. With --source,
delete removes it in the name of that source, as when the source is shut down; a source that
still runs creates it again.`,
		Example: `  rollcall delete meshProjectUserBinding b-jane-web
  rollcall delete tenant marketing.web/openstack.eu
  rollcall delete user jane-doe --source scim:corp`,
		Args:              exactly(2, "name a kind and a document, as rollcall get shows them"),
		ValidArgsFunction: c.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := parseKind(args[0])
			if err != nil {
				return err
			}
			request := control.DeleteRequest{ID: document.ID{Kind: kind, Name: args[1]}, ChangeOptions: flags.options()}
			if request.Source, err = document.ParseSource(source); err != nil {
				return invalid(fmt.Errorf("--source %q: %w", source, err))
			}
			request.Effect = c.showsEffect(flags)
			return c.change(flags, nil, func(digest string, report func(control.Event)) (control.ChangeResult, error) {
				request.Digest = digest
				result, err := c.service().Delete(cmd.Context(), request, report)
				return result, undeletable(err)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&source, "source", document.DocumentsSource, "remove a document that belongs to this source")
	return cmd
}

// undeletable lists the documents that refer to one which cannot be deleted, and says how to go
// on.
func undeletable(err error) error {
	e, ok := errors.AsType[*control.Error](err)
	switch {
	case !ok || e.Code != control.Conflict:
		return err
	case e.Field == "source":
		return exitError{code: e.Code.ExitCode(), err: fmt.Errorf("%w: rollcall delete --source, if the source is shut down", err)}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s is still referred to by\n", document.ID{Kind: document.Kind(e.Kind), Name: e.Name})
	for i, p := range e.Problems {
		if i == shownAtMost {
			fmt.Fprintf(&text, "  ... and %d more\n", len(e.Problems)-i)
			break
		}
		fmt.Fprintf(&text, "  %s (%s)\n", p.Object, p.Field)
	}
	text.WriteString("Delete or change those first, or take it and them out of your files and use rollcall apply --prune.")
	return exitError{code: e.Code.ExitCode(), err: errors.New(text.String())}
}

// changeResult is the outcome of a change as JSON.
type changeResult struct {
	Created    []document.ID     `json:"created"`
	Changed    []document.ID     `json:"changed"`
	Removed    []document.ID     `json:"removed"`
	Unchanged  int               `json:"unchanged"`
	Generation int64             `json:"revision"`
	Stored     bool              `json:"stored"`
	Tenants    []access.TenantID `json:"tenants"`
	// Dropped counts fields that only a server owns, by name.
	Dropped map[string]int `json:"dropped,omitempty"`
	// Ended are created and changed bindings that have ended already.
	Ended []document.ID `json:"ended,omitempty"`
	// Preserved are fields that belong to another source and keep their values.
	Preserved []store.PreservedField `json:"preserved,omitempty"`
}

// options are those of the service.
func (f *changeFlags) options() control.ChangeOptions {
	return control.ChangeOptions{By: actor(""), DryRun: f.dryRun, AllowRemovals: f.yes, Replicate: f.replicate}
}

// showsEffect reports whether a change shows what it does to platforms: where it asks, and
// with --dry-run.
func (c *cli) showsEffect(flags changeFlags) bool {
	return c.format == formatTable && !flags.yes && (flags.dryRun || isTerminal(c.in))
}

// change stores documents, shows what changes, and asks before removing. Write stores the
// change with the digest.
func (c *cli) change(
	flags changeFlags, dropped document.Dropped, write func(digest string, report func(control.Event)) (control.ChangeResult, error),
) error {
	p := &changePrinter{cli: c, events: c.printEvents("replicating")}
	var failed error
	replicates := false
	p.events.proposed = p.proposed
	p.events.planned = func(planned control.TenantPlan) { _ = p.plans.planned(planned) } // a table never fails
	p.events.changed = func(r control.ChangeResult) {
		p.show(r)
		failed = c.reportChange(r.Changes, dropped, !flags.dryRun)
		replicates = flags.replicate && r.Stored && len(r.Changes.Tenants) > 0
	}
	digest := ""
	result, err := write(digest, p.events.event)
	for ; control.CodeOf(err) == control.Unconfirmed; result, err = write(digest, p.events.event) {
		p.listed = false // another change than the last one
		p.show(result)
		if !result.Changes.Empty() { // others have not made it meanwhile
			if err := c.confirm(result.Changes); err != nil {
				return err
			}
		}
		digest = result.Changes.Digest
	}
	switch {
	case err != nil:
		p.events.end()
		return err
	case failed != nil || !replicates:
		return failed
	}
	return c.started(len(result.Changes.Tenants))
}

// changePrinter shows a change of documents, with its effect on platforms if the service
// plans it.
type changePrinter struct {
	*cli

	events *eventPrinter
	// plans shows those of the proposed change; nil before.
	plans *planPrinter
	// listed is true once the change that is going to be stored is listed.
	listed bool
}

// proposed shows a change before the plans of the tenants that it affects.
func (p *changePrinter) proposed(r control.ChangeResult) {
	p.showChanges(r.Changes)
	p.plans = p.planPrinterOf(p.events, planFlags{})
	p.events.what = "planning"
}

// show shows a change, or ends its plans if it has some.
func (p *changePrinter) show(r control.ChangeResult) {
	switch {
	case p.listed:
		return
	case p.plans != nil:
		p.plans.endEffect(r.Effect)
	default:
		p.showChanges(r.Changes)
	}
	p.plans, p.listed, p.events.what = nil, true, "replicating"
}

// showChanges writes what changes, for people.
func (c *cli) showChanges(changes store.Changes) {
	if c.format != formatTable {
		return
	}
	for _, line := range createdLines(changes.Created) {
		fmt.Fprintln(c.out, c.paint(color.FgGreen, visible("+ "+line)))
	}
	for _, part := range []struct {
		colour color.Attribute
		sign   string
		ids    []document.ID
	}{
		{color.FgYellow, "~", changes.Changed},
		{color.FgRed, "-", changes.Removed},
	} {
		for i, id := range part.ids {
			if i == shownAtMost {
				fmt.Fprintf(c.out, "%s ... and %d more: -o json lists all\n", part.sign, len(part.ids)-i)
				break
			}
			fmt.Fprintln(c.out, c.paint(part.colour, visible(part.sign+" "+id.String())))
		}
	}
}

// createdLines lists new documents, and counts those of kinds with many. What changes or
// goes is listed one by one.
func createdLines(created []document.ID) []string {
	const limit = 5
	total, shown := map[document.Kind]int{}, map[document.Kind]bool{}
	for _, id := range created {
		total[id.Kind]++
	}
	var lines []string
	for _, id := range created {
		switch {
		case total[id.Kind] <= limit:
			lines = append(lines, id.String())
		case !shown[id.Kind]:
			shown[id.Kind] = true
			lines = append(lines, fmt.Sprintf("%d %s (-o json lists them)", total[id.Kind], id.Kind))
		}
	}
	return lines
}

// shownAtMost is how many documents of a sort are listed before a change.
const shownAtMost = 50

// confirm asks before documents are removed. Without a terminal nobody can
// answer, so that --yes has to. Nothing is locked meanwhile: if the documents change, the
// change is shown again.
func (c *cli) confirm(changes store.Changes) error {
	documents := count(len(changes.Removed), "document")
	text := "Remove " + documents
	if len(changes.Removed) == 0 { // the change that was confirmed removed some
		text = "Store this change instead"
	}
	if !isTerminal(c.in) || c.format != formatTable {
		return invalid(fmt.Errorf("%s would be removed: add --yes to remove, or --dry-run to see only", documents))
	}
	fmt.Fprint(c.err, text+"? [y/N] ")
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return fmt.Errorf("%w: nothing was stored", errDeclined)
	}
	return nil
}

// errDeclined reports a change that the user refused.
var errDeclined = errors.New("declined")

func (c *cli) reportChange(changes store.Changes, dropped document.Dropped, stored bool) error {
	result := changeResult{
		Created: list(changes.Created), Changed: list(changes.Changed), Removed: list(changes.Removed),
		Unchanged: changes.Unchanged, Generation: changes.Generation, Stored: stored && !changes.Empty(),
		Tenants: list(changes.Tenants), Dropped: dropped, Ended: changes.Ended,
		Preserved: changes.Preserved,
	}
	return c.print(result, func(w io.Writer) {
		if len(dropped) > 0 {
			fmt.Fprintf(w, "Dropped fields that only a server owns: %s.\n", counted(dropped))
		}
		if len(changes.Ended) > 0 {
			fmt.Fprintf(w, "Warning: bindings that ended already grant nothing: %d, such as %s. Set later ends, or remove them.\n",
				len(changes.Ended), visible(changes.Ended[0].Name))
		}
		if len(changes.Preserved) > 0 {
			f := changes.Preserved[0]
			fmt.Fprintf(w, "Fields that belong to another source keep their values: %d, such as %s of %s (%s).\n",
				len(changes.Preserved), f.Field, visible(f.ID.String()), f.Source)
		}
		verb := "Stored"
		if !stored {
			verb = "Would store"
		}
		fmt.Fprintf(w, "%s: %d created, %d changed, %d removed, %d unchanged.",
			verb, len(changes.Created), len(changes.Changed), len(changes.Removed), changes.Unchanged)
		if len(changes.Tenants) > 0 {
			fmt.Fprintf(w, " It touches %s.", count(len(changes.Tenants), "tenant"))
		}
		fmt.Fprintln(w)
	})
}

// counted writes "status 3, _links 3".
func counted(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// list returns items, never nil, so that JSON shows an empty list.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
