// Package activities does the work for workflows: it reads documents, asks
// platforms, plans, applies and records. It is the one place where Go errors
// become Temporal errors.
package activities
