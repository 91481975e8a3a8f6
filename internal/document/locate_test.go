package document_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

func TestLocate(t *testing.T) {
	stored := decode(t, "", "{apiVersion: v1, kind: meshWorkspace, metadata: {name: old}, spec: {displayName: O}}")
	stored[0].Line = 0
	given := decode(t, "new.yaml", `{apiVersion: v1, kind: meshWorkspace, metadata: {name: a}, spec: {displayName: A}}
---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: b}, spec: {displayName: B}}
`)
	set := newSet(t, append(given, stored...))
	err := set.Locate([]document.Problem{
		{Object: "meshWorkspace b", Field: "spec", Text: "two"},
		{Object: "meshWorkspace b", Text: "one"},
		{Object: "meshWorkspace old", Text: "of a stored one"},
		{Object: "meshWorkspace nobody", Text: "of none"},
	})
	if !errors.Is(err, document.ErrInvalid) {
		t.Fatalf("the error is %v, want %v", err, document.ErrInvalid)
	}
	want := `meshWorkspace nobody: of none
meshWorkspace old: of a stored one
new.yaml:3: meshWorkspace b: one
new.yaml:3: meshWorkspace b: spec: two`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if err := set.Locate(nil); err != nil {
		t.Errorf("nothing is wrong, but: %v", err)
	}
}
