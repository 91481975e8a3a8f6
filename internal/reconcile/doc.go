// Package reconcile compares tenants with their platform, and applies the steps of plans.
//
// A [Reconciler] plans many tenants of one platform together, in phases that each replace
// one part of a [Tenant]: gather what documents and database say, resolve accounts,
// observe the platform, compare, answer what the comparison does not know, and hold what
// the guards hold. Record stores what the comparisons found:
//
//	d, tenants, err := r.Compare(ctx, ids, reconcile.Options{})
//	recorded, err := r.Record(ctx, tenants, reconcile.Run{ID: run})
//
// Calls and SQL statements do not grow with the number of tenants, as far as the platform
// allows it.
//
// Apply applies a part of a stored plan, Compensate removes what a run has made for a group
// replacement, and RecordOutcome stores how a run ended that did not converge:
//
//	applied, err := r.Apply(ctx, reconcile.Batch{Run: run, Desired: desired, Waves: waves})
//	compensated, err := r.Compensate(ctx, reconcile.CompensateRequest{Run: run, ID: id})
//	warnings, err := r.RecordOutcome(ctx, reconcile.RunEnd{Run: run, Outcome: reconcile.Failed})
//
// Each reads what it needs from the database, decides by pure functions of the plan and the
// ledger's records, and stores the result.
//
// An [Executor] takes waves of write units, as package plan orders them. Of each unit it
// records the intent, checks that the steps are still desired, has the driver apply
// them, and records the outcomes:
//
//	e := reconcile.New(reconcile.Config{Plan: p, Driver: d, Scope: scope, Ledger: ledger})
//	err := e.Execute(ctx, p.Waves(d.Profile().Unit))
//	report := e.Report()
//
// # Failures
//
// A refused step (see [fault.Permanent]) stops only the steps that need it. A refused unit of
// several steps or accounts is repeated in ever smaller parts, removals first, until the
// platform refuses a single step or account; the outcomes of the parts are recorded, too.
//
// A step that also adds does not keep a removal back: where the plan no longer fits, or
// Config.WaitExpired is set, the removal is repeated alone.
//
// A step that fails for now stops the steps that need it or wait for it. All others are
// applied before Execute returns the failure (see [IsUnfinished]). The caller makes another
// Executor with Config.Done and executes the waves again.
//
// A conflict, or an object that is missing, means that the plan no longer fits:
// Report.Replan is set, and no later wave is applied.
//
// An Executor knows no database: [Ledger], Config.Check and Config.Limit connect it. The
// package knows no workflow: the caller passes its run and its attempt (see [Attempt]).
package reconcile
