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

// TestWarningTable_MergesObjectsOfATenant: one cause on several objects of a tenant is one
// line, without the names of the objects.
func TestWarningTable_MergesObjectsOfATenant(t *testing.T) {
	t.Parallel()
	refused := func(object, text string) access.Remark {
		return access.Remark{Code: access.PlatformRefused, Object: object, Text: text}
	}
	group := func(name, more string) access.Remark {
		return refused(name, fmt.Sprintf("the platform refused to create the group %q%s: 403: ask", name, more))
	}
	role := func(role, group string) access.Remark {
		key := access.Key{Kind: access.KindBinding, Role: role, Group: group}.String()
		return refused(key, fmt.Sprintf("the role %q was given to the group %q and is kept: map %q", role, group, key))
	}
	user := func(name string) access.Remark {
		return access.Remark{Code: access.UserNotFound, Object: name, Text: fmt.Sprintf("the platform has no account %q: create it", name)}
	}
	for _, tc := range []struct {
		reason string
		all    []access.Remark
		want   []string // object and text of each line
	}{
		{"one object keeps its name", []access.Remark{group("a", "")}, []string{`a|the platform refused to create the group "a": 403: ask`}},
		{
			"three groups with one cause, which others need", []access.Remark{group("a", ""), group("b", " (2 other steps need it)"), group("c", " (1 other steps need it)")},
			[]string{"3 groups|the platform refused to create the group: 403: ask"},
		},
		{
			"members are those of a group",
			[]access.Remark{refused("a", `add lea to the members "a": 400`), refused("b", `add lea to the members "b": 400`), refused("b", `add tom to the members "b": 400`)},
			[]string{"2 groups|add lea to the members: 400", `b|add tom to the members "b": 400`},
		},
		{"roles of groups", []access.Remark{role("x", "a"), role("x", "b"), role("y", "a")}, []string{"3 roles|the role was given to the group and is kept: map"}},
		{
			"other causes stay on lines of their own", []access.Remark{group("a", ""), refused("b", `the platform refused to create the group "b": full: ask`)},
			[]string{`a|the platform refused to create the group "a": 403: ask`, `b|the platform refused to create the group "b": full: ask`},
		},
		{"two warnings about one object", []access.Remark{refused("a", "full"), refused("a", "full")}, []string{"a|full", "a|full"}},
		{"objects of several kinds", []access.Remark{refused("a", `the group "a" is full`), refused("b", `the group is full`)}, []string{"2 objects|the group is full"}},
		{"each user has a document", []access.Remark{user("lea"), user("tom")}, []string{`lea|the platform has no account "lea": create it`, `tom|the platform has no account "tom": create it`}},
	} {
		var got []string
		for _, r := range mergeObjects("a.b/c", tc.all) {
			got = append(got, r.Object+"|"+r.Text)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
	var table warningTable
	table.add("a.b/c", group("a", ""), group("b", ""))
	table.add("a.b/d", group("x", ""), group("y", ""))
	var out bytes.Buffer
	table.write(&out, "list them")
	want := "WARNING           OBJECT    TENANT     TEXT\n" +
		"platform-refused  2 groups  2 tenants  the platform refused to create the group: 403: ask\nlist them\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("two groups of two tenants (-want +got):\n%s", diff)
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
