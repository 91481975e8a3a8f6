package engine_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/serviceerror"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

// apiKey is what no error may show.
const apiKey = "hidden-api-key"

// temporalEnviron makes the environment's settings of Temporal exactly these.
// "profile" is the content of the profile file.
func temporalEnviron(t *testing.T, set map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "TEMPORAL_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "temporal.toml")
	if err := os.WriteFile(file, []byte(set["profile"]), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEMPORAL_CONFIG_FILE", file)
	for name, value := range set {
		if name != "profile" {
			t.Setenv(name, value)
		}
	}
}

func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOptionsComeFromTheEnvironment(t *testing.T) {
	type settings struct{ Address, Namespace string }
	profiles := "[profile.default]\naddress = \"one.example.com:7233\"\n" +
		"[profile.prod]\naddress = \"two.example.com:7233\"\nnamespace = \"prod\"\n"
	cases := map[string]struct {
		reason string
		set    map[string]string
		want   settings
	}{
		"nothing is set": {
			"a newcomer's server is the one on this machine", nil, settings{"localhost:7233", "default"},
		},
		"variables": {
			"Temporal's own variables are read",
			map[string]string{"TEMPORAL_ADDRESS": "temporal.example.com:7233", "TEMPORAL_NAMESPACE": "access"},
			settings{"temporal.example.com:7233", "access"},
		},
		"default profile": {
			"the file's default profile is read", map[string]string{"profile": profiles}, settings{"one.example.com:7233", "default"},
		},
		"named profile": {
			"a profile can be chosen", map[string]string{"profile": profiles, "TEMPORAL_PROFILE": "prod"}, settings{"two.example.com:7233", "prod"},
		},
		"variable over profile": {
			"a variable wins over the file",
			map[string]string{"profile": profiles, "TEMPORAL_PROFILE": "prod", "TEMPORAL_NAMESPACE": "other"},
			settings{"two.example.com:7233", "other"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			temporalEnviron(t, tc.set)
			options, err := engine.Options(logger())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, settings{options.HostPort, options.Namespace}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if options.Logger == nil {
				t.Error("the SDK would log to where it likes")
			}
		})
	}
}

func TestBadSettingsAreRefusedWithoutTheKey(t *testing.T) {
	cases := map[string]struct {
		reason string
		set    map[string]string
	}{
		"unknown profile":     {"a misspelt profile is no default", map[string]string{"TEMPORAL_PROFILE": "nope", "TEMPORAL_API_KEY": apiKey}},
		"file is no TOML":     {"a broken file is named", map[string]string{"profile": "[profile.default\napi_key = \"" + apiKey + "\"\n"}},
		"key without quotes":  {"the key is on the broken line", map[string]string{"profile": "[profile.default]\napi_key = " + apiKey + "\n"}},
		"key with a bad rest": {"the key is on the broken line", map[string]string{"profile": "[profile.default]\napi_key = \"" + apiKey + "\" x\n"}},
		"key is no text":      {"the key has the wrong type", map[string]string{"profile": "[profile.default]\napi_key = [\"" + apiKey + "\"]\n"}},
		"key is too open":     {"the text has no end", map[string]string{"profile": "[profile.default]\napi_key = \"" + apiKey + "\n"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			temporalEnviron(t, tc.set)
			_, err := engine.Options(logger())
			if err == nil {
				t.Fatalf("%s: no error", tc.reason)
			}
			if !strings.HasPrefix(err.Error(), "engine: ") || strings.Contains(err.Error(), apiKey) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestUnreachableTemporalIsNamed(t *testing.T) {
	// A port that was free a moment ago answers nobody.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	temporalEnviron(t, map[string]string{
		"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": "access", "TEMPORAL_API_KEY": apiKey, "TEMPORAL_TLS": "false",
	})
	options, err := engine.Options(logger())
	if err != nil {
		t.Fatal(err)
	}
	c, err := engine.Dial(t.Context(), options)
	if !errors.Is(err, engine.ErrUnreachable) || c != nil {
		t.Fatalf("dialling nobody gave %v, %v; want no client and ErrUnreachable", c, err)
	}
	for _, want := range []string{address, `namespace "access"`, "TEMPORAL_ADDRESS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), apiKey) {
		t.Errorf("the message shows the API key: %v", err)
	}
}

func TestEachPlatformHasItsQueue(t *testing.T) {
	t.Parallel()
	queues := map[string]bool{engine.WorkflowQueue: true}
	for _, platform := range []string{"openstack.eu-1", "openstack.eu", "sandbox.local", ""} {
		q := engine.PlatformQueue(platform)
		if queues[q] || !strings.Contains(q, platform) {
			t.Errorf("the queue of %q is %q: want one of its own that names it", platform, q)
		}
		queues[q] = true
	}
}

func TestTenantAttributes(t *testing.T) {
	t.Parallel()
	tenant := access.TenantID{Workspace: "marketing", Project: "web", Platform: "openstack.eu"}
	cases := map[string]struct {
		reason  string
		outcome string
		remarks int64
		size    int
	}{
		"first run":     {"nothing is known before the first run", "", 0, 2},
		"run before":    {"what the run before left is known from the start", "converged", 0, 4},
		"with remarks":  {"and so are its remarks", "waiting", 3, 4},
		"no outcome":    {"remarks without an outcome are none", "", 3, 2},
		"failed before": {"whatever it was", "failed", 1, 4},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := map[string]any{}
			attributes := engine.TenantAttributes(tenant, tc.outcome, tc.remarks)
			for key, value := range attributes.GetUntypedValues() {
				values[key.GetName()] = value
				if _, registered := engine.Attributes()[key.GetName()]; !registered {
					t.Errorf("%s is no search attribute that the namespace gets", key.GetName())
				}
			}
			want := map[string]any{engine.PlatformAttribute: "openstack.eu", engine.ProjectAttribute: "marketing.web"}
			if tc.outcome != "" {
				want[engine.OutcomeAttribute], want[engine.RemarksAttribute] = tc.outcome, tc.remarks
			}
			if diff := cmp.Diff(want, values); diff != "" || attributes.Size() != tc.size {
				t.Errorf("%s: %d attributes, want %d (-want +got):\n%s", tc.reason, attributes.Size(), tc.size, diff)
			}
		})
	}
}

func TestLacksAttributes(t *testing.T) {
	t.Parallel()
	const text = "Namespace default has no mapping defined for search attribute "
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"none":            {"nothing went wrong", nil, false},
		"fresh namespace": {"ours is missing", serviceerror.NewInvalidArgument(text + engine.ProjectAttribute), true},
		"wrapped":         {"wherever it is", fmt.Errorf("start: %w", serviceerror.NewInvalidArgument(text+engine.PlatformAttribute)), true},
		"not ours":        {"registering ours does not help", serviceerror.NewInvalidArgument(text + "Color"), false},
		"other mistake":   {"nor does it here", serviceerror.NewInvalidArgument("workflow id is too long"), false},
		"other class":     {"a text alone says nothing", errors.New(text + engine.ProjectAttribute), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := engine.LacksAttributes(tc.err); got != tc.want {
				t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestPlatformAttributes(t *testing.T) {
	t.Parallel()
	for key, value := range engine.PlatformAttributes("openstack.eu").GetUntypedValues() {
		if key.GetName() != engine.PlatformAttribute || value != "openstack.eu" {
			t.Errorf("%s = %v, want %s = openstack.eu alone", key.GetName(), value, engine.PlatformAttribute)
		}
	}
}
