package activities_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simazure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
	simgoogle "github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// The incidents in this file need a cloud with a will of its own; the table is in
// incident_test.go.

// azureQuick is an Azure whose reads do not lag.
func azureQuick() simazure.Options { return simazure.Options{Stale: -1} }

// TestIncidentEmptySourceDeletedEverything: ssosync once saw an empty directory,
// deleted every user and group and made them anew, and all permission-set
// assignments were lost (#194). Here the directory answers every look-up with
// nobody. It fails where people who are all gone at once are taken out without an
// approval, or a group goes with them.
func TestIncidentEmptySourceDeletedEverything(t *testing.T) {
	s := newAWSStage(t, "web")
	s.ask(map[string][]string{"web": people})
	s.run("web")
	id := s.onlyGroup(group("web"))
	before := s.cloud.Control().Calls()

	s.proxy.Add(faultproxy.Rule{Match: asks("ListUsers"), Fault: faultproxy.Fault{Status: http.StatusOK, Body: `{"Users":[]}`}})
	s.proxy.Add(faultproxy.Rule{Match: asks("GetUserId"), Fault: faultproxy.Fault{
		Status: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"ResourceNotFoundException"}},
		Body: `{"__type":"ResourceNotFoundException","Message":"USER not found.","ResourceType":"USER"}`,
	}})
	p := s.must("web", activities.PlanInput{Fresh: true})
	if p.Outcome != activities.Waiting || p.Steps != 0 || p.Held == 0 {
		t.Errorf("with an empty directory: %+v, want every removal held and nothing to do", p)
	}
	if _, codes := s.status("web"); !slices.Contains(codes, access.UserNotFound) || !slices.Contains(codes, access.RemovalHeld) {
		t.Errorf("remarks %v, want %s and %s", codes, access.UserNotFound, access.RemovalHeld)
	}
	if got := s.cloud.MembersOf(id); len(got) != len(people) {
		t.Errorf("the group has %d members, want all %d", len(got), len(people))
	}
	s.proxy.Clear()
	if p := s.must("web", activities.PlanInput{Fresh: true}); p.Outcome != activities.Converged {
		t.Errorf("when the directory is back: %+v, want converged", p)
	}
	after := s.cloud.Control().Calls()
	for operation, n := range after {
		if n > before[operation] && !readsOnly(operation) {
			t.Errorf("%s was called %d times, want never", operation, n-before[operation])
		}
	}
}

// asks matches the calls of an operation of Identity Store.
func asks(operation string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) }
}

