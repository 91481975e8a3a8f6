package drivertest

import "testing"

// AllLaws lists the laws' names.
func AllLaws() []Law {
	var names []Law
	for _, e := range laws() {
		names = append(names, e.law)
	}
	return names
}

// Examine runs one law.
func Examine(t testing.TB, s Suite, law Law) {
	for _, e := range laws() {
		if e.law == law {
			examine(t, s, e)
		}
	}
}
