// Package reconcile applies the steps of a plan to one tenant of a platform.
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
// A refused step (see [Permanent]) stops only the steps that need it. A refused unit of
// several steps or accounts is repeated in ever smaller parts, removals first, until the
// platform refuses a single step or account; the outcomes of the parts are recorded, too.
//
// A step that also adds does not keep a removal back: where the plan no longer fits, or
// Config.WaitExpired is set, the removal is repeated alone.
//
// A step that fails for now stops the steps that need it or wait for it. All others are
// applied before Execute returns the failure. The caller makes another Executor with
// Config.Done and executes the waves again.
//
// A conflict, or an object that is missing, means that the plan no longer fits:
// Report.Replan is set, and no later wave is applied.
//
// The package knows no database and no workflow: [Ledger], Config.Check and Config.Limit
// connect it to both.
package reconcile