// readsOnly reports whether an operation of AWS only reads.
func readsOnly(operation string) bool {
	_, name, _ := strings.Cut(operation, ".")
	return slices.ContainsFunc([]string{"Get", "List", "Describe", "Is"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// onlyGroup returns the id of the one group of that name.
func (s *awsStage) onlyGroup(name string) string {
	s.t.Helper()
	owned, err := s.ledger.Owned(s.t.Context(), s.tenant(strings.TrimSuffix(name, "-user")))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range owned {
		if o.Key.Kind == access.KindGroup && o.Key.Group == name {
			return o.Ref
		}
	}
	s.t.Fatalf("there is no group %s", name)
	return ""
}

// cloudStage is what the incidents of reading need of a cloud.
type cloudStage struct {
	*stage
	control *simulate.Control
	signIn  func(operation string) bool
}

// readStages are all clouds with groups, each with one converged tenant.
func readStages(t *testing.T) map[string]func(*testing.T) cloudStage {
	t.Helper()
	return map[string]func(*testing.T) cloudStage{
		"aws": func(t *testing.T) cloudStage {
			s := newAWSStage(t, "web")
			return cloudStage{s.stage, s.cloud.Control(), func(o string) bool { return strings.HasPrefix(o, "sts.") }}
		},
		"azure": func(t *testing.T) cloudStage {
			s := newAzureStage(t, azureQuick(), "web")
			return cloudStage{s.stage, s.cloud.Control(), func(o string) bool {
				return strings.HasSuffix(o, "/token") || strings.HasSuffix(o, "/openid-configuration")
			}}
		},
		"google": func(t *testing.T) cloudStage {
			s := newGoogleStage(t, simgoogle.Options{}, "web")
			return cloudStage{s.stage, s.cloud.Control(), func(o string) bool { return strings.HasSuffix(o, "token") }}
		},
	}
}

// everyReadFails has each call of a fresh look fail in turn, and checks that no
// plan comes of it.
func (s cloudStage) everyReadFails(t *testing.T, f simulate.Fault, types ...string) {
	t.Helper()
	s.ask(map[string][]string{"web": people})
	s.run("web")
	s.restart()
	before := s.control.Calls()
	s.must("web", activities.PlanInput{Fresh: true})
	var operations []string
	for operation, n := range s.control.Calls() {
		if n > before[operation] && !s.signIn(operation) {
			operations = append(operations, operation)
		}
	}
	if len(operations) < 2 {
		t.Fatalf("a fresh look makes the calls %v, want several", operations)
	}
	for _, operation := range operations {
		s.restart()
		s.control.Fail(simulate.Rule{Operation: strings.NewReplacer("[", `\[`, "*", `\*`).Replace(operation), Fault: f})
		p, err := s.look("web", activities.PlanInput{Fresh: true})
		s.control.Mend()
		if err == nil {
			t.Errorf("with %s failing there is a plan: %+v", operation, p)
			continue
		}
		s.retryable(err, types...)
	}
	if p := s.must("web", activities.PlanInput{Fresh: true}); p.Outcome != activities.Converged {
		t.Errorf("afterwards: %+v, want converged", p)
	}
}

// TestIncidentServerErrorTakenForAbsence: a 503 of the source made ssosync believe
// that groups and users were gone, and delete them (#234, #278). It fails where a
// driver, or the plan, goes on without an answer.
func TestIncidentServerErrorTakenForAbsence(t *testing.T) {
	for name, build := range readStages(t) {
		t.Run(name, func(t *testing.T) {
			build(t).everyReadFails(t, simulate.Fault{Status: http.StatusServiceUnavailable}, activities.TypeUnavailable, activities.TypeThrottled)
		})
	}
}

// TestIncidentThrottledReadTakenForAbsence: Terraform took a throttled look at an
// account assignment for one that is not there (#25942), or gave up (#35646), as
// ssosync did on a 429 (#2, #13). It fails where a throttle is anything but a
// reason to come back.
func TestIncidentThrottledReadTakenForAbsence(t *testing.T) {
	throttles := map[string]simulate.Fault{
		"aws":    refusal(http.StatusBadRequest, "ThrottlingException"),
		"azure":  {Status: http.StatusTooManyRequests, RetryAfter: 3 * time.Second},
		"google": {Status: http.StatusTooManyRequests, RetryAfter: 3 * time.Second},
	}
	for name, build := range readStages(t) {
		t.Run(name, func(t *testing.T) {
			build(t).everyReadFails(t, throttles[name], activities.TypeThrottled)
		})
	}
}

// TestIncidentOnlyHundredRead: the group-sync-operator read the first hundred
// groups and pruned the rest (#184); Identity Store's PATCH takes a hundred
// members (idp-scim-sync #62). It fails where a list ends with its first page, or a
// write with its first chunk.
func TestIncidentOnlyHundredRead(t *testing.T) {
	t.Run("groups", func(t *testing.T) {
		const tenants = 120
		projects := map[string][]string{}
		var names []string
		for i := range tenants {
			names = append(names, fmt.Sprintf("p%03d", i))
			projects[names[i]] = people[:1]
		}
		s := memoryStage(t, 100, names...)
		s.ask(projects)
		for _, drifted := range s.survey().Drifted {
			project := drifted.Tenant.Project
			if _, err := s.carryOut(project, s.must(project, activities.PlanInput{Prepared: drifted.Plan})); err != nil {
				t.Fatal(err)
			}
		}
		if found := s.survey(); found.Totals.Converged != tenants {
			t.Errorf("the survey says %+v, want all %d tenants converged", found.Totals, tenants)
		}
		if got := len(s.world().Groups); got != tenants {
			t.Errorf("the platform has %d groups, want %d", got, tenants)
		}
	})
	t.Run("members", func(t *testing.T) {
		const members = 130
		s := newAWSStage(t, "web")
		var crowd []string
		for i := range members {
			crowd = append(crowd, fmt.Sprintf("crowd-%03d", i))
			s.cloud.User(crowd[i])
		}
		s.ask(map[string][]string{"web": crowd})
		s.run("web")
		if got := len(s.cloud.MembersOf(s.onlyGroup(group("web")))); got != members {
			t.Errorf("the group has %d members, want %d", got, members)
		}
		if p := s.must("web", activities.PlanInput{Fresh: true}); p.Steps+p.Held > 0 {
			t.Errorf("the second look finds %d steps and %d held, want none", p.Steps, p.Held)
		}
	})
}

// TestIncidentCrashBeforeStateMadeTwins: idp-scim-sync died between making objects
// and writing its state, and could not find back to them (#48). Entra takes any
// number of groups of one name. It fails where a group that was made, and never
// recorded, is made once more.
func TestIncidentCrashBeforeStateMadeTwins(t *testing.T) {
	s := newAzureStage(t, azureQuick(), "web")
	s.ask(map[string][]string{"web": people[:3]})
	p := s.must("web", activities.PlanInput{})
	s.cloud.Control().Fail(simulate.Rule{Operation: "PATCH /groups(uniqueName)", Times: 1, Fault: simulate.Fault{Lose: true}})
	s.cloud.Control().Fail(simulate.Rule{Operation: "POST /groups", Times: 1, Fault: simulate.Fault{Lose: true}})
	_, err := s.carryOut("web", p)
	s.retryable(err, activities.TypeUnavailable)
	s.cloud.Control().Mend()
	if got := len(s.named(group("web"))); got != 1 {
		t.Fatalf("there are %d groups, want the one whose making was not answered", got)
	}
	s.restart()
	s.run("web")
	got := s.named(group("web"))
	if len(got) != 1 || len(got[0].Members) != 3 {
		t.Errorf("there are %d groups of the name: %+v; want one with 3 members", len(got), got)
	}
	if outcome, codes := s.status("web"); outcome != activities.Changed || len(codes) > 0 {
		t.Errorf("the status is %s with %v, want %s without remarks", outcome, codes, activities.Changed)
	}
}

// TestIncidentThrottledCreateWasLeftPending: a throttled creation left an object of
// Crossplane's marked as pending, and it was never tried again (#748). It fails
// where an intent in the ledger keeps a step from being done.
func TestIncidentThrottledCreateWasLeftPending(t *testing.T) {
	for _, operation := range []string{"identitystore.CreateGroup", "identitystore.CreateGroupMembership", "sso.CreateAccountAssignment"} {
		t.Run(operation, func(t *testing.T) {
			s := newAWSStage(t, "web")
			s.ask(map[string][]string{"web": people[:2]})
			p := s.must("web", activities.PlanInput{})
			struck := 0
			s.proxy.Add(faultproxy.Rule{
				Match: func(r *http.Request) bool {
					hit := asks(strings.SplitN(operation, ".", 2)[1])(r)
					if hit {
						struck++
					}
					return hit
				}, Times: 2,
				Fault: faultproxy.Fault{
					Status: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"ThrottlingException"}},
					Body: `{"__type":"ThrottlingException","Message":"Rate exceeded"}`,
				},
			})
			_, err := s.carryOut("web", p)
			s.retryable(err, activities.TypeThrottled)
			if struck == 0 {
				t.Fatal("the throttle struck nothing")
			}
			s.restart() // whoever comes next knows of it from the database alone
			s.run("web")
			if got := len(s.cloud.MembersOf(s.onlyGroup(group("web")))); got != 2 {
				t.Errorf("the group has %d members, want 2", got)
			}
			if p := s.must("web", activities.PlanInput{Fresh: true}); p.Outcome != activities.Converged {
				t.Errorf("afterwards: %+v, want converged", p)
			}
		})
	}
}

// TestIncidentAddedButNotPresent: Terraform said "8 added" where 5 were there
// (#40388). It fails where a run ends because its writes were accepted.
func TestIncidentAddedButNotPresent(t *testing.T) {
	t.Run("accepted, then failed", func(t *testing.T) {
		s := newAWSStage(t, "web")
		s.roles = nil
		for i := range 8 {
			s.roles = append(s.roles, fmt.Sprintf("Set%d", i))
			s.cloud.PermissionSet(s.roles[i])
		}
		s.ask(map[string][]string{"web": people[:1]})
		p := s.must("web", activities.PlanInput{})
		s.cloud.FailAssignment(s.ids["web"], "Received a 503 status error: Service Unavailable")
		out, err := s.carryOut("web", p)
		if err == nil {
			t.Errorf("one of eight assignments ended FAILED: %+v, want an error", out)
		}
		s.run("web")
		if p := s.must("web", activities.PlanInput{Fresh: true}); p.Outcome != activities.Converged {
			t.Errorf("in the end: %+v, want converged", p)
		}
	})
	t.Run("accepted, then gone", func(t *testing.T) {
		s := newAzureStage(t, azureQuick(), "web")
		s.roles = nil
		for i := range 8 {
			s.roles = append(s.roles, fmt.Sprintf("Custom Role %d", i))
			s.cloud.AddRole(s.sub, s.roles[i], "*/read")
		}
		s.ask(map[string][]string{"web": people[:1]})
		if out, err := s.carryOut("web", s.must("web", activities.PlanInput{})); err != nil || out.Refused > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		given := s.cloud.Assignments(s.ids["web"])
		if len(given) != 8 {
			t.Fatalf("%d roles were given, want 8", len(given))
		}
		for _, a := range given[:3] {
			s.cloud.RemoveAssignment(a.Name)
		}
		p := s.must("web", activities.PlanInput{Done: activities.Tally{Steps: 10}})
		if p.Outcome != activities.Open || p.Steps != 3 {
			t.Errorf("with 5 of 8 there: %+v, want 3 steps and no word of success", p)
		}
		s.run("web")
		if got := len(s.cloud.Assignments(s.ids["web"])); got != 8 {
			t.Errorf("in the end %d roles are there, want 8", got)
		}
	})
}

// TestIncidentOneDeniedTenantFailedAll: the daily run again, on a platform that
// refuses to say anything about one tenant of many. It fails where what is true of
// one becomes the status of all.
func TestIncidentOneDeniedTenantFailedAll(t *testing.T) {
	s := newGoogleStage(t, simgoogle.Options{}, "p0", "p1", "p2")
	s.ask(map[string][]string{"p0": people[:2], "p1": people[:2], "p2": people[:2]})
	s.run("p0", "p1", "p2")
	s.proxy.Add(faultproxy.Rule{
		Match: func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/projects/acme-p1:getIamPolicy") },
		Fault: faultproxy.Fault{Status: http.StatusForbidden, Body: `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`},
	})
	found := s.survey()
	if found.Totals.Converged != 2 || found.Totals.Failed != 1 {
		t.Errorf("the survey says %+v, want two converged and one failed", found.Totals)
	}
	for project, want := range map[string]activities.Outcome{"p0": activities.Converged, "p1": activities.Failed, "p2": activities.Converged} {
		if got, codes := s.status(project); got != want || want == activities.Failed && !slices.Contains(codes, access.PlatformDenied) {
			t.Errorf("%s is %s with the remarks %v, want %s", project, got, codes, want)
		}
	}
}

// TestIncidentEntraShowsWritesLate: Entra shows what was written only later, which
// meshStack met in 2019. It fails where a run takes that for a difference: writes
// again, makes a second group, or ends contested.
func TestIncidentEntraShowsWritesLate(t *testing.T) {
	for name, late := range map[string]bool{"reads": false, "reads and writes": true} {
		t.Run(name, func(t *testing.T) {
			s := newAzureStage(t, simazure.Options{Stale: 700 * time.Millisecond, LateWrites: late}, "web")
			time.Sleep(800 * time.Millisecond) // people and places have been there for long
			s.ask(map[string][]string{"web": people[:3]})
			s.run("web")
			got := s.named(group("web"))
			if len(got) != 1 || len(got[0].Members) != 3 || len(s.cloud.Assignments(s.ids["web"])) != 1 {
				t.Errorf("the groups are %+v, want one with 3 members and one role", got)
			}
			if outcome, codes := s.status("web"); outcome != activities.Changed || len(codes) > 0 {
				t.Errorf("the run ended %s with the remarks %v, want %s", outcome, codes, activities.Changed)
			}
		})
	}
}

// TestIncidentNewGroupUnknownToIAM: IAM answered 400 for groups that Cloud Identity
// had just made (2021-12-08). It fails where that is taken for a request that can
// never work, or for a group that is gone.
func TestIncidentNewGroupUnknownToIAM(t *testing.T) {
	s := newGoogleStage(t, simgoogle.Options{IAMLag: 1500 * time.Millisecond}, "web")
	s.ask(map[string][]string{"web": people[:3]})
	s.run("web")
	if s.answered(http.StatusBadRequest) == 0 {
		t.Error("IAM knew the group at once: the incident was not played")
	}
	if got := s.inGroup(); len(got) != 3 {
		t.Errorf("the group has the members %v, want 3", got)
	}
	if outcome, codes := s.status("web"); outcome != activities.Changed || len(codes) > 0 {
		t.Errorf("the run ended %s with the remarks %v, want %s", outcome, codes, activities.Changed)
	}
	if n := s.cloud.Control().Calls()["cloudidentity.groups.create"]; n != 1 {
		t.Errorf("the group was made %d times, want once", n)
	}
}

// TestIncidentEmptyEUIDBrokeThePlatform: one person with an empty euid stopped all
// of Azure (2022-04-06). It fails where such a person is looked up, or stops
// anybody else.
func TestIncidentEmptyEUIDBrokeThePlatform(t *testing.T) {
	for name, euid := range map[string]string{"none": "", "blanks": "   "} {
		t.Run(name, func(t *testing.T) {
			s := newAzureStage(t, azureQuick(), "web", "shop")
			s.euids["adaline"] = euid
			s.ask(map[string][]string{"web": people[:3], "shop": people[3:]})
			s.run("web", "shop")
			want := slices.Sorted(slices.Values([]string{s.users["benedict"], s.users["sydney"]}))
			if got := s.named(group("web")); len(got) != 1 || !slices.Equal(slices.Sorted(slices.Values(got[0].Members)), want) {
				t.Errorf("the group is %+v, want the two people who have an euid", got)
			}
			if _, codes := s.status("web"); !slices.Equal(codes, []access.Code{access.UserWithoutEUID}) {
				t.Errorf("remarks %v, want %s alone", codes, access.UserWithoutEUID)
			}
			if outcome, codes := s.status("shop"); outcome != activities.Changed || len(codes) > 0 {
				t.Errorf("the other tenant is %s with %v, want %s", outcome, codes, activities.Changed)
			}
		})
	}
}

// TestIncidentSpecialCharactersInUserNames: names with characters of their own were
// not replicated (2024-08-01). In Graph's filters an apostrophe ends a text, in
// addresses + and % mean something else. It fails where a name is not found, or
// found as somebody else.
func TestIncidentSpecialCharactersInUserNames(t *testing.T) {
	odd := map[string]string{
		"adaline":  "o'brien",
		"benedict": "zoë.müller",
		"sydney":   "a+b",
		"timothy":  "c&d=e",
		"ottilie":  "50%41",
		"yvonne":   "tag#one",
	}
	who := slices.Sorted(maps.Keys(odd))
	t.Run("aws", func(t *testing.T) {
		s := newAWSStage(t, "web")
		s.oddNames(odd, func(name string) { s.cloud.User(name) })
		if got := s.cloud.MembersOf(s.onlyGroup(group("web"))); len(got) != len(who) {
			t.Errorf("the group has %d members, want %d", len(got), len(who))
		}
	})
	t.Run("azure", func(t *testing.T) {
		s := newAzureStage(t, azureQuick(), "web")
		s.oddNames(odd, func(name string) { s.cloud.AddUser(s.tenant, name+"@example.com", "", true) })
		if got := s.named(group("web")); len(got) != 1 || len(got[0].Members) != len(who) {
			t.Errorf("the group is %+v, want %d members", got, len(who))
		}
	})
	t.Run("google", func(t *testing.T) {
		s := newGoogleStage(t, simgoogle.Options{}, "web")
		s.oddNames(odd, func(name string) {
			s.cloud.AddUser(simgoogle.User{PrimaryEmail: name + "@example.com", GivenName: "A", FamilyName: "B"})
		})
		var want []string
		for _, name := range odd {
			want = append(want, name+"@example.com")
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(s.inGroup()))); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	})
}

