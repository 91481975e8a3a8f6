// Package engine is how Rollcall talks to Temporal: the client's options, the
// task queues, and the search attributes people filter by.
package engine
