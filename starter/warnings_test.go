package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestRemarksAreChosen by code and by person, with those that ended if asked for.
func TestRemarksAreChosen(t *testing.T) {
	t.Parallel()
	s := newScene(t, morePeople)
	notFound := access.Remark{Code: access.UserNotFound, Object: "jane", Text: "create it"}
	foreign := access.Remark{Code: access.ObjectForeign, Object: "jane", Text: "a group that is called as she is"}
	held := access.Remark{Code: access.RemovalHeld, Object: adminGroup, Text: "1 of 2 members"}
	stranger := access.Remark{Code: access.ForeignMemberRemoved, Object: adminGroup, Text: "somebody put jane@example.com into the group"}
	like := access.Remark{Code: access.ForeignMemberRemoved, Object: "web-1-user", Text: "somebody put mary-jane@example.com into the group"}
	disabled := access.Remark{Code: access.UserDisabled, Object: "eve", Text: "enable it"}
	s.ended(activities.Converged, nil, disabled, notFound)
	s.ended(activities.Waiting, []plan.Step{takes("1", adminGroup)}, notFound, foreign, held, stranger, like)

	cases := map[string]struct {
		reason      string
		args        []string
		holds, over []access.Remark
	}{
		"all":                {"without a choice", []string{"--warnings"}, []access.Remark{notFound, foreign, held, stranger, like}, nil},
		"ended":              {"those that ended, too", []string{"--ended"}, []access.Remark{notFound, foreign, held, stranger, like}, []access.Remark{disabled}},
		"code":               {"one code", []string{"--code", "user-not-found"}, []access.Remark{notFound}, nil},
		"codes":              {"several codes", []string{"--code", "user-not-found,removal-pending-approval"}, []access.Remark{notFound, held}, nil},
		"person":             {"what is about her, and not a group of her name", []string{"--user", "jane"}, []access.Remark{notFound, held, stranger}, nil},
		"user by euid":       {"an euid is as good", []string{"--user", "jane@example.com"}, []access.Remark{notFound, held, stranger}, nil},
		"another":            {"eve's has ended", []string{"--user", "eve", "--ended"}, nil, []access.Remark{disabled}},
		"user and code":      {"both count", []string{"--user", "jane", "--code", "removal-pending-approval"}, []access.Remark{held}, nil},
		"on a platform":      {"with a selection", []string{"--platform", "sandbox.local", "--code", "user-not-found"}, []access.Remark{notFound}, nil},
		"on a project":       {"with a selection", []string{"--project", "marketing.web", "--user", "jane"}, []access.Remark{notFound, held, stranger}, nil},
		"in a workspace":     {"with a selection", []string{"--workspace", "marketing", "--code", "object-unmanaged"}, []access.Remark{foreign}, nil},
		"of nobody":          {"nobody of that name", []string{"--user", "nobody"}, nil, nil},
		"account of no user": {"an account is as good", []string{"--user", "mary-jane@example.com"}, []access.Remark{like}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := fromJSON[control.StatusReport](t, must(t, s.url, "", append([]string{"status", "-o", "json"}, tc.args...)...))
			var holds, over []access.Remark
			for _, it := range got.Items {
				for _, r := range it.Warnings {
					holds = append(holds, r.Remark)
					if r.Since.IsZero() || !r.Ended.IsZero() {
						t.Errorf("%s: %s holds since %v until %v", tc.reason, r.Code, r.Since, r.Ended)
					}
				}
				for _, r := range it.Ended {
					over = append(over, r.Remark)
					if r.Since.IsZero() || r.Ended.Before(r.Since) {
						t.Errorf("%s: %s held from %v until %v", tc.reason, r.Code, r.Since, r.Ended)
					}
				}
			}
			if diff := cmp.Diff(tc.holds, holds); diff != "" {
				t.Errorf("%s: warnings (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.over, over); diff != "" {
				t.Errorf("%s: those that ended (-want +got):\n%s", tc.reason, diff)
			}
			if got.Remarks != len(tc.holds) || len(got.Items) > 1 || len(tc.holds)+len(tc.over) == 0 && len(got.Items) > 0 {
				t.Errorf("%s: %d warnings on %d tenants, want %d", tc.reason, got.Remarks, len(got.Items), len(tc.holds))
			}
		})
	}
	out := must(t, s.url, "", "status", "--user", "eve", "--ended")
	if !strings.Contains(out, "Warnings that hold no more:\n  user-disabled on marketing.web/sandbox.local from ") {
		t.Errorf("people are not told what ended:\n%s", out)
	}
	if out := must(t, s.url, "", "status", "--warnings"); !strings.Contains(out, "  user-not-found on marketing.web/sandbox.local since 20") {
		t.Errorf("people are not told since when:\n%s", out)
	}
	run(t, s.url, "", "status", "--code", "user-not-fund").ends(t, "a code is checked", exitInvalid, `"user-not-fund"`, "user-not-found")
}