// oddNames gives everybody an odd euid, and an account of that name, and has them
// replicated without a remark.
func (s *stage) oddNames(odd map[string]string, account func(name string)) {
	s.t.Helper()
	for person, name := range odd {
		s.euids[person] = name
		account(name)
	}
	s.ask(map[string][]string{"web": people})
	s.run("web")
	if outcome, codes := s.status("web"); outcome != activities.Changed || len(codes) > 0 {
		s.t.Errorf("the run ended %s with the remarks %v, want %s", outcome, codes, activities.Changed)
	}
	if p := s.must("web", activities.PlanInput{Fresh: true}); p.Outcome != activities.Converged {
		s.t.Errorf("a second look: %+v, want converged", p)
	}
}

// TestIncidentConcurrentMemberWrites: Cloud Identity answers 409 where two writes
// to one group's members meet (terraform-provider-google #23743). It fails where
// Rollcall is its own rival, or where a rival's 409 ends a run or costs a member.
func TestIncidentConcurrentMemberWrites(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		s := newGoogleStage(t, simgoogle.Options{WriteTime: 5 * time.Millisecond}, "web")
		var crowd []string
		for i := range 50 { // three steps of one group
			crowd = append(crowd, fmt.Sprintf("crowd-%02d", i))
			s.cloud.AddUser(simgoogle.User{PrimaryEmail: crowd[i] + "@example.com", GivenName: "A", FamilyName: "B"})
		}
		s.ask(map[string][]string{"web": crowd})
		s.run("web")
		if got := len(s.inGroup()); got != len(crowd) {
			t.Errorf("the group has %d members, want %d", got, len(crowd))
		}
		if n := s.answered(http.StatusConflict); n > 0 {
			t.Errorf("%d writes of one run met, want none", n)
		}
	})
	t.Run("with a rival", func(t *testing.T) {
		s := newGoogleStage(t, simgoogle.Options{}, "web")
		s.ask(map[string][]string{"web": people[:1]})
		s.run("web")
		s.cloud.Control().Fail(simulate.Rule{
			Operation: "cloudidentity.groups.memberships.create", Skip: 1, Times: 2, Fault: refusal(http.StatusConflict, "ABORTED"),
		})
		s.ask(map[string][]string{"web": people})
		s.run("web")
		if s.answered(http.StatusConflict) == 0 {
			t.Error("no write met a rival's: the incident was not played")
		}
		if got := len(s.inGroup()); got != len(people) {
			t.Errorf("the group has %d members, want %d", got, len(people))
		}
	})
}

