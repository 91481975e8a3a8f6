package e2e

import (
	"strings"
	"testing"
)

func TestBadInputIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	_, org := memoryWorld(s, 1, 1)
	base := org.documents()
	cases := map[string]struct {
		reason string
		input  string
		says   []string
	}{
		"unknown kind": {
			"a kind nobody knows is named", "{apiVersion: v1, kind: meshUnicorn, metadata: {name: x}}", []string{"meshUnicorn"},
		},
		"unknown field": {
			"a field nobody knows is named with its line",
			base + "---\n{apiVersion: v2, kind: meshUser, metadata: {name: x}, spec: {email: x@example.com, firstName: A, lastName: B, euidd: x}}\n",
			[]string{"euidd", "euid"},
		},
		"binding to nobody": {
			"a binding names a person who is not there", strings.ReplaceAll(base, "subject: {name: admin-00}", "subject: {name: nobody}"),
			[]string{"nobody", "b-00-admin-00"},
		},
		"one name for two groups": {
			"two groups of one platform may not share a name",
			strings.ReplaceAll(base, "#{projectIdentifier}-#{platformGroupAlias}", "#{projectIdentifier}"), []string{"<stdin>:", "meshTenant acme.project-00"},
		},
		"one euid for two people": {
			"an euid is unique", strings.ReplaceAll(base, "euid: user-00@example.com", "euid: admin-00@example.com"), []string{"admin-00", "user-00"},
		},
		"bad pattern": {
			"a pattern is checked when it is applied",
			strings.ReplaceAll(base, "#{projectIdentifier}-", "#{projekt}-"), []string{"<stdin>:", "meshPlatform sandbox.local", "projekt"},
		},
		"platform with a password": {
			"a document holds no secret", strings.ReplaceAll(base, "{memory: {", "{memory: {password: hunter2, "),
			[]string{"<stdin>:", "meshPlatform sandbox.local", "spec.config.memory", "password", "connection"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, out, errs := s.rollcall(c.input, "apply", "-")
			if code != invalid {
				t.Errorf("%s: exit code %d, want %d\n%s%s", c.reason, code, invalid, out, errs)
			}
			for _, want := range c.says {
				if !strings.Contains(errs, want) {
					t.Errorf("%s: the message lacks %q:\n%s", c.reason, want, errs)
				}
			}
			if strings.Contains(errs, "goroutine") {
				t.Errorf("a user's mistake shows a stack trace:\n%s", errs)
			}
			if stored := s.must(done, "get", "-o", "json"); strings.TrimSpace(stored) != "[]" {
				t.Errorf("%s: something was stored:\n%s", c.reason, stored)
			}
		})
	}
}

func TestUnreachableServersAreNamed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	_, org := memoryWorld(s, 1, 1)
	s.apply(org.documents())
	good := s.environ
	cases := map[string]struct {
		variable string
		args     []string
		says     string
	}{
		"database": {"ROLLCALL_DATABASE_URL=postgres://rollcall:hidden@127.0.0.1:1/none", []string{"status"}, "ROLLCALL_DATABASE_URL"},
		"temporal": {"TEMPORAL_ADDRESS=127.0.0.1:1", []string{"replicate", "--all"}, "TEMPORAL_ADDRESS"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s.environ = append(append([]string{}, good...), c.variable)
			defer func() { s.environ = good }()
			code, _, errs := s.rollcall("", c.args...)
			if code != failed || !strings.Contains(errs, c.says) || strings.Contains(errs, "hidden") {
				t.Errorf("exit code %d, message %q; want %d, naming %s and no password", code, errs, failed, c.says)
			}
		})
	}
}
