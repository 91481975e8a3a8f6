// Package archtest checks the shape of the code: which package may import
// which, what no package may have, which words names and CLI texts may use, and
// which names leave a process. It holds tests only.
//
// The table of imports is the one that lint uses: depguard's rules in .golangci.yml.
//
// The words are in testdata/vocabulary: those of the field, the terms of
// Rollcall (glossary.txt), and those that may never come back, each with the
// term to use instead (retired.txt). baseline.txt counts the uses of older code;
// its figures only fall:
//
//	go test ./internal/archtest -run Vocabulary -update         # after a rename
//	go test ./internal/archtest -run Vocabulary -update -raise  # after a merge
//	go test ./internal/archtest -run Vocabulary -v -most 60     # the uses left
//
// The names that leave a process are in testdata/wire-names.txt:
//
//	go test ./internal/archtest -run TestWireNames -update
package archtest