// TestIncidentDeletedGroupsItDidNotMake: ssosync deleted the groups of AWS Control
// Tower, and whatever else it had not made (#88, #141, #179, #220, #50). It fails
// where a group is judged by its name, or by nobody asking for it.
func TestIncidentDeletedGroupsItDidNotMake(t *testing.T) {
	s := newAWSStage(t, "web", "shop")
	theirs := map[string]string{
		s.cloud.Group("AWSControlTowerAdmins", "Admin rights to AWS Control Tower", s.users["adaline"]):                           "another tool's",
		s.cloud.Group(group("shop"), "", s.users["benedict"]):                                                                     "of a name that our pattern gives",
		s.cloud.Group("web-reader", access.Mark{Installation: "other", Tenant: "acme.web/stage.local"}.Text(), s.users["sydney"]): "of another installation",
	}
	for id := range theirs {
		s.cloud.Assign(s.ids["web"], s.sets["AdministratorAccess"], id)
	}
	s.ask(map[string][]string{"web": people[:3], "shop": people[:3]})
	s.run("web", "shop")
	if _, codes := s.status("shop"); !slices.Contains(codes, access.ObjectForeign) {
		t.Errorf("remarks %v, want %s: the name is taken", codes, access.ObjectForeign)
	}
	s.ask(map[string][]string{"web": nil})
	s.run("web", "shop")
	s.ask(nil)
	s.run("web")
	for id, what := range theirs {
		if got := len(s.cloud.MembersOf(id)); got != 1 {
			t.Errorf("the group %s has %d members, want its one", what, got)
		}
	}
	if calls := s.cloud.Control().Calls(); calls["identitystore.DeleteGroup"] > 1 {
		t.Errorf("%d groups were deleted, want at most the one that Rollcall made", calls["identitystore.DeleteGroup"])
	}
}
