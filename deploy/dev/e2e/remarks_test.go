package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// datedRemark is a remark as rollcall status shows it.
type datedRemark struct {
	Code, Object, Text string
	Since, Ended       time.Time
}

// remarks returns what rollcall status shows of the remarks that are chosen.
func (s *stack) remarks(choice ...string) (holds, ended []datedRemark) {
	s.t.Helper()
	var got struct {
		Items []struct {
			Warnings []datedRemark
			Ended    []datedRemark `json:"ended_warnings"`
		}
	}
	out := s.must(done, append([]string{"status", "--ended", "-o", "json"}, choice...)...)
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		s.t.Fatal(err)
	}
	for _, it := range got.Items {
		holds, ended = append(holds, it.Warnings...), append(ended, it.Ended...)
	}
	return holds, ended
}

// TestRemarksLive: a remark appears, holds since then over runs of the tenant and
// sweeps of its platform, is found by its code and its person on the tenants that
// are chosen, and is remembered when it has ended.
func TestRemarksLive(t *testing.T) {
	t.Parallel()
	who := person("admin", 1)
	s := newStack(t)
	file, org := memoryWorld(s, 2, 2)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	if holds, ended := s.remarks(); len(holds)+len(ended) != 0 {
		t.Fatalf("at first there are remarks: %+v, %+v", holds, ended)
	}

	edit := func(change func(*memory.World)) {
		t.Helper()
		if err := memory.Edit(file, func(w *memory.World) error { change(w); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(w *memory.World) {
		at := slices.IndexFunc(w.Users, func(u memory.User) bool { return u.ID == "u-"+who })
		w.Users[at].Name = "renamed@example.com"
	})
	s.apply(strings.ReplaceAll(org.documents(), who+"@example.com", who+"@example.org")) // which nobody remembers
	s.replicate(done)
	first, _ := s.remarks("--user", who, "--code", "user-not-found")
	if len(first) != 2 || first[0].Object != who || first[0].Since.IsZero() {
		t.Fatalf("remarks about %s: %+v, want one on each of two tenants", who, first)
	}
	s.must(done, "replicate", "acme.project-00/sandbox.local", "--wait")
	s.replicate(done)
	for i, again := range first {
		now, ended := s.remarks("--code", "user-not-found")
		if len(now) != 2 || !now[i].Since.Equal(again.Since) || len(ended) != 0 {
			t.Errorf("after more runs: %+v, ended %+v; want both to hold since %v", now, ended, again.Since)
		}
	}
	if one, _ := s.remarks("acme.project-01/sandbox.local", "--user", who+"@example.org"); len(one) != 1 {
		t.Errorf("on one tenant: %+v, want one", one)
	}
	for _, choice := range [][]string{{"--user", person("user", 0)}, {"--code", "user-disabled"}, {"--user", who, "--code", "drifting"}} {
		if none, _ := s.remarks(choice...); len(none) != 0 {
			t.Errorf("%v: %+v, want none", choice, none)
		}
	}

	s.apply(org.documents())
	edit(func(w *memory.World) {
		at := slices.IndexFunc(w.Users, func(u memory.User) bool { return u.ID == "u-"+who })
		w.Users[at].Name = who + "@example.com"
	})
	s.replicate(done)
	holds, ended := s.remarks("--user", who)
	if len(holds) != 0 || len(ended) != 2 || !ended[0].Ended.After(ended[0].Since) {
		t.Errorf("mended: %+v, ended %+v; want two that ended", holds, ended)
	}
	if out := s.must(done, "status", "--user", who, "--ended"); !strings.Contains(out, "Warnings that hold no more:") {
		t.Errorf("people are not told that it ended:\n%s", out)
	}
}

// TestRemovedByOthersHandIsRemarked: a stranger in our group goes, the run says
// so, and so does the history.
func TestRemovedByOthersHandIsRemarked(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 3)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	err := memory.Edit(file, func(w *memory.World) error {
		for i, g := range w.Groups {
			if g.Name == "project-00-admin" {
				w.Groups[i].Members = append(w.Groups[i].Members, "u-"+person("user", 0))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := s.replicate(done)
	if r.Changed != 1 || len(r.Items[0].Warnings) != 1 || r.Items[0].Warnings[0].Code != "unmanaged-member-removed" {
		t.Fatalf("%+v, want a change with a remark about who was taken out", r)
	}
	holds, _ := s.remarks("--user", person("user", 0))
	if len(holds) != 1 || holds[0].Object != "project-00-admin" {
		t.Errorf("remarks about the stranger: %+v, want one on the group", holds)
	}
	s.replicate(done)
	if holds, ended := s.remarks("--code", "unmanaged-member-removed"); len(holds) != 0 || len(ended) != 1 {
		t.Errorf("after the next run: %+v, ended %+v; want it to have ended", holds, ended)
	}
}
