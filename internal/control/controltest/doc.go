// Package controltest holds the conformance tests of package control: what every
// implementation of control.Service does, on a real database.
//
// An implementation runs them with one function that opens an empty installation:
//
//	controltest.Run(t, func(t *testing.T) controltest.Installation { ... })
package controltest
