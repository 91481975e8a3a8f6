package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/deploy/dev/probe"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

// These tests watch what people may do while Rollcall works. They ask the platform
// itself, not Rollcall's view of it.

// probed is a platform with an organisation on it, and somebody who asks it.
type probed struct {
	*stack
	organisation
	asker probe.Asker
}

// pattern is the one that organisations name their groups by.
const pattern = `"#{projectIdentifier}-#{platformGroupAlias}"`

// named returns the documents with groups of other names, renamed in that mode.
func (w probed) named(tag, mode string) string {
	o := w.organisation
	o.config = strings.Replace(o.config, pattern,
		fmt.Sprintf(`"#{projectIdentifier}-%s-#{platformGroupAlias}", skipUserGroupPermissionCleanup: false, rename: %s`, tag, mode), 1)
	return o.documents()
}

// watch takes the report of what happens meanwhile.
func (w probed) watch(t *testing.T, meanwhile func()) probe.Report {
	t.Helper()
	watch, err := probe.Start(t.Context(), w.platform, w.asker, w.tenants, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile()
	time.Sleep(300 * time.Millisecond) // what would follow late is seen, too
	// However slow the platform answers: each tenant is looked at while it changes and after.
	w.eventually("three looks at each tenant", func() bool { return watch.Looks() >= 3*len(w.tenants) })
	report, err := watch.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d rights, %d looks, %d probes, %d without an answer, at most %v apart, longest gap %v; groups %v, then %v",
		report.Platform, report.Rights, report.Looks, report.Probes, report.Failed, report.Apart, report.Longest(), report.Before, report.After)
	return report
}

// renames changes all groups' names in each mode, and looks whether anybody is
// without a right meanwhile.
func (w probed) renames(t *testing.T, modes map[string]bool) {
	t.Helper()
	w.apply(w.documents())
	w.replicate(done)
	groups := len(roles) * len(w.tenants)
	for i, mode := range []string{"recreate", "in-place", "strict"} {
		gap, asked := modes[mode]
		if !asked {
			continue
		}
		report := w.watch(t, func() {
			w.apply(w.named(fmt.Sprintf("v%d", i), mode))
			if r := w.replicate(done); r.Changed != len(w.tenants) || r.Failed != 0 {
				t.Errorf("%s: %+v, want all tenants changed", mode, r)
			}
		})
		if report.Renamed() != groups || len(report.After) != groups {
			t.Errorf("%s: %d groups were renamed and %d are there, want %d: %v", mode, report.Renamed(), len(report.After), groups, report.After)
		}
		if (report.Longest() > 0) != gap {
			t.Errorf("%s: the longest gap is %v of %d; want one: %v", mode, report.Longest(), len(report.Gaps), gap)
		}
		if report.Looks < 3*len(w.tenants) {
			t.Errorf("%s: only %d looks", mode, report.Looks)
		}
	}
}

// TestProbeOfSandbox: nobody is without access while groups are renamed, except in
// the mode that says so; there, the probe sees it.
func TestProbeOfSandbox(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 3)
	s.worker()
	probed{s, org, probe.Sandbox{File: file}}.renames(t, map[string]bool{"recreate": false, "in-place": false, "strict": true})
}

func keystoneProbe(t *testing.T) {
	server := keystone.ForTest(t, keystone.Options{})
	s := newStack(t)
	c := newCloud(t, server, server.URL(), 2, 3)
	s.connect(c.connection)
	s.worker(c.environ()...)
	admin := server.Admin()
	asker := &probe.Keystone{
		URL: server.URL(), User: admin.Username, Password: admin.Password, UserDomain: admin.UserDomainName,
		Project: admin.ProjectName, ProjectDomain: admin.ProjectDomainName,
	}
	probed{s, c.organisation, asker}.renames(t, map[string]bool{"recreate": false, "in-place": false, "strict": true})
}

func openShiftProbe(t *testing.T) {
	o := newOpenshift(t, 2, 3)
	s := newStack(t)
	s.connect(o.connection)
	s.worker(o.environ...)
	probed{s, o.organisation, o.asker(t)}.renames(t, map[string]bool{"recreate": false, "strict": true})
}

// asker asks the API server as OpenShift would, with the groups of the moment.
func (o *openshift) asker(t *testing.T) probe.Asker {
	t.Helper()
	config, err := o.server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Aggregate(t.Context(), o.server.URL(), client); err != nil {
		t.Fatal(err)
	}
	return &probe.Cluster{URL: o.server.URL(), Client: client, Directory: probe.OpenShift{URL: o.front, Token: o.bearer}}
}

// TestProbeSeesWhoComesAndGoes: what the probe finds is what the documents say.
func TestProbeSeesWhoComesAndGoes(t *testing.T) {
	t.Parallel()
	o := newOpenshift(t, 1, 2)
	s := newStack(t)
	s.connect(o.connection)
	s.worker(o.environ...)
	w := probed{s, o.organisation, o.asker(t)}
	s.apply(o.documents())
	s.replicate(done)
	has, err := w.asker.Ask(t.Context(), o.tenants[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	for role, actions := range map[string][]string{
		"admin": {"get configmaps", "create configmaps", "create rolebindings"}, "user": {"get configmaps", "create configmaps"}, "reader": {"get configmaps"},
	} {
		for n := range 2 {
			for _, action := range []string{"get configmaps", "create configmaps", "create rolebindings"} {
				want := strings.Contains(fmt.Sprint(actions), action)
				if r := (probe.Right{Account: person(role, n) + "@example.com", Role: action}); has[r] != want {
					t.Errorf("%s may %s: %v, want %v", r.Account, action, has[r], want)
				}
			}
		}
	}
	report := w.watch(t, func() {
		s.apply(without(o.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
		s.replicate(done)
	})
	if len(report.Gaps) != 3 || report.Gaps[0].Right.Account != person("admin", 0)+"@example.com" {
		t.Errorf("gaps %+v, want the three actions of the one who left", report.Gaps)
	}
}
