package engine

import (
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/worker"
)

func TestVersionComesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		set    map[string]string
		want   worker.WorkerDeploymentVersion
		err    error
	}{
		"controller": {
			"Temporal's worker controller says both", map[string]string{DeploymentVariable: "iam/rollcall", BuildVariable: "v1.2.3-ab12"},
			worker.WorkerDeploymentVersion{DeploymentName: "iam/rollcall", BuildID: "v1.2.3-ab12"}, nil,
		},
		"build only": {
			"the deployment has a name of its own", map[string]string{BuildVariable: "7"},
			worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: "7"}, nil,
		},
		"dotted deployment": {
			"Temporal keeps dots for itself", map[string]string{DeploymentVariable: "a.b", BuildVariable: "7"},
			worker.WorkerDeploymentVersion{DeploymentName: "a.b", BuildID: "7"}, ErrVersion,
		},
		"colon": {
			"a version is written with one", map[string]string{BuildVariable: "a:b"},
			worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: "a:b"}, ErrVersion,
		},
		"quote": {
			"build ids stand in queries", map[string]string{BuildVariable: "a' OR 'b"},
			worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: "a' OR 'b"}, ErrVersion,
		},
		"reserved": {
			"Temporal keeps such names for itself", map[string]string{BuildVariable: "__unversioned__"},
			worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: "__unversioned__"}, ErrVersion,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Version(func(name string) string { return tc.set[name] })
			if !errors.Is(err, tc.err) {
				t.Errorf("%s: error %v, want %v", tc.reason, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestUnnamedProgramHasAVersion(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	first, err := Version(none)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Version(none)
	if err != nil || first != second {
		t.Errorf("one program has the versions %v and %v, %v", first, second, err)
	}
	if first.DeploymentName != DefaultDeployment || first.BuildID == "" {
		t.Errorf("the version is %v", first)
	}
}

func TestBuildID(t *testing.T) {
	t.Parallel()
	const revision = "0123456789abcdef0123456789abcdef01234567"
	settings := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}}
	}
	broken := errors.New("broken")
	cases := map[string]struct {
		reason string
		info   *debug.BuildInfo
		fails  error
		want   string
	}{
		"clean":          {"the revision says all, and nothing is read", settings("false"), broken, revision[:12]},
		"dirty":          {"two builds of changed files are two versions", settings("true"), nil, revision[:12] + "-dirty-d1gest"},
		"without a past": {"a build outside of a checkout has its digest only", &debug.BuildInfo{}, nil, "d1gest"},
		"no info":        {"a stripped program has none", nil, nil, "d1gest"},
		"unreadable":     {"nothing is made up", nil, broken, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := buildID(tc.info, func() (string, error) { return "d1gest", tc.fails })
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%s: %q, %v, want %q", tc.reason, got, err, tc.want)
			}
			if tc.want != "" {
				if err := CheckVersion(worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: got}); err != nil {
					t.Errorf("%s: %v", tc.reason, err)
				}
			}
		})
	}
}

func FuzzCheckVersion(f *testing.F) {
	f.Add("rollcall", "abc-dirty")
	f.Add("a.b", "'")
	f.Fuzz(func(t *testing.T, deployment, build string) {
		err := CheckVersion(worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build})
		if err == nil && strings.ContainsAny(deployment+build, `:'"\`+"\n ") {
			t.Errorf("%q:%q is no name to put into a query", deployment, build)
		}
		if err != nil && !errors.Is(err, ErrVersion) {
			t.Errorf("%v is not ErrVersion", err)
		}
	})
}
