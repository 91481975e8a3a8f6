package document_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// removals are a platform and a landing zone of a tenant, with these settings.
func removals(platform, zone string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: w}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: w}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: mem}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: g%s}}}}}
--- {apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {platformRef: {name: mem.a}, platformProperties: {memory: {%s}}}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: mem.a}, spec: {landingZoneIdentifier: zone}}
`, platform, zone)
}

// TestRemovalsForbiddenBy: the landing zone may forbid what the platform allows, and
// cannot allow what it forbids.
func TestRemovalsForbiddenBy(t *testing.T) {
	for _, tc := range []struct{ reason, platform, zone, want string }{
		{"allowed by default", "", "", ""},
		{"both allow removals", ", removals: allow", "removals: allow", ""},
		{"the platform forbids them", ", removals: forbid", "", `the platform "mem.a"`},
		{"the landing zone cannot allow them", ", removals: forbid", "removals: allow", `the platform "mem.a"`},
		{"the landing zone forbids them", ", removals: allow", "removals: forbid", `the landing zone "zone"`},
		{"the platform is named first", ", removals: forbid", "removals: forbid", `the platform "mem.a"`},
	} {
		set := newSet(t, decode(t, "in.yaml", removals(tc.platform, tc.zone)))
		if err := set.Validate(time.Now()); err != nil {
			t.Fatalf("%s: %v", tc.reason, err)
		}
		in, _ := set.Input(access.TenantID{Workspace: "w", Project: "p", Platform: "mem.a"}, document.Drawn{}, time.Time{})
		if got := in.RemovalsForbiddenBy(); got != tc.want {
			t.Errorf("%s: removals are forbidden by %q, want %q", tc.reason, got, tc.want)
		}
	}
}

func TestRemovalsValues(t *testing.T) {
	const platform, zone = "in.yaml:3: meshPlatform mem.a: spec.config.memory.replication.", "in.yaml:4: meshLandingZone zone: spec.platformProperties.memory."
	for _, tc := range []struct{ reason, platform, zone, want string }{
		{"a misspelt value forbids nothing", ", removals: forbidden", "", platform + `removals: "forbidden" is not allowed: write allow or forbid`},
		{"values are in lower case", "", "removals: Forbid", zone + `removals: "Forbid" is not allowed: write allow or forbid`},
		{"no is not forbid", ", removals: false", "", platform + `removals: "false" is not allowed: write allow or forbid`},
		{"nothing is no value", "", `removals: ""`, zone + `removals: "" is not allowed: write allow or forbid`},
		{"a misspelt field is refused", "", "removal: forbid", zone + `removal: unknown field (did you mean "removals"?); known are removals and roleMappings`},
	} {
		_, _, err := document.Decode(strings.NewReader(removals(tc.platform, tc.zone)), "in.yaml")
		if diff := cmp.Diff([]string{tc.want}, lines(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}
