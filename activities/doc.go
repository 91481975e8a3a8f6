// Package activities adapts the internal packages to workflows. An activity decodes its
// input, calls a method of package reconcile or revocation, and encodes the result. It
// heartbeats, measures and logs, and converts Go errors to Temporal errors: no other package
// does that.
package activities
