// Package simulate is what the simulated clouds have in common: calls that are
// counted by operation, faults on demand, throttling, reads that lag behind
// writes, and state that survives a restart.
//
// A simulated cloud is a package below this one. It is only worth something
// while the vendor's own clients cannot tell it from the real one, so its shapes
// come from the vendor's own description, and its package comment lists what it
// does not have.
package simulate
