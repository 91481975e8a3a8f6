package main

import (
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// accessEndText says how long access lasts after a removal on a platform, and what ends it
// earlier; empty where nothing does.
func accessEndText(platform string, e driver.AccessEndReport) string {
	if e.Because == "" {
		return ""
	}
	text := fmt.Sprintf("%s: time until access ends: %s: %s", platform, e.Text, e.Because)
	if e.Hint != "" {
		text += ". To end it earlier, " + e.Hint
	}
	return text
}
