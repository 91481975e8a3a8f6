package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

func TestRevokeAsksForWhatIsKept(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason string
		args   []string
		want   string
	}{
		{"a reason is about somebody", []string{"revoke", "--reason", "left"}, "name the user"},
		{"so is a lift", []string{"revoke", "--lift"}, "name the user"},
		{"the reason of a lift is kept", []string{"revoke", "--lift", "jdoe"}, "--reason"},
		{"blanks are no reason", []string{"revoke", "jdoe", "--reason", " "}, "--reason"},
		{"a second line could look like another record", []string{"revoke", "jdoe", "--reason", "left\nlifted"}, "U+000A"},
		{"a reason is a line, not a file", []string{"revoke", "jdoe", "--reason", strings.Repeat("x", 1001)}, "at most 1,000 characters"},
		{"a name is shown in lists", []string{"revoke", "jdoe", "--reason", "left", "--as", "hr\x1b[2J"}, "--as"},
		{"one at a time", []string{"revoke", "jdoe", "jane", "--reason", "left"}, "one user"},
	}
	for _, tc := range cases {
		var out, errs bytes.Buffer
		c := &cli{in: strings.NewReader(""), out: &out, err: &errs, getenv: func(string) string { return "" }}
		root := rootCommand(c)
		root.SetArgs(tc.args)
		err := root.ExecuteContext(t.Context())
		if exitCode(err) != exitInvalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("rollcall %s: %v, want %q and exit code %d: %s", strings.Join(tc.args, " "), err, tc.want, exitInvalid, tc.reason)
		}
	}
}

func TestRevocationIsShown(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	end := driver.AccessEnd{UpTo: 12 * time.Hour, Because: "sessions live on", Source: "s", Hint: "end the sessions"}.Report()
	once := driver.AccessEnd{Source: "s"}.Report()
	r := control.Revocation{
		User: "jdoe", Reason: "left", By: "os:ada@host", Claim: "hr\x1b[2J", At: at.UTC(),
		Repeats: []control.Repeat{
			{By: "os:eve@host", Reason: "once more", At: at.Add(time.Minute).UTC()},
			{By: "os:ada@host", Reason: "asked\x1b again", At: at.Add(2 * time.Minute).UTC()},
		},
		Lifted: &control.Lifted{By: "os:boss@test", Reason: "back", At: at.Add(time.Hour).UTC()},
		Platforms: []control.RevokedPlatform{
			{Platform: "azure.eu", State: store.RevocationAccepted, AcceptedMS: 1234, Effective: end, Tenants: 3, Sets: 4, Calls: 9},
			{Platform: "cf.eu", State: store.RevocationWaiting, Problem: "connection refused"},
			{Platform: "gone.eu", State: store.RevocationDone, AcceptedMS: 45, Effective: driver.AccessEnd{}.Report()},
			{Platform: "stack.eu", State: store.RevocationDone, AcceptedMS: 45, Effective: once, Warnings: []access.Remark{
				{Code: access.UserRevoked, Object: "theirs", Text: "take it out there"},
			}},
		},
	}
	var out bytes.Buffer
	writeRevocation(&out, r)
	want := "" +
		"jdoe: revoked 2026-03-04 05:06:07 by os:ada@host, says to be hr\uFFFD[2J: left\n" +
		"repeated 2026-03-04 05:07:07 by os:eve@host: once more\n" +
		"repeated 2026-03-04 05:08:07 by os:ada@host: asked\uFFFD again\n" +
		"lifted 2026-03-04 06:06:07 by os:boss@test: back\n" +
		"PLATFORM  STATE     ACCEPTED AFTER  EFFECTIVE AFTER  TENANTS  SETS  CALLS  PROBLEM\n" +
		"azure.eu  accepted  1.2s            up to 12h        3        4     9      \n" +
		"cf.eu     waiting   -               -                0        0     0      connection refused\n" +
		"gone.eu   done      45ms            unknown          0        0     0      \n" +
		"stack.eu  done      45ms            at once          0        0     0      \n" +
		"azure.eu: time until access ends: up to 12h: sessions live on. To end it earlier, end the sessions\n" +
		"stack.eu: user-revoked theirs: take it out there\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("what is shown (-want +got):\n%s", diff)
	}
	if got := howFar(r.Platforms); got != "2 of 4" {
		t.Errorf("how far it is: %q, want 2 of 4", got)
	}
}

// TestRevokeListsWhatIsStillOpen: a group that nothing reaches any more is named, and is
// never called done.
func TestRevokeListsWhatIsStillOpen(t *testing.T) {
	t.Parallel()
	place := func(n int) control.OpenPlace {
		return control.OpenPlace{Tenant: fmt.Sprintf("w.p%02d/gone.eu", n), Object: "admins"}
	}
	r := control.Revocation{User: "jdoe", Platforms: []control.RevokedPlatform{
		{Platform: "aws.eu", State: store.RevocationAccepted, AcceptedMS: 1000}, {Platform: "cf.eu", State: store.RevocationWaiting},
		{Platform: "gone.eu", State: store.RevocationFailed, Problem: "an operator had it forgotten", Open: []control.OpenPlace{place(1)}},
		{Platform: "stack.eu", State: store.RevocationDone},
	}}
	if got, want := unfinishedText(r), "Still waiting for cf.eu. Still verifying aws.eu."; got != want {
		t.Errorf("what is open: %q, want %q", got, want)
	}
	if got := unfinishedText(control.Revocation{Platforms: r.Platforms[3:]}); got != "" {
		t.Errorf("what is open where all is done: %q", got)
	}
	var out bytes.Buffer
	writeRevocation(&out, r)
	if !strings.Contains(out.String(), "gone.eu: still open: admins of w.p01/gone.eu\n") {
		t.Errorf("the open group is not listed:\n%s", out.String())
	}
	for n := 2; n < 14; n++ {
		r.Platforms[2].Open = append(r.Platforms[2].Open, place(n))
	}
	out.Reset()
	writeRevocation(&out, r)
	if strings.Count(out.String(), "still open: admins") != maxOpen || !strings.Contains(out.String(), "still open: 3 more") {
		t.Errorf("13 open groups are listed as:\n%s", out.String())
	}
}

