package document_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// TestGuardInForce: the guard that names the platform, else the one that names
// none, else the default; what a guard leaves out is the default, too.
func TestGuardInForce(t *testing.T) {
	const named = "--- {apiVersion: v1, kind: Guard, metadata: {name: named}, spec: {platforms: [mem.a], group: {most: 0}, change: {most: 7}}}\n"
	const rest = "--- {apiVersion: v1, kind: Guard, metadata: {name: rest}, spec: {group: {percent: 100}, hour: {most: 0}}}\n"
	for _, tc := range []struct {
		name, reason, input, platform string
		want                          document.Guard
	}{
		{"no guard", "nobody is without limits", "", "mem.a", document.DefaultGuard()},
		{
			"its own", "it names the platform", named + rest, "mem.a",
			document.Guard{Name: "named", Platforms: []string{"mem.a"}, GroupMost: 0, GroupPercent: 20, ChangeMost: 7, HourMost: 1000},
		},
		{
			"that of the rest", "no other names the platform", named + rest, "mem.b",
			document.Guard{Name: "rest", GroupMost: 2, GroupPercent: 100, ChangeMost: 200, HourMost: 0},
		},
		{"that of another", "a guard is for the platforms it names", named, "mem.b", document.DefaultGuard()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := newSet(t, decode(t, "in.yaml", base+tc.input))
			if err := set.Validate(time.Now()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, set.Guard(tc.platform)); diff != "" {
				t.Errorf("%s: the guard of %s (-want +got):\n%s", tc.reason, tc.platform, diff)
			}
		})
	}
}

func TestGuardRanges(t *testing.T) {
	for _, tc := range []struct{ reason, spec, want string }{
		{"a part is not more than the whole", "{group: {percent: 101}}", "in.yaml:1: Guard g: spec.group.percent: 101 is more than 100"},
		{"nobody takes less than nothing", "{hour: {most: -1}}", "in.yaml:1: Guard g: spec.hour.most: -1 is less than 0"},
		{"nor half a person", "{change: {most: 1.5}}", "in.yaml:1: Guard g: spec.change.most: is a number, but must be a whole number"},
		{"a guard for no platform is a mistake", "{platforms: []}", "in.yaml:1: Guard g: spec.platforms: has 0 items, at least 1 are needed"},
		{"a limit is not a number alone", "{hour: 5}", "in.yaml:1: Guard g: spec.hour: is a number, but must be a mapping"},
		{"limits are known by name", "{hours: {most: 1}}", `in.yaml:1: Guard g: spec.hours: unknown field (did you mean "hour"?); known are change, group, hour and platforms`},
	} {
		_, _, err := document.Decode(strings.NewReader("{apiVersion: v1, kind: Guard, metadata: {name: g}, spec: "+tc.spec+"}"), "in.yaml")
		if diff := cmp.Diff([]string{tc.want}, lines(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}
