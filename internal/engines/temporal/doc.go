// Package temporal runs a real Temporal server, with its UI, built from its Go
// module: for tests and the one-command stack, never for production. It has one
// history shard and keeps its state in memory or in one SQLite file.
//
// The server is a process of its own, so that nothing else has to be compiled
// with its dependencies, and so that the race detector is not spent on it.
//
// The package needs Linux: the server gets a signal when its parent dies.
package temporal
