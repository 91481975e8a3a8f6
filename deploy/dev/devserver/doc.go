// Package devserver is a Temporal server, with its UI, inside the process: for
// the one-command stack and the end-to-end tests, never for production. It has
// one history shard and keeps its state in memory or in one SQLite file.
package devserver
