package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// revocationReport is one revocation as JSON.
type revocationReport struct {
	Person    string               `json:"user"`
	Reason    string               `json:"reason"`
	By        string               `json:"by"`
	Claim     string               `json:"claim,omitempty"`
	At        time.Time            `json:"at"`
	Lifted    *liftReport          `json:"lifted,omitempty"`
	Platforms []revocationPlatform `json:"platforms"`
}

// liftReport is the end of a revocation as JSON.
type liftReport struct {
	By     string    `json:"by"`
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// revocationPlatform is how a revocation stands on one platform, as JSON.
type revocationPlatform struct {
	Platform string `json:"platform"`
	State    string `json:"state"`
	// AcceptedMS is how long it took until the platform had accepted everything,
	// EffectiveMS within which time from then access really ends, by the vendor's documents;
	// null where they name no longest time.
	AcceptedMS  int64                  `json:"accepted_ms"`
	EffectiveMS *int64                 `json:"effective_within_ms"`
	Effective   driver.AccessEndReport `json:"access_end"`
	Tenants     int                    `json:"tenants"`
	Sets        int                    `json:"sets"`
	Calls       int                    `json:"calls"`
	Problem     string                 `json:"problem,omitempty"`
	Remarks     []access.Remark        `json:"warnings,omitempty"`
	// Open are the groups and roles there that still have the user, or may have.
	Open []openPlaceReport `json:"open,omitempty"`
}

// openPlaceReport is a group or role that still has a revoked user, as JSON.
type openPlaceReport struct {
	Tenant string `json:"tenant"`
	Object string `json:"object"`
	// Found is true where a read found the user there, and Rollcall had not added them.
	Found bool `json:"found,omitempty"`
}

func reportOpen(places []store.OpenPlace) []openPlaceReport {
	var open []openPlaceReport
	for _, o := range places {
		open = append(open, openPlaceReport{Tenant: o.Tenant.String(), Object: o.Object, Found: o.Found})
	}
	return open
}

func reportOfRevocation(r store.Revocation, ends map[string]driver.AccessEnd) revocationReport {
	report := revocationReport{
		Person: r.Person, Reason: r.Reason, By: r.By.ID(), Claim: r.By.Claim, At: r.At.UTC(), Platforms: []revocationPlatform{},
	}
	if !r.LiftedAt.IsZero() {
		report.Lifted = &liftReport{r.LiftedBy.ID(), r.LiftedBy.Claim, r.LiftReason, r.LiftedAt.UTC()}
	}
	for _, p := range r.Platforms {
		end := ends[p.Platform].Report()
		report.Platforms = append(report.Platforms, revocationPlatform{
			Platform: p.Platform, State: string(p.State), AcceptedMS: p.Took.Milliseconds(), EffectiveMS: end.WithinMS, Effective: end,
			Tenants: p.Tenants, Sets: p.Sets, Calls: p.Calls, Problem: p.Problem, Remarks: p.Remarks, Open: reportOpen(p.Open),
		})
	}
	return report
}

// listRevocations shows all that stand, and those that were lifted if lifted is true.
func (c *cli) listRevocations(ctx context.Context, lifted bool) error {
	found, err := c.documents.Revocations(ctx, store.RevocationFilter{Lifted: lifted})
	if err != nil {
		return err
	}
	ends, err := c.accessEnds(ctx)
	if err != nil {
		return err
	}
	reports := []revocationReport{}
	for _, r := range found {
		reports = append(reports, reportOfRevocation(r, ends))
	}
	return c.print(reports, func(w io.Writer) {
		if len(found) == 0 {
			fmt.Fprintln(c.err, "Nobody's access is revoked.")
			return
		}
		var lines [][]string
		for _, r := range found {
			line := []string{r.Person, stamp(r.At), r.By.String(), howFar(r.Platforms), r.Reason}
			if lifted {
				line = append(line, liftText(r))
			}
			lines = append(lines, line)
		}
		header := []string{"USER", "REVOKED", "BY", "PLATFORMS", "REASON"}
		if lifted {
			header = append(header, "LIFTED")
		}
		rows(w, header, lines)
	})
}

// showRevocation shows the person's revocation, the last one if none stands.
func (c *cli) showRevocation(ctx context.Context, person string) error {
	found, err := c.documents.Revocations(ctx, store.RevocationFilter{Person: person, Lifted: true})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		docs, err := c.documents.Documents(ctx, store.Filter{Kind: document.KindUser, Name: person})
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			return c.unknownPerson(ctx, person)
		}
		return invalid(fmt.Errorf("the access of %q is not revoked: say why it should be with --reason", person))
	}
	i := slices.IndexFunc(found, func(r store.Revocation) bool { return r.LiftedAt.IsZero() })
	r := found[max(0, i)]
	ends, err := c.accessEnds(ctx)
	if err != nil {
		return err
	}
	return c.print(reportOfRevocation(r, ends), func(w io.Writer) { writeRevocation(w, r, ends) })
}

