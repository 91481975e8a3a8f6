package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// exactly requires n arguments and says what they are for.
func exactly(n int, text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return invalid(errors.New(text))
		}
		return nil
	}
}

// atMost allows up to n arguments and says what they are for.
func atMost(n int, text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return invalid(errors.New(text))
		}
		return nil
	}
}

// none requires that there are no arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return invalid(fmt.Errorf("%s takes no arguments, not %q", cmd.CommandPath(), args[0]))
	}
	return nil
}

// parseKind reads a kind as people write it: meshUser, user, users, or the end
// of a name that is like no other, such as userbinding.
func parseKind(s string) (document.Kind, error) {
	plain := func(name string) string {
		return strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(name), "s"), "mesh")
	}
	var alike []document.Kind
	for _, k := range document.Kinds() {
		if plain(string(k)) == plain(s) {
			return k, nil
		}
		// userbinding and groupbinding are the bindings to projects, which scripts name so.
		workspaces := k == document.KindWorkspaceUserBinding || k == document.KindWorkspaceGroupBinding
		if plain(s) != "" && !workspaces && strings.HasSuffix(plain(string(k)), plain(s)) {
			alike = append(alike, k)
		}
	}
	switch len(alike) {
	case 0:
		return "", invalid(fmt.Errorf("%q is not a kind of document: write one of %s", s, kindList(document.Kinds())))
	case 1:
		return alike[0], nil
	default:
		return "", invalid(fmt.Errorf("%q may mean several kinds: write one of %s", s, kindList(alike)))
	}
}

func kindList(kinds []document.Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// completeKinds offers the kinds of documents to the shell.
func (c *cli) completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return strings.Split(kindList(document.Kinds()), ", "), cobra.ShellCompDirectiveNoFileComp
}

// completeDocuments offers kinds, then the names of stored documents.
func (c *cli) completeDocuments(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return c.completeKinds(cmd, args, typed)
	}
	kind, err := parseKind(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return c.completeNames(cmd, kind)
}

// completeNames offers the names of stored documents of a kind.
func (c *cli) completeNames(cmd *cobra.Command, kind document.Kind) ([]string, cobra.ShellCompDirective) {
	docs, err := c.service().Get(cmd.Context(), control.GetRequest{Kind: kind})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(docs))
	for i, d := range docs {
		names[i] = d.ID.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
