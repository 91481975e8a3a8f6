package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestWarningTable_GroupsEqualWarnings: one line for each cause.
func TestWarningTable_GroupsEqualWarnings(t *testing.T) {
	t.Parallel()
	const hint = "list them\n"
	unmapped := func(source string) access.Remark {
		return access.Remark{Code: access.RoleUnmapped, Object: "viewer", Text: `the role "viewer" is not in the role mappings of ` + source + ": add a mapping"}
	}
	on := func(tenant, text string) access.Remark {
		return access.Remark{Code: access.PlatformRefused, Object: tenant, Text: text}
	}
	foreign := func(group, text string) access.Remark {
		return access.Remark{Code: access.ObjectForeign, Object: group, Text: text}
	}
	type found struct {
		tenant  string
		warning access.Remark
	}
	cases := map[string]struct {
		reason string
		all    []found
		want   string
	}{
		"none": {"an empty table says nothing", nil, ""},
		"one tenant": {
			"its name and the whole text fit on the line", []found{{"a.b/c", unmapped("c")}},
			"WARNING        OBJECT  TENANT  TEXT\n" +
				`role-unmapped  viewer  a.b/c   the role "viewer" is not in the role mappings of c: add a mapping` + "\n",
		},
		"one role, several platforms": {
			"the document is the cause, and each platform words it differently: the advice is the same",
			[]found{{"a.b/c", unmapped("c")}, {"a.b/d", unmapped("d")}, {"a.e/c", unmapped("c")}},
			"WARNING        OBJECT  TENANT     TEXT\nrole-unmapped  viewer  3 tenants  add a mapping\n" + hint,
		},
		"the same text": {
			"it says more than the advice", []found{{"a.b/c", unmapped("c")}, {"a.e/c", unmapped("c")}},
			"WARNING        OBJECT  TENANT     TEXT\n" +
				`role-unmapped  viewer  2 tenants  the role "viewer" is not in the role mappings of c: add a mapping` + "\n" + hint,
		},
		"about tenants": {
			"the same cause, apart from the tenant's name",
			[]found{{"a.b/c", on("a.b/c", "a.b/c: denied: ask")}, {"a.e/c", on("a.e/c", "a.e/c: denied: ask")}},
			"WARNING           OBJECT    TENANT     TEXT\nplatform-refused  (tenant)  2 tenants  <tenant>: denied: ask\n" + hint,
		},
		"two causes": {
			"tenants that fail for different reasons need different fixes",
			[]found{{"a.b/c", on("a.b/c", "denied: ask")}, {"a.e/c", on("a.e/c", "full: ask")}},
			"WARNING           OBJECT    TENANT  TEXT\n" +
				"platform-refused  (tenant)  a.b/c   denied: ask\nplatform-refused  (tenant)  a.e/c   full: ask\n",
		},
		"two groups": {
			"objects of platforms are different objects, even with the same advice",
			[]found{{"a.b/c", foreign("x", "x: adopt it")}, {"a.b/c", foreign("y", "y: adopt it")}},
			"WARNING           OBJECT  TENANT  TEXT\nobject-unmanaged  x       a.b/c   x: adopt it\nobject-unmanaged  y       a.b/c   y: adopt it\n",
		},
		"twice on one tenant": {
			"tenants are counted, not warnings", []found{{"a.b/c", unmapped("c")}, {"a.b/c", unmapped("d")}},
			"WARNING        OBJECT  TENANT  TEXT\nrole-unmapped  viewer  a.b/c   add a mapping\n",
		},
		"most tenants first": {
			"the cause with the widest reach is read first",
			[]found{{"a.b/c", foreign("x", "adopt it")}, {"a.b/c", unmapped("c")}, {"a.e/c", unmapped("c")}},
			"WARNING           OBJECT  TENANT     TEXT\n" +
				`role-unmapped     viewer  2 tenants  the role "viewer" is not in the role mappings of c: add a mapping` + "\n" +
				"object-unmanaged  x       a.b/c      adopt it\n" + hint,
		},
		"what a terminal obeys": {
			"texts come from platforms", []found{{"a.b/c", foreign("x", "\x1b[2J")}},
			"WARNING           OBJECT  TENANT  TEXT\nobject-unmanaged  x       a.b/c   \uFFFD[2J\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var table warningTable
			for _, f := range tc.all {
				table.add(f.tenant, f.warning)
			}
			var out bytes.Buffer
			table.write(&out, strings.TrimSuffix(hint, "\n"))
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWarningTable_IsBounded: 10,000 tenants with warnings of their own need no more
// memory than 1,000, and the rest is counted.
func TestWarningTable_IsBounded(t *testing.T) {
	t.Parallel()
	const tenants = 10_000
	var table warningTable
	for i := range tenants {
		tenant := fmt.Sprintf("a.b%d/c", i)
		table.add(tenant,
			access.Remark{Code: access.UserNotFound, Object: "everywhere", Text: "create it"},
			access.Remark{Code: access.ObjectForeign, Object: fmt.Sprintf("group-%d", i), Text: "adopt it"})
	}
	if n := len(table.groups); n != mostGroups {
		t.Errorf("%d groups are kept, want %d", n, mostGroups)
	}
	var out bytes.Buffer
	table.write(&out, "list them")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+mostWarnings+2 {
		t.Fatalf("%d lines, want a header, %d warnings, a count and a hint:\n%s", len(lines), mostWarnings, out.String())
	}
	if want := "user-not-found    everywhere  10000 tenants  create it"; lines[1] != want {
		t.Errorf("the first line is %q, want %q", lines[1], want)
	}
	// One line is the user's, the others are groups.
	if want := fmt.Sprintf("... and %d more.", tenants-(mostWarnings-1)); lines[len(lines)-2] != want {
		t.Errorf("the count is %q, want %q", lines[len(lines)-2], want)
	}
}
