package activities

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestWholesOf(t *testing.T) {
	t.Parallel()
	record := func(id, partOf string) ledger.Record {
		return ledger.Record{Step: plan.Step{ID: id, PartOf: partOf}}
	}
	for _, c := range []struct {
		reason string
		failed []ledger.Record
		want   map[string]string
	}{
		{"a step without parts counts its own dependants", []ledger.Record{record("a", "")}, map[string]string{"a": "a"}},
		{
			"a part of a part counts those of the plan's step, in whatever order the records come",
			[]ledger.Record{record("a-2-1", "a-2"), record("a", ""), record("a-2", "a"), record("b", "")},
			map[string]string{"a": "a", "a-2": "a", "a-2-1": "a", "b": "b"},
		},
		{"a part whose step is not among the records", []ledger.Record{record("c-1", "c")}, map[string]string{"c-1": "c"}},
	} {
		if diff := cmp.Diff(c.want, wholesOf(c.failed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
