// Package control is the service behind the command line: it stores documents, plans and
// replicates tenants, reports statuses, and records decisions.
//
// [Service] is the interface. [Local] implements it in this process, with a store and a
// Temporal client. Requests and answers are plain values with JSON tags, so that the same
// interface can be served over a network. A method that takes long reports its progress as
// [Event] values. The end of its context ends the waiting, never the work that it started.
//
// A failure that a caller can act on is an [*Error]. Its [Code] says which exit code a command
// and which HTTP status a server ends with.
//
//	service := &control.Local{Store: open, Temporal: dial, Platform: platforms, Now: time.Now}
//	answer, err := service.Explain(ctx, control.ExplainRequest{User: "jane-doe", Tenant: tenant})
//	if control.CodeOf(err) == control.NotFound {
//		...
//	}
package control
