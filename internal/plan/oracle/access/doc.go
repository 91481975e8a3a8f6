// Package access is the copy of package access that the oracle works on: see
// package oracle.
package access
