package main

import (
	"fmt"
	"io"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// warningFlags choose warnings.
type warningFlags struct {
	all, ended bool
	codes      []string
	user       string
}

func (f *warningFlags) add(c *cli, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "warnings", false, "list each warning with its tenant, and the time since which it holds")
	cmd.Flags().BoolVar(&f.ended, "ended", false, "list the warnings too that ended within the last 90 days")
	cmd.Flags().StringSliceVar(&f.codes, "code", nil, "only the warnings with these codes, such as user-not-found")
	cmd.Flags().StringVar(&f.user, "user", "", "only the warnings about one user, by metadata.name, euid, email or account")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("code", cobra.FixedCompletions(warningCodes(), cobra.ShellCompDirectiveNoFileComp)))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("user", c.completeUsers))
}

// listsEach reports whether each warning is listed on its own.
func (f *warningFlags) listsEach() bool { return f.all || f.ended || f.chosen() }

// chosen reports whether only some warnings are asked for.
func (f *warningFlags) chosen() bool { return len(f.codes) > 0 || f.user != "" }

// noneText says that no tenant has the chosen warnings.
func (f *warningFlags) noneText() string {
	if f.ended {
		return "No tenant has such a warning, or had one in the last 90 days."
	}
	return "No tenant has such a warning now: --ended lists those of the last 90 days too."
}

// warningCodes are the codes of all warnings.
func warningCodes() []string {
	codes := make([]string, 0, len(access.Codes()))
	for _, code := range access.Codes() {
		codes = append(codes, string(code))
	}
	return codes
}

// completeUsers offers the names of users to the shell.
func (c *cli) completeUsers(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return c.completeNames(cmd, document.KindUser)
}

// writeEach lists each warning with its tenant and its time, and the ended ones below.
func (c *cli) writeEach(w io.Writer, items []control.TenantReport) {
	write := func(title string, of func(control.TenantReport) []control.Warning) {
		for _, it := range items {
			for _, r := range of(it) {
				if title != "" {
					fmt.Fprintln(w, "\n"+title+":")
					title = ""
				}
				when := "since " + r.Since.Format(time.DateTime)
				if !r.Ended.IsZero() {
					when = "from " + r.Since.Format(time.DateTime) + " to " + r.Ended.Format(time.DateTime)
				}
				fmt.Fprintf(w, "  %s on %s/%s %s: %s\n",
					c.paint(color.FgYellow, string(r.Code)), it.Tenant, it.Platform, when, visible(r.Text))
			}
		}
	}
	write("Warnings", func(it control.TenantReport) []control.Warning { return it.Warnings })
	write("Warnings that hold no more", func(it control.TenantReport) []control.Warning { return it.Ended })
}
