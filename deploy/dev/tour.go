package main

import (
	"fmt"
	"strings"
)

// leaver is the binding of the example that newcomers take away.
const leaver = "route-planner.liam-byrne.project-user"

// tour says where to look and what to try next.
func (s *stack) tour() {
	out := s.console.out
	fmt.Fprintf(out, "\nTemporal's UI:  %s\n", s.temporal.UIURL())
	fmt.Fprintf(out, "The documents:  %s\n", s.home.path(documentsDir))
	fmt.Fprintf(out, "The sandbox:    %s\n", s.home.path(sandboxFile))
	fmt.Fprintf(out, "\nTry next, in another shell:\n\n  . %s\n\n", word(s.home.path(environFile)))
	for _, next := range [][2]string{
		{"rollcall status", "who is where, and what is in the way"},
		{"rollcall explain storefront.payments/azure.harbour", "who can reach a tenant, with what, and why"},
		{"rollcall delete meshProjectUserBinding " + leaver, "Liam leaves the route planner"},
		{"rollcall plan --all", "what that takes away, before it does"},
	} {
		fmt.Fprintf(out, "  %s\n      %s\n", next[0], next[1])
	}
}

// word quotes s for a shell where it must be.
func word(s string) string {
	if strings.ContainsAny(s, " '\"$\\*?[](){}<>|&;`!~#\t\n") {
		return quote(s)
	}
	return s
}

// join writes arguments as one would type them.
func join(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = word(arg)
	}
	return strings.Join(words, " ")
}
