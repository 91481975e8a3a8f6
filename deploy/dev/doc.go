// Command rollcall-dev is all of Rollcall on one machine, for trying it out:
// PostgreSQL, Temporal with its UI, Keystone where it is installed, a worker,
// and an example organisation that is replicated when everything runs.
//
// State survives a restart. Ctrl-C ends it; so does the death of this process,
// however sudden: no child outlives it.
package main
