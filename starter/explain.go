package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// recordsRead is how many of a tenant's newest steps are searched for the ones
// that concern somebody.
const recordsRead = 10_000

// explanation is why people have access on a tenant, or one person has or lacks it.
type explanation struct {
	Tenant   string          `json:"tenant"`
	Platform string          `json:"platform"`
	Person   string          `json:"person,omitempty"`
	Access   []grantedAccess `json:"access"`
	// Lacks says why a person has none, or not all.
	Lacks   []string        `json:"lacks,omitempty"`
	Remarks []access.Remark `json:"remarks"`
}

// grantedAccess is one person's way to one or more roles.
type grantedAccess struct {
	Person  string   `json:"person"`
	Account string   `json:"account"`
	Group   string   `json:"group,omitempty"`
	Roles   []string `json:"roles"`
	// Because is the chain of facts, from the binding to the platform's role.
	Because []string `json:"because"`
	// Applied is what was done on the platform for it; empty where nothing was yet.
	Applied []appliedStep `json:"applied"`
	// Given is true when the person themselves was given it, as far as the record
	// goes back.
	Given bool `json:"given"`
}

type appliedStep struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	Run  string    `json:"run_id"`
}

func explainCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [PERSON] TENANT",
		Short: "Say why somebody has or lacks access, or who has any",
		Long: `explain says why a person has access on a tenant, as a chain of facts: which binding
gives them which role, which mapping turns it into which group and platform role,
which account the euid pattern makes of their euid, and what was done on the
platform when. It says as well what is in the way of access they lack. A person is
named by metadata.name, euid or email.

With a tenant alone it lists everybody who can reach it, and with what. It answers
from the documents and the record of what was done, and asks no platform.`,
		Example: `  rollcall explain jane-doe marketing.web/openstack.eu
  rollcall explain jane@example.com marketing.web/openstack.eu -o json
  rollcall explain marketing.web/openstack.eu`,
		Args:              between(1, 2, "name a tenant, or a person and a tenant"),
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			who := ""
			if len(args) > 1 {
				who = args[0]
			}
			return c.explain(cmd.Context(), who, args[len(args)-1])
		},
	}
}

func (c *cli) explain(ctx context.Context, who, tenant string) error {
	tenants, err := c.tenants(ctx, &selection{}, []string{tenant})
	if err != nil {
		return err
	}
	in, err := c.documents.TenantInput(ctx, tenants[0])
	if err != nil {
		return err
	}
	rules, known := platformRules(in.Platform.Type)
	if !known {
		return fmt.Errorf("no driver for platforms of the type %q", in.Platform.Type)
	}
	wanted, err := desired.Compute(in, rules.Options)
	if err != nil {
		return err
	}
	person := document.User{}
	if who != "" {
		if person, err = c.person(ctx, in, who); err != nil {
			return err
		}
	}
	records, err := ledger.New(c.documents).Records(ctx, ledger.Filter{Tenant: tenants[0], Limit: recordsRead})
	if err != nil {
		return err
	}
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return err
	}
	e := explainer{in: in, wanted: wanted, records: records, person: person.Name}
	out := e.explain(last[tenants[0]].Remarks)
	return c.print(out, func(w io.Writer) { c.writeExplanation(w, out) })
}

// person finds somebody by name, euid or email.
func (c *cli) person(ctx context.Context, in document.TenantInput, who string) (document.User, error) {
	is := func(u document.User) bool {
		return u.Name == who || u.EUID == who || strings.EqualFold(u.Email, who)
	}
	if i := slices.IndexFunc(in.Users, is); i >= 0 {
		return in.Users[i], nil
	}
	// Somebody who has nothing to do with the project is still somebody.
	docs, err := c.documents.Export(ctx)
	if err != nil {
		return document.User{}, err
	}
	for _, d := range docs {
		if d.ID.Kind != document.KindUser {
			continue
		}
		typed, err := document.Parse(d)
		if err != nil {
			return document.User{}, err
		}
		if u, ok := typed.(document.User); ok && is(u) {
			return u, nil
		}
	}
	return document.User{}, invalid(fmt.Errorf("there is no person %q: rollcall get users lists those there are", who))
}

