// Package oracle is a frozen copy of the planner as it was before it is rebuilt
// in passes. Tests of package plan compare the planner with it.
//
// Only tests import it: package archtest checks that. It imports neither package
// plan nor package access, so that both may change their shape, and it is never
// edited. It holds the files of package plan but for the package comment and the
// text of a plan; its subpackage access holds those of package access. It is
// deleted once the new planner has replaced the old one.
//
// A deliberate difference of the new planner is not made here. It is an entry of
// the list deliberate in internal/plan/oracle_test.go, which says the reason and
// turns what the oracle plans into what is right.
package oracle
