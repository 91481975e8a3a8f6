package document_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

// TestNewDraftSet_AnswersAsASet: on random organisations, whatever nodes are known and share
// their names, a draft finds the same problems and gives the same inputs as a set that keeps
// all documents.
func TestNewDraftSet_AnswersAsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := documenttest.Draw(t)
		docs, names := all.List(), document.Names{}
		entries := make([]document.Entry, len(docs))
		for i := range docs {
			entries[i].Document = &docs[i]
			if !rapid.Bool().Draw(t, "known") {
				continue
			}
			node, err := document.NewNode(docs[i])
			if err != nil {
				t.Fatal(err)
			}
			shared := node
			names.Share(&shared)
			if !shared.Equal(node) {
				t.Fatalf("a node with shared names: %+v, want %+v", shared, node)
			}
			entries[i].Known = &shared
		}
		draft, err := document.NewDraftSet(entries)
		if err != nil {
			t.Fatal(err)
		}
		whole, now := setOf(t, all), time.Now()
		if diff := cmp.Diff(whole.Validate(now), draft.Validate(now)); diff != "" {
			t.Fatalf("problems (-set +draft):\n%s", diff)
		}
		for _, tenant := range whole.Tenants() {
			want, _ := whole.Input(tenant, document.Drawn{Number: 1}, now)
			got, ok := draft.Input(tenant, document.Drawn{Number: 1}, now)
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Fatalf("input of %s, found %t (-set +draft):\n%s", tenant, ok, diff)
			}
			want.UserBindings, want.GroupBindings, want.UserGroups, want.Users, want.SameAccount = nil, nil, nil, nil, nil
			got, ok = draft.NamesInput(tenant, document.Drawn{Number: 1}, now)
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Fatalf("what the names of %s depend on, found %t (-set +draft):\n%s", tenant, ok, diff)
			}
		}
	})
}