// explainer gathers the facts.
type explainer struct {
	in      document.TenantInput
	wanted  desired.Desired
	records []ledger.Record // newest first
	person  string          // everybody when empty
}

func (e explainer) explain(remarks []access.Remark) explanation {
	out := explanation{
		Tenant: e.in.Tenant.ProjectID(), Platform: e.in.Tenant.Platform, Person: e.person, Access: []grantedAccess{},
	}
	for _, g := range e.wanted.State.Groups {
		for _, m := range g.Members {
			out.Access = append(out.Access, e.through(g, m)...)
		}
	}
	for _, b := range e.wanted.State.Bindings {
		for _, m := range b.Subjects {
			out.Access = append(out.Access, e.directly(b, m)...)
		}
	}
	out.Remarks = e.about(remarks)
	if e.person != "" {
		out.Lacks = slices.DeleteFunc(e.lacks(len(out.Access) > 0), func(reason string) bool {
			return slices.ContainsFunc(out.Remarks, func(r access.Remark) bool { return r.Text == reason })
		})
	}
	return out
}

// through is access by a group.
func (e explainer) through(g access.Group, m access.Member) []grantedAccess {
	if e.person != "" && m.Person != e.person {
		return nil
	}
	got := grantedAccess{
		Person: m.Person, Account: m.Name, Group: g.Name, Roles: []string{}, Applied: []appliedStep{},
		Because: []string{m.Why, g.Why, e.account(m)},
	}
	member := e.last(m, access.Key{Kind: access.KindMembers, Group: g.Name}, "was put into the group")
	got.Given = member != nil
	got.add(member)
	for _, b := range e.wanted.State.Bindings {
		if b.Group == g.Name {
			got.Roles = append(got.Roles, b.Role)
			got.add(e.last(access.Member{}, b.Key(), fmt.Sprintf("the group was given %q", b.Role)))
		}
	}
	return []grantedAccess{got}
}

// directly is access by a binding that lists people.
func (e explainer) directly(b access.Binding, m access.Member) []grantedAccess {
	if e.person != "" && m.Person != e.person {
		return nil
	}
	got := grantedAccess{
		Person: m.Person, Account: m.Name, Roles: []string{b.Role}, Applied: []appliedStep{},
		Because: []string{m.Why, b.Why, e.account(m)},
	}
	given := e.last(m, b.Key(), fmt.Sprintf("was given %q", b.Role))
	got.Given = given != nil
	got.add(given)
	return []grantedAccess{got}
}

func (g *grantedAccess) add(step *appliedStep) {
	if step != nil {
		g.Applied = append(g.Applied, *step)
	}
}

// account says how the account's name comes about.
func (e explainer) account(m access.Member) string {
	i := slices.IndexFunc(e.in.Users, func(u document.User) bool { return u.Name == m.Person })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("the euid %q and the platform's euidPattern %q make the account %q",
		e.in.Users[i].EUID, e.in.Platform.Replication.EUIDPattern, m.Name)
}

// last finds the newest step that was done on the object and, where somebody is
// named, gave it to them.
func (e explainer) last(m access.Member, key access.Key, text string) *appliedStep {
	for _, r := range e.records {
		done := r.Step.Key()
		if done.Name = key.Name; done != key || r.DoneAt.IsZero() || r.Err != "" || r.Step.Op == plan.Delete {
			continue
		}
		if m.Person != "" && !slices.ContainsFunc(r.Step.Adds(), func(who access.Member) bool { return who.Person == m.Person }) {
			continue
		}
		return &appliedStep{At: r.DoneAt, Text: text, Run: r.Run.RunID}
	}
	return nil
}

// about returns the remarks that concern the person, or all.
func (e explainer) about(remarks []access.Remark) []access.Remark {
	about := []access.Remark{}
	for _, r := range remarks {
		if e.person == "" || r.Object == e.person {
			about = append(about, r)
		}
	}
	return about
}