// TestRevokePromisesWhatTheVendorsDo: the time is that of the platform's type, and not the
// time until a read shows a write.
func TestRevokePromisesWhatTheVendorsDo(t *testing.T) {
	t.Parallel()
	for platform, want := range map[string]string{
		"aws": "up to 12h", "gcp": "minutes, potentially hours", "azure": "10m, and as long as tokens live", "aks": "up to 1h30m",
		"openstack": "up to 5m", "kubernetes": "at once", "cloudfoundry": "at once", "openshift": "unknown", "marketplace": "unknown",
		"memory": "at once",
	} {
		i := slices.IndexFunc(types.All(), func(of driver.Type) bool { return of.Name() == platform })
		if got := types.All()[i].Profile.AccessEnd.String(); got != want {
			t.Errorf("%s: %q, want %q", platform, got, want)
		}
	}
	s := newScene(t, "")
	r, err := s.store.Revoke(t.Context(), "jane", "left", storetest.By("hr"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Platforms {
		p.State, p.Sets, p.Settle = store.RevocationDone, 1, time.Minute
		if err := s.store.RevokedOn(t.Context(), r.ID, p); err != nil {
			t.Fatal(err)
		}
	}
	out := must(t, s.url, "", "revoke", "jane")
	if !strings.Contains(out, "at once") || strings.Contains(out, "1m0s") {
		t.Errorf("rollcall revoke jane promises the propagation delay:\n%s", out)
	}
}

// TestRevokeIsAboutPeopleThereAre: nothing is stored for somebody whom nothing knows,
// and who is known by another name is told.
func TestRevokeIsAboutPeopleThereAre(t *testing.T) {
	t.Parallel()
	url := database(t)
	for who, want := range map[string]string{
		"nobody": "rollcall get users", "jane@example.com": "of jane: name that", "jane": "say why it should be with --reason",
	} {
		run(t, url, "", "revoke", who).ends(t, "shown: "+who, exitInvalid, want)
	}
}

// TestRevokeCompletes: whoever is in a hurry finds the name, and for a revocation to be
// lifted only those that stand.
func TestRevokeCompletes(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	if out := must(t, s.url, "", "__complete", "revoke", ""); !strings.Contains(out, "jane\n") {
		t.Errorf("rollcall revoke <tab> does not offer jane:\n%s", out)
	}
	if out := must(t, s.url, "", "__complete", "revoke", "--lift", ""); strings.Contains(out, "jane") {
		t.Errorf("rollcall revoke --lift <tab> offers somebody who is not revoked:\n%s", out)
	}
	if _, err := s.store.Revoke(t.Context(), "jane", "left", storetest.By("hr"), nil); err != nil {
		t.Fatal(err)
	}
	if out := must(t, s.url, "", "__complete", "revoke", "--lift", ""); !strings.Contains(out, "jane\n") {
		t.Errorf("rollcall revoke --lift <tab> does not offer jane, who is revoked:\n%s", out)
	}
}

func TestAcceptedTextCounts(t *testing.T) {
	t.Parallel()
	for sets, want := range map[int]string{
		0: "cf.eu: no group or role had the user when it was read, after 45ms", 1: "cf.eu: out of 1 group or role after 45ms",
		7: "cf.eu: out of 7 groups and roles after 45ms",
	} {
		if got := acceptedText(control.RevokedPlatform{Platform: "cf.eu", AcceptedMS: 45, Sets: sets}); got != want {
			t.Errorf("%d sets: %q, want %q", sets, got, want)
		}
	}
}

func TestStatusWithoutSuchRemarks(t *testing.T) {
	t.Parallel()
	url := database(t)
	for _, tc := range []struct{ args, want string }{
		{"status --user jane", "No tenant has such a warning now: --ended lists those of the last 90 days too.\n"},
		{"status --code user-not-found --ended", "No tenant has such a warning, or had one in the last 90 days.\n"},
	} {
		if out := must(t, url, "", strings.Fields(tc.args)...); out != tc.want {
			t.Errorf("rollcall %s: %q, want %q", tc.args, out, tc.want)
		}
	}
}

func TestRepeatsText(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	first := control.Repeat{By: "os:ada@host", Reason: "left", At: at}
	last := control.Repeat{By: "os:eve@host", Claim: "hr", Reason: "once more", At: at.Add(time.Minute)}
	for _, tc := range []struct {
		reason  string
		repeats []control.Repeat
		want    string
	}{
		{"a list has no empty column", nil, "-"},
		{"one repetition is shown", []control.Repeat{first}, "2026-03-04 05:06:07 by os:ada@host: left"},
		{
			"of several the last is shown", []control.Repeat{first, last},
			"2 times, last 2026-03-04 05:07:07 by os:eve@host, says to be hr: once more",
		},
	} {
		if got := repeatsText(tc.repeats); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
	}
}
