package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// datedWarning is a warning with the time since which it holds.
type datedWarning struct {
	access.Remark
	Since time.Time `json:"since,omitzero"`
	// Ended is zero for a warning that holds.
	Ended time.Time `json:"ended,omitzero"`
}

// plain returns warnings whose times are not known.
func plain(warnings []access.Remark) []datedWarning {
	shown := make([]datedWarning, len(warnings))
	for i, r := range warnings {
		shown[i] = datedWarning{Remark: r}
	}
	return shown
}

// dated returns the warnings of a stored status.
func dated(s store.Status) []datedWarning {
	shown := plain(s.Remarks)
	for i, r := range shown {
		shown[i].Since = s.Since(r.Remark)
	}
	return shown
}

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
	codes := make([]string, 0, len(access.Codes()))
	for _, code := range access.Codes() {
		codes = append(codes, string(code))
	}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("code", cobra.FixedCompletions(codes, cobra.ShellCompDirectiveNoFileComp)))
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

// check refuses codes that no warning has.
func (f *warningFlags) check() error {
	for _, code := range f.codes {
		if !slices.Contains(access.Codes(), access.Code(code)) {
			all := make([]string, 0, len(access.Codes()))
			for _, c := range access.Codes() {
				all = append(all, string(c))
			}
			return invalid(fmt.Errorf("--code %q: write one of %s", code, strings.Join(all, ", ")))
		}
	}
	return nil
}

// chooseWarnings returns the tenants that have a chosen warning, their statuses with only
// those warnings, and the ended warnings by tenant.
func (c *cli) chooseWarnings(
	ctx context.Context, f *warningFlags, tenants []access.TenantID, last statuses,
) ([]access.TenantID, statuses, map[access.TenantID][]datedWarning, error) {
	ended, err := c.endedWarnings(ctx, f, tenants)
	if err != nil || !f.chosen() {
		return tenants, last, ended, err
	}
	user, err := c.accountsOf(ctx, f.user)
	if err != nil {
		return nil, nil, nil, err
	}
	chosen := make(statuses, len(last))
	var with []access.TenantID
	for _, t := range tenants {
		status := last[t]
		pending, err := c.lastPending(ctx, status, f.user != "")
		if err != nil {
			return nil, nil, nil, err
		}
		status.Remarks = slices.DeleteFunc(slices.Clone(status.Remarks), func(r access.Remark) bool {
			return !f.wants(user, t, r, pending)
		})
		ended[t] = slices.DeleteFunc(ended[t], func(r datedWarning) bool { return !f.wants(user, t, r.Remark, nil) })
		if len(status.Remarks)+len(ended[t]) > 0 {
			with, chosen[t] = append(with, t), status
		}
	}
	return with, chosen, ended, nil
}

// wants reports whether a warning is chosen.
func (f *warningFlags) wants(user *userAccounts, t access.TenantID, r access.Remark, pending []plan.Step) bool {
	return (len(f.codes) == 0 || slices.Contains(f.codes, string(r.Code))) &&
		(f.user == "" || user.isConcerned(t.Platform, r, pending))
}

func (c *cli) endedWarnings(ctx context.Context, f *warningFlags, tenants []access.TenantID) (map[access.TenantID][]datedWarning, error) {
	by := map[access.TenantID][]datedWarning{}
	if !f.ended {
		return by, nil
	}
	ended, err := c.documents.EndedRemarks(ctx, store.TenantFilter{IDs: tenants})
	for _, r := range ended {
		by[r.Tenant] = append(by[r.Tenant], datedWarning{Remark: r.Remark, Since: r.Since, Ended: r.Ended})
	}
	return by, err
}

// lastPending returns the steps of the tenant's last plan that wait for an approval or are
// forbidden, if they are asked for.
func (c *cli) lastPending(ctx context.Context, s store.Status, asked bool) ([]plan.Step, error) {
	digest := cmp.Or(s.Digest, s.Observed.Digest) // a run that read nothing has no plan
	if !asked || digest == "" {
		return nil, nil
	}
	p, _, err := c.documents.Plan(ctx, digest)
	return slices.Concat(p.Held, p.Forbidden), err
}

// userAccounts is a user with the names of their accounts.
type userAccounts struct {
	name     string
	accounts map[string]string // by platform
}

// accountsOf finds a user. A user without a document may still have an account: then
// name is the name of the account on every platform.
func (c *cli) accountsOf(ctx context.Context, name string) (*userAccounts, error) {
	if name == "" {
		return &userAccounts{}, nil
	}
	found := &userAccounts{name: name, accounts: map[string]string{}}
	user, known, err := c.user(ctx, name)
	if err != nil {
		return nil, err
	}
	platforms, err := c.documents.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	if known {
		found.name = user.Name
	}
	for _, p := range platforms {
		found.accounts[p.Identifier()] = name
		if known {
			found.accounts[p.Identifier()] = explain.AccountName(user, p)
		}
	}
	return found, nil
}

// isConcerned reports whether a warning is about the user: by name, or because a step
// that waits for an approval, or a change by another system, is about their account.
func (s *userAccounts) isConcerned(platform string, r access.Remark, pending []plan.Step) bool {
	account := s.accounts[platform]
	switch {
	case r.Code.Personal():
		return r.Object == s.name
	case account == "":
		return false
	case r.Code == access.RemovalHeld, r.Code == access.RemovalsForbidden:
		return slices.ContainsFunc(pending, func(step plan.Step) bool {
			about := step.Object == r.Object || r.Code == access.RemovalsForbidden
			return about && slices.ContainsFunc(step.Removes(), func(m access.Member) bool {
				return identity.IgnoreCase.Same(m.Name, account)
			})
		})
	case r.Code == access.ForeignMemberRemoved:
		return namesWord(r.Text, account)
	default:
		return false
	}
}

// namesWord reports whether the text has the word, and not as a part of another.
func namesWord(text, word string) bool {
	for rest := text; ; {
		at := strings.Index(rest, word)
		if at < 0 {
			return false
		}
		end := at + len(word)
		if (at == 0 || !partOfAccount(rest[at-1])) && (end == len(rest) || !partOfAccount(rest[end])) {
			return true
		}
		rest = rest[at+1:]
	}
}

func partOfAccount(b byte) bool {
	return b >= 0x80 || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("@._-+#", b) >= 0
}

// user finds a stored user by name, euid or email.
func (c *cli) user(ctx context.Context, name string) (document.User, bool, error) {
	docs, err := c.documents.Documents(ctx, store.Filter{Kind: document.KindUser})
	if err != nil {
		return document.User{}, false, err
	}
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil {
			return document.User{}, false, err
		}
		if u, ok := typed.(document.User); ok && isUser(u, name) {
			return u, true, nil
		}
	}
	return document.User{}, false, nil
}

func isUser(u document.User, name string) bool {
	return u.Name == name || u.EUID == name || strings.EqualFold(u.Email, name)
}

// completeUsers offers the names of users to the shell.
func (c *cli) completeUsers(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return c.completeNames(cmd, document.KindUser)
}

// writeEach lists each warning with its tenant and its time, and the ended ones below.
func (c *cli) writeEach(w io.Writer, items []item) {
	write := func(title string, of func(item) []datedWarning) {
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
	write("Warnings", func(it item) []datedWarning { return it.Warnings })
	write("Warnings that hold no more", func(it item) []datedWarning { return it.Ended })
}
