package document_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
)

var update = flag.Bool("update", false, "write golden files")

// placeless compares documents without where they were read.
var placeless = cmpopts.IgnoreFields(document.Document{}, "File", "Line")

func encode(t testing.TB, docs []document.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := document.Encode(&out, docs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// roundTrip encodes docs, decodes the result and encodes it again: nothing may
// change.
func roundTrip(t fataler, docs []document.Document) {
	t.Helper()
	var once, twice bytes.Buffer
	if err := document.Encode(&once, docs); err != nil {
		t.Fatalf("encode: %v", err)
	}
	again, dropped, err := document.Decode(bytes.NewReader(once.Bytes()), "again.yaml")
	if err != nil || len(dropped) != 0 {
		t.Fatalf("decode what was encoded: dropped %v, error %v\n%s", dropped, err, once.String())
	}
	if err := document.Encode(&twice, again); err != nil {
		t.Fatalf("encode again: %v", err)
	}
	if diff := cmp.Diff(once.String(), twice.String()); diff != "" {
		t.Fatalf("the second export differs (-first +second):\n%s", diff)
	}
	order := slices.Clone(docs)
	slices.SortStableFunc(order, func(a, b document.Document) int { return a.ID.Compare(b.ID) })
	if diff := cmp.Diff(order, again, placeless, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("documents differ after a round trip (-before +after):\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	docs, _, err := document.Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[document.Kind]bool{}
	for _, doc := range docs {
		kinds[doc.ID.Kind] = true
		t.Run(doc.ID.String(), func(t *testing.T) { roundTrip(t, []document.Document{doc}) })
	}
	for _, kind := range document.Kinds() {
		if !kinds[kind] {
			t.Errorf("testdata/good has no %s: add one", kind)
		}
	}
	roundTrip(t, docs)
}

// TestGlobalGroupRoundTrips: a global group has a name of its own beside those of workspaces.
func TestGlobalGroupRoundTrips(t *testing.T) {
	docs := decode(t, "in.yaml", `{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: w.devs}, spec: {members: [anna]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: w}}
`)
	if diff := cmp.Diff([]string{".w.devs", "w.devs"}, []string{docs[0].ID.Name, docs[1].ID.Name}); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	roundTrip(t, docs)
}

func TestEncodeOrder(t *testing.T) {
	docs, _, err := document.Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(docs)
	got := encode(t, docs)
	const golden = "testdata/export.golden.yaml"
	if *update {
		write(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the export changed; if that is meant, run this test with -update (-want +got):\n%s", diff)
	}
	if empty := encode(t, nil); empty != "" {
		t.Errorf("no documents give %q, want nothing", empty)
	}
}

// TestAnyUserRoundTrips feeds texts that YAML writers get wrong.
func TestAnyUserRoundTrips(t *testing.T) {
	text := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"yes", "no", "~", "null", "0123", "1e3", "1_000", "2024-01-01", "<<", "=", "- a", "a: b", "#a", " a ", "a\n", "\ta", "\t\n", "\n\ta\n", " \n\t", "\u2028", "\u0085x", "'", "\"", "!!str", "&a", "*a", "%a", "@a", "`a"}),
	).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(t, func(t *rapid.T) {
		tags := fmt.Sprintf("%q", text.Draw(t, "tag"))
		input := fmt.Sprintf(`{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"a"},"spec":{"lastName":%s,"tags":{"x":[%s]}}}`,
			jsonText(t, text.Draw(t, "last name")), jsonText(t, tags))
		docs, _, err := document.Decode(strings.NewReader(input), "in.json")
		if err != nil {
			t.Fatalf("%s: %v", input, err)
		}
		roundTrip(t, docs)
	})
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		base,
		`[{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"a"},"spec":{"euid":"\ud83d\ude00"}}]`,
		"apiVersion: v3\nkind: meshTenant\nmetadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: a.b}\nspec: {quotas: [{key: k, value: 0x10}]}\n",
		"a: &a [*a]\n--- !!map\n? b\n: <<\n",
		"{\"kind\":", "[", "\xff", "---\n---\n", "{apiVersion: v1, kind: meshPlatform, metadata: {name: a}, spec: {locationRef: {name: x}, quotaDefinitions: [{maxValue: 1e21}],\n" +
			"config: {memory: {connection: main, replication: {groupNamePattern: g}}}}}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, _, err := document.Decode(bytes.NewReader(data), "fuzz")
		if err != nil {
			if !errors.Is(err, document.ErrInvalid) {
				t.Fatalf("an input is to blame for itself: %v", err)
			}
			return
		}
		for _, doc := range docs {
			if _, err := document.Parse(doc); err != nil {
				t.Fatalf("a document passed its schema and does not parse: %v\n%s", err, doc.Body)
			}
		}
		roundTrip(t, docs)
		set, err := document.NewSet(docs)
		if err != nil {
			return
		}
		if err := set.Validate(time.Now()); err != nil {
			return
		}
		for _, id := range set.Tenants() {
			if _, ok := set.Input(id, document.Drawn{}, time.Time{}); !ok {
				t.Fatalf("no input for %s", id)
			}
		}
	})
}
