package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/demo"
)

// leaver is the binding of the example that newcomers take away.
const leaver = "route-planner.liam-byrne.project-user"

// tour says where to look and what to try next.
func (s *stack) tour() {
	out := s.console.out
	fmt.Fprintf(out, "\nTemporal's UI:  %s\n", s.temporal.UIURL())
	fmt.Fprintf(out, "The documents:  %s\n", s.home.path(documentsDir))
	fmt.Fprintf(out, "The sandbox:    %s\n", s.home.path(sandboxFile))
	fmt.Fprintf(out, "The server:     %s, where commands are %s; ROLLCALL_TOKEN_FILE=%s makes one %s\n", s.environ["ROLLCALL_SERVER"],
		tokenUsers()[0], word(tokenFile(s.home.path(issuerDir), tokenUsers()[1])), tokenUsers()[1])
	fmt.Fprint(out, "\nTry next, in another shell:\n\n")
	if s.home != home(demo.DefaultDir()) { // where commands look by themselves
		fmt.Fprintf(out, "  . %s\n\n", word(s.home.path(environFile)))
	}
	rollcall := command(s.options.bin)
	for _, next := range [][2]string{
		{"status", "who is where, and what is in the way"},
		{"explain storefront.payments/azure.harbour", "who can reach a tenant, with what, and why"},
		{"delete meshProjectUserBinding " + leaver + " --yes", "Liam leaves the route planner"},
		{"plan --all", "what that takes away, before it does"},
		{"replicate --all --wait", "take it away"},
		{"audit", "which caller did what"},
	} {
		fmt.Fprintf(out, "  %s %s\n      %s\n", rollcall, next[0], next[1])
	}
}

// command returns how to call rollcall from the working directory.
func command(bin string) string {
	path := filepath.Join(bin, "rollcall")
	if wd, err := os.Getwd(); err == nil {
		if near, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(near) {
			return word(near)
		}
	}
	return word(path)
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