// liftText says when a revocation was lifted, by which actor and why; "-" while it stands.
func liftText(r store.Revocation) string {
	if r.LiftedAt.IsZero() {
		return "-"
	}
	text := fmt.Sprintf("%s by %s", stamp(r.LiftedAt), r.LiftedBy)
	if r.LiftReason != "" {
		text += ": " + r.LiftReason
	}
	return text
}

func writeRevocation(w io.Writer, r store.Revocation, ends map[string]driver.AccessEnd) {
	fmt.Fprintln(w, visible(fmt.Sprintf("%s: revoked %s by %s: %s", r.Person, stamp(r.At), r.By, r.Reason)))
	if !r.LiftedAt.IsZero() {
		fmt.Fprintln(w, visible("lifted "+liftText(r)))
	}
	var lines [][]string
	for _, p := range r.Platforms {
		took, effective := "-", "-"
		if p.Took > 0 {
			took, effective = shortly(p.Took), ends[p.Platform].String()
		}
		lines = append(lines, []string{
			p.Platform, string(p.State), took, effective, strconv.Itoa(p.Tenants), strconv.Itoa(p.Sets), strconv.Itoa(p.Calls), p.Problem,
		})
	}
	if len(lines) > 0 {
		rows(w, []string{"PLATFORM", "STATE", "ACCEPTED AFTER", "EFFECTIVE AFTER", "TENANTS", "SETS", "CALLS", "PROBLEM"}, lines)
	}
	for _, p := range r.Platforms {
		if text := accessEndText(p.Platform, ends[p.Platform]); text != "" && p.Sets > 0 {
			fmt.Fprintln(w, visible(text))
		}
		for _, m := range p.Remarks {
			fmt.Fprintln(w, visible(fmt.Sprintf("%s: %s %s: %s", p.Platform, m.Code, m.Object, m.Text)))
		}
		writeOpen(w, p)
	}
}

// maxOpen is how many open groups and roles of a platform are shown one by one.
const maxOpen = 10

func writeOpen(w io.Writer, p store.RevokedPlatform) {
	for _, o := range p.Open[:min(maxOpen, len(p.Open))] {
		fmt.Fprintln(w, visible(fmt.Sprintf("%s: still open: %s of %s", p.Platform, o.Object, o.Tenant)))
	}
	if more := len(p.Open) - maxOpen; more > 0 {
		fmt.Fprintf(w, "%s: still open: %d more, see -o json\n", p.Platform, more)
	}
}

// howFar counts the platforms that are done.
func howFar(platforms []store.RevokedPlatform) string {
	done := 0
	for _, p := range platforms {
		if p.State == store.RevocationDone {
			done++
		}
	}
	return fmt.Sprintf("%d of %d", done, len(platforms))
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.Format(time.DateTime) }

// shortly writes a duration as exactly as people want to know it.
func shortly(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
