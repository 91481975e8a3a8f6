package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// withEnd returns a user binding with more fields, in YAML.
func withEnd(fields string) string {
	return `apiVersion: v3
kind: meshProjectUserBinding
metadata: {name: b}
roleRef: {name: r}
targetRef: {name: p, ownedByWorkspace: w}
subject: {name: u}
` + fields
}

func TestDecode_EndOfBinding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason, input string
		want          time.Time
	}{
		{"a date ends with its day", withEnd("expirationDate: \"2026-12-31\"\n"), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"YAML reads a date without quotes as a time", withEnd("expirationDate: 2028-02-29\n"), time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC)},
		{"an instant", withEnd("spec: {expiresAt: \"2026-12-31T18:00:00+01:00\"}\n"), time.Date(2026, 12, 31, 17, 0, 0, 0, time.UTC)},
		{"an instant without quotes", withEnd("spec: {expiresAt: 2026-12-31T18:00:00.5Z}\n"), time.Date(2026, 12, 31, 18, 0, 0, 5e8, time.UTC)},
		{"exports have null where there is none", withEnd("expirationDate: null\nspec: {expiresAt: null}\n"), time.Time{}},
		{"no field", withEnd(""), time.Time{}},
		{"JSON", `{"apiVersion": "v3", "kind": "meshProjectGroupBinding", "metadata": {"name": "b"}, "roleRef": {"name": "r"},
			"targetRef": {"name": "p", "ownedByWorkspace": "w"}, "subject": {"name": "g"}, "expirationDate": "2026-12-31"}`,
			time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			docs, _, err := document.Decode(strings.NewReader(c.input), "x.yaml")
			if err != nil {
				t.Fatal(err)
			}
			typed, err := document.Parse(docs[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := typed.(document.Binding).Ends; !got.Equal(c.want) {
				t.Errorf("the binding ends at %s, want %s", got, c.want)
			}
			var exported bytes.Buffer
			if err := document.Encode(&exported, docs); err != nil {
				t.Fatal(err)
			}
			again, _, err := document.Decode(&exported, "export.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(docs[0].Body), string(again[0].Body)); diff != "" {
				t.Errorf("an export changes the document (-applied +exported):\n%s", diff)
			}
		})
	}
}

func TestDecode_RefusesWrongEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ reason, fields, want string }{
		{"two ends", "expirationDate: 2026-12-31\nspec: {expiresAt: 2026-12-31T18:00:00Z}\n",
			`x.yaml:8: meshProjectUserBinding b: spec.expiresAt: the binding has an expirationDate, too: write one of them`},
		{"no such day", "expirationDate: 2026-02-29\n",
			`x.yaml:7: meshProjectUserBinding b: expirationDate: there is no day "2026-02-29": write a date, such as 2026-12-31`},
		{"no such hour", "spec: {expiresAt: 2026-12-31T25:00:00Z}\n", `x.yaml:7: meshProjectUserBinding b: spec.expiresAt: ` +
			`there is no time "2026-12-31T25:00:00Z": write one with its offset from UTC, such as 2026-12-31T18:00:00Z`},
		{"a time without a zone", "spec: {expiresAt: 2026-12-31T18:00:00}\n", `x.yaml:7: meshProjectUserBinding b: spec.expiresAt: ` +
			`"2026-12-31T18:00:00" is not allowed: write a time with its offset from UTC, such as 2026-12-31T18:00:00Z`},
		{"a time where a date belongs", "expirationDate: 2026-12-31T18:00:00Z\n", `x.yaml:7: meshProjectUserBinding b: expirationDate: ` +
			`"2026-12-31T18:00:00Z" is not allowed: write a date, such as 2026-12-31`},
		{"the year of a date without one", "expirationDate: 1999-12-30\n",
			`x.yaml:7: meshProjectUserBinding b: expirationDate: is before 2000: correct the year, or remove the binding`},
		{"the zero time of Go", "spec: {expiresAt: 0001-01-01T00:00:00Z}\n",
			`x.yaml:7: meshProjectUserBinding b: spec.expiresAt: is before 2000: correct the year, or remove the binding`},
		{"another field of spec", "spec: {validFrom: 2026-12-31}\n",
			`x.yaml:7: meshProjectUserBinding b: spec.validFrom: unknown field; known are expiresAt`},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			_, _, err := document.Decode(strings.NewReader(withEnd(c.fields)), "x.yaml")
			if !errors.Is(err, document.ErrInvalid) {
				t.Fatalf("the document is accepted: %v", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("the problems (-want +got):\n%s", diff)
			}
		})
	}
}

