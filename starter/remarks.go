package main

import (
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
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// shownRemark is a remark with the time that it holds, or held.
type shownRemark struct {
	access.Remark
	Since time.Time `json:"since,omitzero"`
	// Ended is zero for one that holds.
	Ended time.Time `json:"ended,omitzero"`
}

// plain are remarks of which the times are not known.
func plain(remarks []access.Remark) []shownRemark {
	shown := make([]shownRemark, len(remarks))
	for i, r := range remarks {
		shown[i] = shownRemark{Remark: r}
	}
	return shown
}

// dated are the remarks of a stored status.
func dated(s store.Status) []shownRemark {
	shown := plain(s.Remarks)
	for i, r := range shown {
		shown[i].Since = s.Since(r.Remark)
	}
	return shown
}

// remarkFlags choose remarks.
type remarkFlags struct {
	all, ended bool
	codes      []string
	person     string
}

func (f *remarkFlags) add(c *cli, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "warnings", false, "show all warnings, and since when they hold")
	cmd.Flags().BoolVar(&f.ended, "ended", false, "show warnings of the last 90 days that hold no more, too")
	cmd.Flags().StringSliceVar(&f.codes, "code", nil, "only warnings of these codes, such as user-not-found")
	cmd.Flags().StringVar(&f.person, "user", "", "only warnings about one user: metadata.name, euid, email, or an account")
	codes := make([]string, 0, len(access.Codes()))
	for _, code := range access.Codes() {
		codes = append(codes, string(code))
	}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("code", cobra.FixedCompletions(codes, cobra.ShellCompDirectiveNoFileComp)))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("user", c.completePeople))
}

// shown reports whether remarks are what is asked for.
func (f *remarkFlags) shown() bool { return f.all || f.ended || f.chosen() }

// chosen reports whether only some remarks are.
func (f *remarkFlags) chosen() bool { return len(f.codes) > 0 || f.person != "" }

// noneText says that no tenant has what is asked for.
func (f *remarkFlags) noneText() string {
	if f.ended {
		return "No tenant has such a warning, or had one in the last 90 days."
	}
	return "No tenant has such a warning now: --ended shows those of the last 90 days, too."
}

// check refuses codes that no remark has.
func (f *remarkFlags) check() error {
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

// chooseRemarks returns the statuses with only the remarks that are asked for, the
// ended ones by tenant, and the tenants that have any.
func (c *cli) chooseRemarks(
	ctx context.Context, f *remarkFlags, tenants []access.TenantID, last statuses,
) ([]access.TenantID, statuses, map[access.TenantID][]shownRemark, error) {
	ended, err := c.endedRemarks(ctx, f, tenants)
	if err != nil || !f.chosen() {
		return tenants, last, ended, err
	}
	who, err := c.whoIs(ctx, f.person)
	if err != nil {
		return nil, nil, nil, err
	}
	chosen := make(statuses, len(last))
	var with []access.TenantID
	for _, t := range tenants {
		status := last[t]
		held, err := c.lastHeld(ctx, status, f.person != "")
		if err != nil {
			return nil, nil, nil, err
		}
		status.Remarks = slices.DeleteFunc(slices.Clone(status.Remarks), func(r access.Remark) bool { return !f.wants(who, t, r, held) })
		ended[t] = slices.DeleteFunc(ended[t], func(r shownRemark) bool { return !f.wants(who, t, r.Remark, nil) })
		if len(status.Remarks)+len(ended[t]) > 0 {
			with, chosen[t] = append(with, t), status
		}
	}
	return with, chosen, ended, nil
}

// wants reports whether a remark is asked for.
func (f *remarkFlags) wants(who *somebody, t access.TenantID, r access.Remark, held []plan.Step) bool {
	return (len(f.codes) == 0 || slices.Contains(f.codes, string(r.Code))) &&
		(f.person == "" || who.concerned(t.Platform, r, held))
}

func (c *cli) endedRemarks(ctx context.Context, f *remarkFlags, tenants []access.TenantID) (map[access.TenantID][]shownRemark, error) {
	by := map[access.TenantID][]shownRemark{}
	if !f.ended {
		return by, nil
	}
	ended, err := c.documents.EndedRemarks(ctx, store.TenantFilter{IDs: tenants})
	for _, r := range ended {
		by[r.Tenant] = append(by[r.Tenant], shownRemark{Remark: r.Remark, Since: r.Since, Ended: r.Ended})
	}
	return by, err
}

// lastHeld returns the steps that the tenant's last plan held back or left out as
// forbidden, where somebody asks for them.
func (c *cli) lastHeld(ctx context.Context, s store.Status, asked bool) ([]plan.Step, error) {
	if !asked || s.Digest == "" {
		return nil, nil
	}
	p, _, err := c.documents.Plan(ctx, s.Digest)
	return slices.Concat(p.Held, p.Forbidden), err
}

// somebody is a person, and what they are called on platforms.
type somebody struct {
	name     string
	accounts map[string]string // by platform
}

// whoIs finds somebody. One who is in no document any more may still have an
// account somewhere: then the name is taken by its word.
func (c *cli) whoIs(ctx context.Context, who string) (*somebody, error) {
	if who == "" {
		return &somebody{}, nil
	}
	found := &somebody{name: who, accounts: map[string]string{}}
	user, known, err := c.user(ctx, who)
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
		found.accounts[p.Identifier()] = who
		if known {
			found.accounts[p.Identifier()] = accountOf(user, p)
		}
	}
	return found, nil
}