// lacks says what is in the way: what the documents themselves show, in whatever
// state the platform is.
func (e explainer) lacks(has bool) []string {
	var reasons []string
	bound := e.bound()
	if len(bound) == 0 && !has {
		reasons = append(reasons, fmt.Sprintf("no binding of the project %s is for %s, or for a group they are in",
			e.in.Tenant.ProjectID(), e.person))
	}
	for _, r := range e.wanted.Remarks {
		if r.Object == e.person || r.Code == access.RoleUnmapped && e.unmapped(r.Object, bound) {
			reasons = append(reasons, r.Text)
		}
	}
	return reasons
}

// bound returns the roles that bindings give the person, as the bindings write them.
func (e explainer) bound() map[string]bool {
	bound := map[string]bool{}
	for _, b := range e.in.UserBindings {
		if b.Subject == e.person {
			bound[b.Role] = true
		}
	}
	for _, b := range e.in.GroupBindings {
		if slices.ContainsFunc(e.in.UserGroups, func(g document.UserGroup) bool {
			return g.Name == b.Subject && g.Workspace == b.Workspace && slices.Contains(g.Members, e.person)
		}) {
			bound[b.Role] = true
		}
	}
	return bound
}

// unmapped reports whether the role is one that the person is bound to.
func (e explainer) unmapped(role string, bound map[string]bool) bool {
	for _, r := range e.in.Roles {
		if r.Name == role && bound[r.DisplayName] {
			return true
		}
	}
	return bound[role]
}

func (c *cli) writeExplanation(w io.Writer, e explanation) {
	on := e.Tenant + "/" + e.Platform
	switch {
	case e.Person == "" && len(e.Access) == 0:
		fmt.Fprintf(w, "Nobody is to have access to %s.\n", on)
	case e.Person == "":
		c.writeEverybody(w, e)
	case len(e.Access) == 0:
		fmt.Fprintf(w, "%s is to have no access to %s.\n", e.Person, on)
	default:
		fmt.Fprintf(w, "%s is to have access to %s:\n", e.Person, on)
		for _, got := range e.Access {
			c.writeAccess(w, got)
		}
	}
	for _, reason := range e.Lacks {
		fmt.Fprintf(w, "  %s %s\n", c.paint(color.FgYellow, "!"), visible(reason))
	}
	for _, r := range e.Remarks {
		fmt.Fprintf(w, "  %s %s\n", c.paint(color.FgYellow, string(r.Code)), visible(r.Text))
	}
}

func (c *cli) writeAccess(w io.Writer, got grantedAccess) {
	title := strings.Join(got.Roles, ", ")
	if got.Group != "" {
		title = cmp.Or(title, "no role of its own") + ", through the group " + got.Group
	}
	fmt.Fprintf(w, "\n  %s\n", c.paint(color.FgGreen, visible(title)))
	for _, fact := range got.Because {
		if fact != "" {
			fmt.Fprintf(w, "    because  %s\n", visible(fact))
		}
	}
	for _, step := range got.Applied {
		fmt.Fprintf(w, "    applied  %s: %s\n", step.At.Format(time.DateTime), visible(step.Text))
	}
	if !got.Given {
		fmt.Fprintf(w, "    applied  %s: %s was not given it by this Rollcall: see the remarks below, or rollcall plan\n",
			c.paint(color.FgYellow, "no"), got.Person)
	}
}

// writeEverybody lists who can reach a tenant.
func (c *cli) writeEverybody(w io.Writer, e explanation) {
	lines := make([][]string, len(e.Access))
	for i, got := range e.Access {
		lines[i] = []string{got.Person, got.Account, cmp.Or(got.Group, "-"), strings.Join(got.Roles, ", "), got.Because[0]}
	}
	slices.SortFunc(lines, slices.Compare)
	rows(w, []string{"PERSON", "ACCOUNT", "GROUP", "ROLES", "BECAUSE"}, lines)
}

// between requires from least to most arguments and says what they are for.
func between(least, most int, text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return invalid(errors.New(text))
		}
		return nil
	}
}
