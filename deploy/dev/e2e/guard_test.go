package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// guardText is a guard of the memory platform.
func guardText(name, spec string) string {
	return "---\n{apiVersion: v1, kind: Guard, metadata: {name: " + name + "}, spec: {" + spec + "}}\n"
}

// hoursPass ages what was taken.
func (s *stack) hoursPass(d time.Duration) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Pool().Exec(s.t.Context(), "UPDATE removals SET at = at - $1::interval", d); err != nil {
		s.t.Fatal(err)
	}
}

// userCounts are the sizes of the groups of users, sorted.
func userCounts(t *testing.T, file string) []int {
	t.Helper()
	var counts []int
	for name, n := range membersOf(t, file) {
		if strings.HasSuffix(name, "-user") {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	return counts
}

// TestGuardLimitsThePlatform: of two tenants that lose people at once one goes
// on, as a guard's document lets no more go within an hour. The other waits, says
// for what wherever people look, holds up no addition, and goes on by itself.
func TestGuardLimitsThePlatform(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 10)
	s.observed()
	const limits = "platforms: [sandbox.local], group: {most: 9, percent: 90}, hour: {most: 4}"
	s.apply(org.documents() + guardText("careful", limits))
	s.replicate(done)
	if out := s.must(done, "get", "guards"); !strings.Contains(out, "careful") {
		t.Errorf("the guard is not listed:\n%s", out)
	}

	var leavers []string
	for tenant := range 2 {
		for n := range 3 {
			leavers = append(leavers, bindingName(tenant, "user", n))
		}
	}
	newcomer := "---\n{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: late}, roleRef: {name: reader}, " +
		"targetRef: {name: project-01, ownedByWorkspace: acme}, subject: {name: " + person("user", 9) + "}}\n"
	s.apply(without(org.documents(), leavers...)+newcomer+guardText("careful", limits), "--prune", "--yes")
	s.replicate(waiting)
	if got := userCounts(t, file); !slices.Equal(got, []int{7, 10}) {
		t.Errorf("groups of users have %d members, want three taken out of one only", got)
	}
	if got := membersOf(t, file)["project-01-reader"]; got != 11 {
		t.Errorf("the group of readers has %d members: what adds waits for nothing", got)
	}
	s.saysWhatWaits()

	s.hoursPass(time.Hour)
	s.replicate(done)
	if got := userCounts(t, file); !slices.Equal(got, []int{7, 7}) {
		t.Errorf("groups of users have %d members, want three taken out of each now that the hour is over", got)
	}
	s.oneRecordAStep()
}

// saysWhatWaits looks where people do.
func (s *stack) saysWhatWaits() {
	s.t.Helper()
	const limit = `the guard "careful" lets 4 be taken from people on this platform within an hour`
	if out := s.must(done, "approve"); !strings.Contains(out, "waits: ") || !strings.Contains(out, limit) {
		s.t.Errorf("approve does not say what it waits for:\n%s", out)
	}
	if out := s.must(done, "status"); !strings.Contains(out, "Pending approval: 3 removals on 1 tenant.\nNext:  rollcall approve\n") {
		s.t.Errorf("status does not say how much waits:\n%s", out)
	}
	var status struct {
		Held int `json:"removals_pending_approval"`
	}
	if err := json.Unmarshal([]byte(s.must(done, "status", "-o", "json")), &status); err != nil || status.Held != 3 {
		s.t.Errorf("the status has %+v, %v; want 3 held removals", status, err)
	}
	const metric = `rollcall_removals_pending_approval{platform="sandbox.local"} 3`
	if got := s.metrics(s.logs[0].text()); !strings.Contains(got, metric) || !strings.Contains(got, `rollcall_tenants_pending_approval{platform="sandbox.local"} 1`) {
		s.t.Errorf("the metrics lack %s", metric)
	}
}

// TestApprovalIsAboveTheLimit: what is approved goes although the limit is
// reached, and it is a guard's document that may be changed instead.
func TestApprovalIsAboveTheLimit(t *testing.T) {
	t.Parallel()
	const tenant = "acme.project-00/sandbox.local"
	s := newStack(t)
	file, org := memoryWorld(s, 1, 10)
	s.worker()
	s.apply(org.documents() + guardText("strict", "change: {most: 0}"))
	s.replicate(done)
	s.apply(without(org.documents(), bindingName(0, "user", 0), bindingName(0, "admin", 0))+guardText("strict", "change: {most: 0}"), "--prune", "--yes")
	s.replicate(waiting)
	held := s.held()
	if len(held) != 1 || len(held[0].Steps) != 2 {
		t.Fatalf("what waits is %+v, want two removals on one tenant", held)
	}
	s.must(waiting, "approve", tenant, held[0].Digest, "--only", "project-00-user", "--reason", "left", "--as", "ada", "--wait")
	if got := membersOf(t, file); got["project-00-user"] != 9 || got["project-00-admin"] != 10 {
		t.Errorf("one of two removals was approved, and the groups are %v", got)
	}

	code, _, errs := s.rollcall(guardText("other", "hour: {most: 5}"), "apply", "-")
	if code != invalid || !strings.Contains(errs, "only one guard is for all platforms") {
		t.Errorf("a second guard for all platforms: %d, %s", code, errs)
	}
	if out := s.must(done, "export"); !strings.Contains(out, "kind: Guard") {
		t.Errorf("the export has no guard:\n%s", out)
	}
	s.must(done, "delete", "guard", "strict", "--yes")
	s.must(done, "approve", tenant, s.held()[0].Digest, "--reason", "left, too", "--as", "ada", "--wait")
	if got := membersOf(t, file); got["project-00-admin"] != 9 {
		t.Errorf("all is approved, and the groups are %v", got)
	}
}
