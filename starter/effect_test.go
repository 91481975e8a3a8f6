package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// terminal returns a terminal on which the user has typed the answers.
func terminal(t *testing.T, answers string) *os.File {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this machine has no pseudo-terminals")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	of, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = of.Close() })
	if _, err := user.WriteString(answers); err != nil {
		t.Fatal(err)
	}
	return of
}

// TestApplyAsksAfterItsEffect: the effect on platforms is shown before the question, or why it
// is not known, and the answer counts.
func TestApplyAsksAfterItsEffect(t *testing.T) {
	t.Parallel()
	const unknown = "The effect on platforms is not known in full: "
	cases := map[string]struct {
		reason, answer string
		flags          []string
		code           int
		says           []string
		lacks          string
		removed        bool
	}{
		"yes": {
			"the user removes it without a worker", "y\n", nil, exitDone,
			[]string{unknown, "cannot be reached", "Remove 1 document? [y/N] "}, "", true,
		},
		"no": {
			"the user does not want it", "n\n", nil, exitFailed,
			[]string{unknown, "Remove 1 document? [y/N] ", "nothing was stored"}, "", false,
		},
		"--yes": {"the caller does not wait for it", "", []string{"--yes"}, exitDone, nil, unknown, true},
		"-o json": {
			"a program reads the result", "", []string{"-o", "json"}, exitInvalid,
			[]string{"add --yes to remove"}, unknown, false,
		},
		"--dry-run": {"it is what a dry run is for", "", []string{"--dry-run"}, exitDone, []string{unknown}, "[y/N]", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := database(t)
			file := filepath.Join(t.TempDir(), "documents.yaml")
			if err := os.WriteFile(file, []byte(without("b-jane-web")), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			c := &cli{in: terminal(t, tc.answer), out: &out, err: &errs, getenv: func(name string) string {
				if name == store.URLVariable {
					return db
				}
				return ""
			}}
			o := outcome{execute(t.Context(), c, append([]string{"apply", "--prune", file}, tc.flags...)), out.String(), errs.String()}
			o.ends(t, tc.reason, tc.code, tc.says...)
			if tc.lacks != "" && strings.Contains(o.errs, tc.lacks) {
				t.Errorf("%s: the message has %q:\n%s", tc.reason, tc.lacks, o.errs)
			}
			if times := strings.Count(o.out, "- meshProjectUserBinding b-jane-web"); tc.code != exitInvalid && times != 1 {
				t.Errorf("%s: the change is shown %d times, want once:\n%s", tc.reason, times, o.out)
			}
			if got := run(t, db, "", "get", "userbinding", "b-jane-web").code != exitDone; got != tc.removed {
				t.Errorf("%s: the document is removed: %t, want %t", tc.reason, got, tc.removed)
			}
		})
	}
}

// TestChangeShowsItsEffect: the change comes first, then the plans, their sums, and what they
// lack.
func TestChangeShowsItsEffect(t *testing.T) {
	t.Parallel()
	changes := store.Changes{Removed: []document.ID{{Kind: document.KindTenant, Name: "web"}}, Tenants: []access.TenantID{tenant()}, Digest: "d1", Generation: 2}
	planned := plan.Plan{Tenant: tenant(), Steps: []plan.Step{{
		ID: "1", Op: plan.Delete, Kind: access.KindGroup, Object: "web-admin", Why: "no document desires it",
		Have: plan.Object{Group: &access.Group{Name: "web-admin"}},
	}}}
	result := control.ChangeResult{Changes: changes, Effect: &control.Effect{
		Summary:      control.PlanSummary{Totals: activities.Totals{Tenants: 1, Steps: 1, Calls: 2}},
		NewPlatforms: map[string]int{"fresh.local": 3},
		Failure:      &control.Error{Code: control.Unavailable, Message: "1 of 2 tenants were planned within 30s"},
	}}
	var out, errs bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &out, err: &errs, format: formatTable}
	err := c.change(changeFlags{dryRun: true}, nil, func(_ string, report func(control.Event)) (control.ChangeResult, error) {
		report(control.Event{Type: control.EventProposed, Change: &control.ChangeResult{Changes: changes}})
		report(control.Event{Type: control.EventStarted, Total: 1})
		report(control.Event{Type: control.EventPlanned, Plan: &control.TenantPlan{Tenant: tenant(), Outcome: activities.Changed, Plan: planned}})
		report(control.Event{Type: control.EventProgress, Done: 1, Total: 1})
		report(control.Event{Type: control.EventChanged, Change: &result})
		return result, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, text := range []string{"- meshTenant web\n", tenant().String(), "web-admin", "1 tenant: 1 step, ", "Would store: 0 created, 0 changed, 1 removed"} {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Fatalf("the output lacks %q, or has it earlier:\n%s", text, out.String())
		}
		rest = after
	}
	for _, text := range []string{"The platform fresh.local is new", "3 tenants there", "1 of 2 tenants were planned within 30s\n"} {
		if !strings.Contains(errs.String(), text) {
			t.Errorf("the message lacks %q:\n%s", text, errs.String())
		}
	}
}

// TestChangeAsksForAnotherChange: a change that differs from the confirmed one is confirmed
// again, with its effect.
func TestChangeAsksForAnotherChange(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	c := &cli{in: terminal(t, strings.Repeat("y\n", 2)), out: &out, err: &errs, format: formatTable}
	var digests []string
	err := c.change(changeFlags{}, nil, func(digest string, report func(control.Event)) (control.ChangeResult, error) {
		digests = append(digests, digest)
		switch digest {
		case "":
			digest = "d1"
		case "d1":
			digest = "d2"
		default:
			result := control.ChangeResult{Stored: true, Changes: store.Changes{Removed: []document.ID{{Kind: document.KindTenant, Name: "d2"}}, Digest: digest}}
			report(control.Event{Type: control.EventChanged, Change: &result})
			return result, nil
		}
		result := control.ChangeResult{Changes: store.Changes{Removed: []document.ID{{Kind: document.KindTenant, Name: digest}}, Digest: digest}, Effect: &control.Effect{}}
		report(control.Event{Type: control.EventProposed, Change: &result})
		return result, &control.Error{Code: control.Unconfirmed}
	})
	if err != nil || strings.Join(digests, " ") != " d1 d2" {
		t.Errorf("%v after the digests %q, want the change of the second answer", err, digests)
	}
	if strings.Count(errs.String(), "[y/N]") != 2 || strings.Count(out.String(), "- meshTenant d") != 2 {
		t.Errorf("want two changes and two questions:\n%s\n%s", out.String(), errs.String())
	}
}
