package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

func TestDecodeItems(t *testing.T) {
	t.Parallel()
	const user, workspace = `{"apiVersion": "v2", "kind": "meshUser", "metadata": {"name": "anna"}}`, `{"apiVersion": "v2", "kind": "meshWorkspace", "metadata": {"name": "w"}}`
	const two = "{apiVersion: v1, kind: meshWorkspaceUserBinding, roleRef: {name: Workspace Owner}, targetRef: {name: w}, subjects: [{name: a}, {name: b}]}"
	for _, tt := range []struct {
		reason, input string
		want          []string // the name, and the documents or the first problem
		failed        bool
	}{
		{"a JSON list", "[" + user + ", " + workspace + "]", []string{"meshUser anna: 1", "meshWorkspace w: 1"}, false},
		{"JSON that turns out to be YAML is read once", user + "\n--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: w}}",
			[]string{"meshUser anna: 1", "meshWorkspace w: 1"}, false},
		{"what is wrong with one leaves the others", "{kind: meshUser, metadata: {name: x}}\n--- " + workspace + "\n--- just text",
			[]string{"meshUser x: apiVersion: is missing: write v1 or v2", "meshWorkspace w: 1", ": a document is a mapping with apiVersion, kind and metadata"}, false},
		{"an object that stands for two", two, []string{"meshWorkspaceUserBinding w.Workspace Owner.a: 2"}, false},
		{"nothing", "---\n---\n", nil, false},
		{"no YAML", "{", nil, true},
	} {
		items, _, err := document.DecodeItems(strings.NewReader(tt.input), "in")
		var got []string
		for _, item := range items {
			text := string(rune('0' + len(item.Documents)))
			if len(item.Problems) > 0 {
				text = strings.TrimPrefix(item.Problems[0].Field+": "+item.Problems[0].Text, ": ")
			}
			got = append(got, item.Name+": "+text)
		}
		if _, failed := errors.AsType[document.Problems](err); failed != tt.failed {
			t.Errorf("%s: %v", tt.reason, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
}