// documentsWith returns the documents of a project whose user has a role by bindings with
// those further fields.
func documentsWith(t testing.TB, fields ...string) *document.Set {
	t.Helper()
	input := `apiVersion: v1
kind: meshWorkspace
metadata: {name: w}
spec: {displayName: W}
---
apiVersion: v2
kind: meshProject
metadata: {name: p, ownedByWorkspace: w}
spec: {displayName: P}
---
apiVersion: v2
kind: meshUser
metadata: {name: u}
spec: {email: u@example.com, firstName: U, lastName: U, euid: u}
---
apiVersion: v1
kind: meshProjectRole
metadata: {name: r}
spec: {name: R, description: d, rank: 1}
`
	for i, f := range fields {
		input = fmt.Sprintf("%s---\n%s", input, strings.Replace(withEnd(f), "name: b}", fmt.Sprintf("name: b%d}", i), 1))
	}
	docs, _, err := document.Decode(strings.NewReader(input), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := document.NewSet(docs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestValidate_RefusesEndsFarAhead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason, fields, want string
	}{
		{"in half a year", "expirationDate: 2026-12-31\n", ""},
		{"it has ended", "expirationDate: 2020-12-31\n", ""},
		{"in ten years", "spec: {expiresAt: 2036-06-01T12:00:00Z}\n", ""},
		{"a second later", "spec: {expiresAt: 2036-06-01T12:00:01Z}\n", "x.yaml:21: meshProjectUserBinding b0: spec.expiresAt: " +
			"the end is more than 10 years ahead: correct the year, or leave the field out for a binding without an end"},
		{"what stands for never", "expirationDate: 9999-12-31\n", "x.yaml:21: meshProjectUserBinding b0: expirationDate: " +
			"the end is more than 10 years ahead: correct the year, or leave the field out for a binding without an end"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := documentsWith(t, c.fields).Validate(now); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Validate() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextEnd(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2027, 1, d, 0, 0, 0, 0, time.UTC) }
	ends := func(user, role string, at time.Time) document.Binding {
		return document.Binding{Name: user + role, Subject: user, Role: role, Ends: at}
	}
	for _, c := range []struct {
		reason   string
		bindings []document.Binding
		want     document.NextEnd
	}{
		{"no binding ends", []document.Binding{ends("u", "r", time.Time{})}, document.NextEnd{}},
		{"all have ended", []document.Binding{ends("u", "r", day(1)), ends("v", "r", day(2))}, document.NextEnd{}},
		{"the earliest of those to come", []document.Binding{ends("u", "r", day(9)), ends("v", "r", day(5)), ends("w", "r", day(1))},
			document.NextEnd{At: day(5), Users: 1}},
		{"several at once, one of them with two roles", []document.Binding{ends("u", "r", day(5)), ends("u", "s", day(5)), ends("v", "r", day(5))},
			document.NextEnd{At: day(5), Users: 2}},
		{"another binding grants the role for longer", []document.Binding{ends("u", "r", day(5)), ends("u", "r", day(7))},
			document.NextEnd{At: day(7), Users: 1}},
		{"another binding grants the role for good", []document.Binding{ends("u", "r", day(5)), ends("u", "r", time.Time{})}, document.NextEnd{}},
		{"it grants another role", []document.Binding{ends("u", "r", day(5)), ends("u", "s", time.Time{})}, document.NextEnd{At: day(5), Users: 1}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			in := document.TenantInput{UserBindings: c.bindings, Now: day(2)}
			got, found := in.NextEnd()
			if diff := cmp.Diff(c.want, got); diff != "" || found != (c.want.Users > 0) {
				t.Errorf("NextEnd() (-want +got):\n%s", diff)
			}
		})
	}
}
