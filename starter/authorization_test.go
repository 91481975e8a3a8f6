package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
)

//go:generate go test -run ^TestAuthorizationPage$ -update-docs .

// TestAuthorizationPage compares deploy/docs/authorisation.md with the tables of package
// authz. With -update-docs it writes the page.
func TestAuthorizationPage(t *testing.T) {
	file := filepath.Join("..", "deploy", "docs", "authorisation.md")
	want := authorizationPage()
	if *updateDocs {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is stale: run `go generate ./starter` (-want +got):\n%s", file, diff)
	}
}

const authorizationBegins = `# Who may do what in Rollcall

<!-- ` + "`make docs`" + ` writes this page -->

A caller is a user or a workload whose token an issuer has signed, or, where a command reaches
the database itself, a user of a host. Documents of the kind ` + "`AccessPolicy`" + ` give roles to
callers:

` + "```yaml" + `
apiVersion: v1
kind: AccessPolicy
metadata: {name: marketing}
spec:
  description: Marketing manages its own projects.
  rules:
  - callers:
      issuer: https://login.example.com
      claims: {groups: [marketing-managers]}
    roles: [editor]
    workspaces: [marketing]
` + "```" + `

A caller has the roles of all rules that match. What no rule allows is denied. Rules have no
wildcards, and issuers, subjects and values are compared byte by byte: case counts, and so does
a slash at the end of an issuer. All that a rule says of its callers must match; an issuer
alone is refused, as it would be every account there.

A claim matches if it is one of the values, or a list of texts with one of them. Numbers and
truth values match nothing. A path has a dot before each inner name, as ` + "`realm_access.roles`" + `.
Names may have dots, too; a path that a token satisfies in two ways matches nothing.

A rule with ` + "`workspaces`" + ` is limited to these; only the roles viewer and editor can be. Without
them, the rule is for all workspaces. A policy may name a workspace that does not exist yet.

Decisions keep the caller as ` + "`user:<issuer>#<subject>` or `workload:<issuer>#<subject>`" + `. Names and
addresses in other claims are not kept.

## Workspace bindings

A policy may say which meshUser a user with a token is. Bindings to workspaces then give rights,
without a rule for each user:

` + "```yaml" + `
apiVersion: v1
kind: AccessPolicy
metadata: {name: users}
spec:
  users:
  - {issuer: https://login.example.com, euidClaim: oid}
---
apiVersion: v2
kind: meshWorkspaceUserBinding
metadata: {name: anna-manages-marketing}
roleRef: {name: Workspace Manager}
targetRef: {name: marketing}
subject: {name: anna}
` + "```" + `

The caller is the meshUser whose ` + "`spec.euid`" + ` is the claim, byte by byte. The issuer must never
change the claim nor give its value to another user: email, upn, preferred_username and others
that users change are refused. A Workspace Owner or Workspace Manager is an editor of the
workspace, a Workspace Member a viewer. A meshWorkspaceGroupBinding gives the members of a user
group the role. A workload has no rights by bindings, nor has a revoked user, one of two users with
one euid, a caller for whom two policies find different euids, or a subject whose binding has
ended. A revocation takes no rights that a rule gives.

An editor of a workspace may bind others to it: they get no more than the editor has. Operators
change euids and global groups, and so decide who the subject of a binding is.

## Operations

The role admin allows every operation and every change.

`

const authorizationReading = `
## Reading

A viewer or editor of all workspaces, and every other role, reads all documents. A viewer or
editor of some reads the documents of these workspaces and what they refer to: of users the
name alone, global groups, all project roles, and the platforms and landing zones of the
tenants. Status, explanations, plans and decisions are those of the tenants of these
workspaces. Policies are read with the roles security and admin only. Another document does
not exist for the caller.

`

const authorizationEnds = `
An actor that no issuer has verified may be any user, and counts as the decider: an unknown one,
and a user of a host unless the installation accepts them. A claim, as of ` + "`--as`" + `, makes no second
user. What the schedule caused has no author. A workload never decides, as the user behind it
may be the author; a user decides about changes of a workload, and the pipeline says who made
them. Two spellings of an issuer, with and without a slash, are one. Rollcall cannot know that
two accounts, of two issuers or of one, belong to one user.

The authors of changes stay with a tenant until a run has applied the changes, with nothing
that waits for an approval or an adoption. A change of a guard, and of the roles above, passes in
two steps: one user plans it (rollcall plan -f), and another stores exactly that plan
(rollcall apply --plan).

## Not there yet

Roles that a connection lists in secondPerson are refused, to all callers. A command that
reaches the database itself may do everything, whatever the policies say, and is recorded with
the user of its operating system; rollcall database direct-mode off refuses such commands.
`

func authorizationPage() string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	roles := func(of []document.PolicyRole) string {
		var names []string
		for _, role := range of {
			if role != document.RoleAdmin {
				names = append(names, string(role))
			}
		}
		if len(names) == 0 {
			return "admin"
		}
		return strings.Join(names, ", ")
	}
	b.WriteString(authorizationBegins)
	row("Operation", "Roles", "For a viewer or editor of workspaces", "Why")
	b.WriteString("|---|---|---|---|\n")
	for _, rule := range authz.Operations() {
		limit := map[authz.Limit]string{
			authz.Whole: "-", authz.OfTenants: "their tenants", authz.OfDocuments: "see Reading", authz.OfChanges: "see Changes of documents",
		}[rule.Limit]
		row(string(rule.Operation), roles(rule.Roles), limit, rule.Reason)
	}
	b.WriteString("\n## Changes of documents\n\nApply and delete need the rules of every document that they change, remove or, with `--prune`,\n" +
		"find absent; a document that moves counts where it was and where it goes. Without all of them\n" +
		"nothing is stored. A plan of documents needs documents that the caller may read, and for\n" +
		"another place or landing zone of a tenant a reader of all workspaces.\n\n")
	row("Change", "Roles", "An editor of the workspace may", "Why")
	b.WriteString("|---|---|---|---|\n")
	for _, rule := range authz.Changes() {
		may := "no"
		if rule.OfWorkspace {
			may = "yes"
		}
		row(rule.Change, roles(rule.Roles), may, rule.Reason)
	}
	b.WriteString(authorizationReading)
	b.WriteString("## A second user\n\nNo user decides about a change of their own. A rejection needs no second user, as it leaves\n" +
		"access as it is. These need one, other than:\n\n")
	row("Action", "In", "Other than")
	b.WriteString("|---|---|---|\n")
	for _, rule := range authz.Actions() {
		var in []string
		for _, op := range authz.Operations() {
			if slices.Contains(op.FourEyes, rule.Action) {
				in = append(in, string(op.Operation))
			}
		}
		row(string(rule.Action), strings.Join(in, ", "), rule.Causes)
	}
	b.WriteString(authorizationEnds)
	return b.String()
}