// accountOf is what the platform's euidPattern makes of the person's euid; empty
// where there is none.
func accountOf(u document.User, p document.Platform) string {
	text := p.Replication.EUIDPattern
	if text == "" {
		text = euid.Default
	}
	pattern, err := euid.Parse(text)
	if err != nil || strings.TrimSpace(u.EUID) == "" {
		return "" // apply refuses such a pattern
	}
	return pattern.Apply(u.EUID)
}

// concerned reports whether a remark is about the person: by name, or because
// their account is what a held step, or somebody else's deed, is about.
func (s *somebody) concerned(platform string, r access.Remark, held []plan.Step) bool {
	account := s.accounts[platform]
	switch {
	case r.Code.Personal():
		return r.Object == s.name
	case account == "":
		return false
	case r.Code == access.RemovalHeld, r.Code == access.RemovalsForbidden:
		return slices.ContainsFunc(held, func(step plan.Step) bool {
			about := step.Object == r.Object || r.Code == access.RemovalsForbidden
			return about && slices.ContainsFunc(step.Removes(), func(m access.Member) bool {
				return strings.EqualFold(m.Name, account)
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

// user finds a stored person by name, euid or email.
func (c *cli) user(ctx context.Context, who string) (document.User, bool, error) {
	docs, err := c.documents.Documents(ctx, store.Filter{Kind: document.KindUser})
	if err != nil {
		return document.User{}, false, err
	}
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil {
			return document.User{}, false, err
		}
		if u, ok := typed.(document.User); ok && isPerson(u, who) {
			return u, true, nil
		}
	}
	return document.User{}, false, nil
}

func isPerson(u document.User, who string) bool {
	return u.Name == who || u.EUID == who || strings.EqualFold(u.Email, who)
}

// completePeople offers the names of people to the shell.
func (c *cli) completePeople(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := c.database(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	docs, err := s.Documents(cmd.Context(), store.Filter{Kind: document.KindUser})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(docs))
	for i, d := range docs {
		names[i] = d.ID.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// writeDated lists remarks with the time they hold, those that ended apart.
func (c *cli) writeDated(w io.Writer, items []item) {
	write := func(title string, of func(item) []shownRemark) {
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
	write("Warnings", func(it item) []shownRemark { return it.Remarks })
	write("Warnings that hold no more", func(it item) []shownRemark { return it.Ended })
}
