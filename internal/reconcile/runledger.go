package reconcile

import (
	"context"
	"errors"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// NewLedger returns the ledger for the executor of one run.
func NewLedger(l *ledger.Ledger, run ledger.Run) Ledger { return runLedger{ledger: l, run: run} }

// runLedger is the ledger for the executor of one run.
type runLedger struct {
	ledger *ledger.Ledger
	run    ledger.Run
}

// Intend implements Ledger.
func (l runLedger) Intend(ctx context.Context, steps []plan.Step) error {
	return l.ledger.Intend(ctx, ledger.Entry{Run: l.run, Steps: steps})
}

// Record implements Ledger.
func (l runLedger) Record(ctx context.Context, outcomes []Outcome) error {
	all := make([]ledger.Outcome, len(outcomes))
	for i, o := range outcomes {
		all[i] = ledger.Outcome{Step: o.Step, Ref: o.Ref}
		if o.Err != nil {
			all[i].Err = recordOf(o.Err)
		}
	}
	return l.ledger.Record(ctx, l.run, all)
}

// GroupRefs implements Ledger.
func (l runLedger) GroupRefs(ctx context.Context) (map[string]string, error) {
	managed, err := l.ledger.Owned(ctx, l.run.Tenant)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, o := range managed {
		if o.Key.Kind == access.KindGroup {
			refs[o.Key.Group] = o.Ref
		}
	}
	return refs, nil
}

// recordedError is a failure as the ledger has it.
type recordedError string

// Error implements error.
func (r recordedError) Error() string { return string(r) }

// recordOf returns an error as the ledger keeps it: the class and the text on one line, and
// what to do on a second one, where the driver knows it.
func recordOf(err error) string {
	if known, ok := errors.AsType[recordedError](err); ok {
		return string(known)
	}
	text := fault.Name(err) + ": " + strings.ReplaceAll(err.Error(), "\n", " ")
	if advice := fault.Advice(err); advice != "" {
		text += "\n" + advice
	}
	return text
}
