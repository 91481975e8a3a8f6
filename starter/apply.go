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
	"github.com/rollcall-iam/rollcall/internal/desired"
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
	cmd := &cobra.Command{
		Use:   "apply FILE|DIRECTORY|- ...",
		Short: "Store documents, after checking all of them together",
		Long: `apply reads documents (YAML or JSON, many to a file, directories, - for
standard input), checks them together with those that are stored, shows what
changes, and stores all of them or none. No platform is touched before
rollcall replicate, or with --replicate.

The access of a binding with an expirationDate, or with spec.expiresAt, ends by itself at
that time on every tenant that was replicated before.`,
		Example: `  rollcall apply organisation/
  rollcall apply --prune --dry-run organisation/
  rollcall apply - < organisation.yaml`,
		Args: atLeastOne("name a file, a directory, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			docs, dropped, err := document.Load(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if len(docs) == 0 {
				return invalid(errors.New("the input holds no document"))
			}
			return c.change(cmd.Context(), flags, dropped, func(s *store.Store, checks store.Checks) (store.Changes, error) {
				return s.Apply(cmd.Context(), store.ApplyRequest{Documents: docs, Prune: prune, Checks: checks})
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&prune, "prune", false, "remove stored documents that the input lacks")
	return cmd
}

func deleteCommand(c *cli) *cobra.Command {
	var flags changeFlags
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Remove one document",
		Long: `delete removes one document that no other refers to. A removed tenant is
remembered until what Rollcall made for it is cleaned up.`,
		Example: `  rollcall delete meshProjectUserBinding b-jane-web
  rollcall delete tenant marketing.web/openstack.eu`,
		Args:              exactly(2, "name a kind and a document, as rollcall get shows them"),
		ValidArgsFunction: c.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := parseKind(args[0])
			if err != nil {
				return err
			}
			id := document.ID{Kind: kind, Name: args[1]}
			return c.change(cmd.Context(), flags, nil, func(s *store.Store, checks store.Checks) (store.Changes, error) {
				changes, err := s.Delete(cmd.Context(), []document.ID{id}, checks)
				return changes, undeletable(id, err)
			})
		},
	}
	flags.add(cmd)
	return cmd
}

// undeletable says why a document cannot be removed, and how to go on.
func undeletable(id document.ID, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return noDocument(id)
	}
	problems, ok := errors.AsType[document.Problems](err)
	if !ok || slices.ContainsFunc(problems, func(p document.Problem) bool { return p.Field == "" }) {
		return err // something else than a reference
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s is still referred to by\n", id)
	for i, p := range problems {
		if i == shownAtMost {
			fmt.Fprintf(&text, "  ... and %d more\n", len(problems)-i)
			break
		}
		fmt.Fprintf(&text, "  %s (%s)\n", p.Object, p.Field)
	}
	text.WriteString("Delete or change those first, or take it and them out of your files and use rollcall apply --prune.")
	return invalid(errors.New(text.String()))
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
}

// change stores documents, shows what changes before, and asks before removing.
func (c *cli) change(
	ctx context.Context, flags changeFlags, dropped document.Dropped,
	write func(*store.Store, store.Checks) (store.Changes, error),
) error {
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	checks := store.Checks{By: actor(""), DryRun: flags.dryRun, Validate: checkNames, ConfirmRemovals: !flags.yes}
	if flags.replicate {
		checks.Starts = func(changes store.Changes) ([]store.Start, error) {
			return c.tenantStarts(ctx, changes.Tenants, "apply")
		}
	}
	changes, err := write(s, checks)
	for ; errors.Is(err, store.ErrUnconfirmed); changes, err = write(s, checks) {
		c.showChanges(changes)
		if err := c.confirm(changes); err != nil {
			return err
		}
		checks.Expected = changes.Digest
	}
	if err != nil {
		return err
	}
	if checks.Expected == "" { // nothing was shown yet
		c.showChanges(changes)
	}
	if err := c.reportChange(changes, dropped, !flags.dryRun); err != nil {
		return err
	}
	if !flags.replicate || flags.dryRun || len(changes.Tenants) == 0 {
		return nil
	}
	return c.startAndWait(ctx, changes.Tenants, replicateFlags{cause: "apply"})
}

// checkNames refuses group names that a platform cannot hold, or that two
// groups of one platform would share. It says where their documents were read.
func checkNames(d store.Draft) ([]document.GroupName, error) {
	names, problems := desired.Check(d.Inputs(), platformRules)
	others, err := d.Others(names)
	if err != nil {
		return nil, err
	}
	return names, d.Set.Locate(append(problems, desired.NameConflicts(names, others)...))
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
	if !isTerminal(c.in) || c.format != formatTable {
		return invalid(fmt.Errorf("%s would be removed: add --yes to remove, or --dry-run to see only", documents))
	}
	fmt.Fprintf(c.err, "Remove %s? [y/N] ", documents)
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
	}
	return c.print(result, func(w io.Writer) {
		if len(dropped) > 0 {
			fmt.Fprintf(w, "Dropped fields that only a server owns: %s.\n", counted(dropped))
		}
		if len(changes.Ended) > 0 {
			fmt.Fprintf(w, "Warning: bindings that ended already grant nothing: %d, such as %s. Set later ends, or remove them.\n",
				len(changes.Ended), visible(changes.Ended[0].Name))
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
