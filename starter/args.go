package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// atLeastOne requires an argument and says what it is for.
func atLeastOne(text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return invalid(errors.New(text))
		}
		return nil
	}
}

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
	var alike, names []string
	for _, k := range document.Kinds() {
		if plain(string(k)) == plain(s) {
			return k, nil
		}
		if s != "" && strings.HasSuffix(plain(string(k)), plain(s)) {
			alike = append(alike, string(k))
		}
		names = append(names, string(k))
	}
	if len(alike) == 1 {
		return document.Kind(alike[0]), nil
	}
	if len(alike) > 1 {
		names = alike
	}
	return "", invalid(fmt.Errorf("%q is not a kind of document: write one of %s", s, strings.Join(names, ", ")))
}
