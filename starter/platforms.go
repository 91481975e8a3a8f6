package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// platformReport is a type of platform in JSON.
type platformReport struct {
	Type                  string `json:"type"`
	Lookup                string `json:"lookup"`
	IgnoresCase           bool   `json:"ignores_case"`
	Creates               string `json:"creates"`
	Marks                 bool   `json:"ownership_markers"`
	AdditionalPermissions string `json:"additional_permissions"`
	Cleanup               bool   `json:"cleanup"`
	Conditions            bool   `json:"conditions"`
	BringsIn              string `json:"provisions"`
	VerifyOne             string `json:"verify_one"`
	VerifyAll             string `json:"verify_all"`
	ChangeOne             string `json:"change_one"`
	Missed                string `json:"missed,omitempty"`
	// AccessEnd is the time until access really ends after a removal.
	AccessEnd driver.AccessEndReport `json:"access_end"`
	Cannot    []string               `json:"limitations"`
}

func platformsCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "platforms",
		Short: "Say what each type of platform can do",
		Long: `platforms lists the types of platforms that Rollcall knows: what people are looked
up by, what is created, what becomes of roles that others gave to its groups, who
is brought in, how many calls a look and a change cost, how long access lasts
after a removal by the vendor's documents, and what cannot be had, with the reason.
The types' settings are in their schema.`,
		Example: `  rollcall platforms
  rollcall platforms -o json
  rollcall schema meshPlatform`,
		Args: none,
		RunE: func(*cobra.Command, []string) error {
			var reports []platformReport
			for _, t := range types.All() {
				reports = append(reports, reportPlatform(t.Profile))
			}
			return c.print(reports, func(w io.Writer) { printPlatforms(w, reports) })
		},
	}
}

func reportPlatform(p driver.Profile) platformReport {
	return platformReport{
		Type: p.Type, Lookup: p.LookupAttribute, IgnoresCase: p.AccountNames == identity.IgnoreCase, Creates: creates(p), Marks: p.Marks,
		AdditionalPermissions: string(p.AdditionalPermissions), Cleanup: p.Cleanup, Conditions: p.Conditions,
		BringsIn: string(p.BringIn), VerifyOne: p.Cost.VerifyOne, VerifyAll: p.Cost.VerifyAll,
		ChangeOne: p.Cost.ChangeOne, Missed: p.Cost.Missed, AccessEnd: p.AccessEnd.Report(),
		Cannot: append([]string{}, p.Cannot...),
	}
}

// creates says what a platform gets.
func creates(p driver.Profile) string {
	switch {
	case p.NoBindings:
		return "a group per tenant and role"
	case p.Groups:
		return "a group per tenant and role, bound to roles"
	case p.Separate:
		return "a role for each user"
	default:
		return "a binding per tenant and role, with the users as subjects"
	}
}

func printPlatforms(w io.Writer, reports []platformReport) {
	lines := make([][]string, len(reports))
	for i, p := range reports {
		lines[i] = []string{
			p.Type, p.Lookup, p.AdditionalPermissions, yesNo(p.Cleanup), cmp.Or(p.BringsIn, "-"), p.VerifyOne, p.VerifyAll, p.ChangeOne,
			p.AccessEnd.Text,
		}
	}
	rows(w, []string{
		"TYPE", "LOOKED UP BY", "FOREIGN ROLES", "CLEANUP", "BROUGHT IN BY", "VERIFY ONE", "VERIFY ALL", "CHANGE ONE", "ACCESS ENDS AFTER",
	}, lines)
	for _, t := range types.All() {
		if text := accessEndText(t.Name(), t.Profile.AccessEnd.Report()); text != "" {
			fmt.Fprintln(w, text+".")
		}
	}
	for _, p := range reports {
		for _, reason := range p.Cannot {
			fmt.Fprintf(w, "%s cannot %s.\n", p.Type, reason)
		}
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// platformTable returns the tables of deploy/docs/platforms.md: what the platform types
// can do, their costs, when access ends after a removal, and their limitations.
func platformTable() string {
	var b strings.Builder
	line := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line("Type", "users looked up by", "created objects", "external roles on managed groups", "managed groups cleaned up",
		"users provisioned by")
	b.WriteString("|---|---|---|---|---|---|\n")
	for _, t := range types.All() {
		p := t.Profile
		line("`"+p.Type+"`", lookup(p), createsText(p), foreign(p), cleanup(p), cmp.Or(string(p.BringIn), "-"))
	}
	b.WriteString("\nCalls to observe and to change a platform with T tenants of R roles with M users:\n\n")
	line("Type", "verify one tenant", "verify all tenants", "change one user", "why not fewer")
	b.WriteString("|---|---|---|---|---|\n")
	for _, t := range types.All() {
		cost := t.Profile.Cost
		line("`"+t.Profile.Type+"`", cost.VerifyOne, cost.VerifyAll, cost.ChangeOne, cmp.Or(cost.Missed, "-"))
	}
	b.WriteString("\nHow long access lasts after a removal, by the vendors' documents:\n\n")
	line("Type", "time until access ends", "because", "how to end it earlier", "source")
	b.WriteString("|---|---|---|---|---|\n")
	for _, t := range types.All() {
		end := t.Profile.AccessEnd
		line("`"+t.Profile.Type+"`", end.String(), cmp.Or(end.Because, "-"), cmp.Or(end.Hint, "-"), end.Source)
	}
	b.WriteString("\n<details><summary>Limitations</summary>\n\n")
	for _, t := range types.All() {
		for _, reason := range t.Profile.Cannot {
			fmt.Fprintf(&b, "- `%s` cannot %s.\n", t.Profile.Type, reason)
		}
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

func lookup(p driver.Profile) string {
	if p.AccountNames == identity.IgnoreCase {
		return p.LookupAttribute + ", ignoring case"
	}
	return p.LookupAttribute
}

func createsText(p driver.Profile) string {
	text := creates(p)
	if p.Conditions {
		text += ", with an optional condition"
	}
	return text
}

func foreign(p driver.Profile) string {
	switch {
	case !p.Groups:
		return "untouched"
	case p.AdditionalPermissions == plan.RemoveAdditional:
		return "**removed**"
	default:
		return "kept"
	}
}

func cleanup(p driver.Profile) string {
	switch {
	case !p.Groups:
		return "-"
	case p.Cleanup:
		return "yes"
	default:
		return "not by default"
	}
}
