// Package archtest checks the shape of the code: which package may import
// which, and what no package may have. It holds tests only.
package archtest
