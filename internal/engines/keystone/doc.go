// Package keystone runs a real Keystone, from Debian's package, for tests and
// the one-command stack.
//
// Everything it needs is in one directory: configuration, keys, the admin's
// password. Its data is in a PostgreSQL database that the caller provides. It
// listens on 127.0.0.1 only. Never put real data into one.
//
// It keeps nothing between two requests ([cache] without a backend), so that every read
// sees every write. The exception is the caller's own token, which is validated again
// after two seconds. It hashes passwords cheaply. These settings are for tests, as is
// the server's own log, which names people.
//
// The package needs Linux: the server gets a signal when its parent dies.
package keystone
