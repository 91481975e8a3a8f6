package identity

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Similar says how a name that a platform has differs from one that was looked up and not
// found, if users may take one for the other. It returns "" for equal names and for names
// that differ in more.
func Similar(name, existing string) access.Similarity {
	switch {
	case name == existing:
		return ""
	case norm.NFC.String(name) == norm.NFC.String(existing):
		return access.DiffersByComposition
	case SearchKey(name) == SearchKey(existing):
		return access.DiffersByCase
	case strings.TrimSpace(name) == strings.TrimSpace(existing):
		return access.DiffersByBlanks
	default:
		return ""
	}
}
