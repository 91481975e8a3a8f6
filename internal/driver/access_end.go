package driver

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// AccessEnd is the time from a removal that the platform accepted until the user's access
// really ends, by the vendor's documents. Sessions, tokens and caches last longer than a
// removal; that has nothing to do with Profile.Settle, the time until a read shows it. The zero value states
// nothing and is no valid AccessEnd.
type AccessEnd struct {
	// UpTo is the longest time that the vendor names or that its defaults imply. Zero means
	// at once, unless NoBound or Unknown is set.
	UpTo time.Duration
	// NoBound is the estimate that follows from the vendor's documents where they name no
	// longest time, such as "minutes, potentially hours".
	NoBound string
	// Unknown is true where the vendor says nothing.
	Unknown bool
	// Because says what lasts longer than the removal, as a clause: "sessions live on ...".
	Because string
	// Source is the address of the vendor's page, or says why there is none.
	Source string
	// Hint says how an administrator of the platform ends the access earlier; empty where
	// there is no way.
	Hint string
}

// String returns the figure: "at once", "up to 12h", the vendor's estimate or "unknown".
func (e AccessEnd) String() string {
	switch {
	case e == AccessEnd{}, e.Unknown:
		return "unknown"
	case e.NoBound != "":
		return e.NoBound
	case e.UpTo == 0:
		return "at once"
	default:
		return "up to " + shortDuration(e.UpTo)
	}
}

// Bound returns the longest time, and false where none is known.
func (e AccessEnd) Bound() (time.Duration, bool) {
	return e.UpTo, e != AccessEnd{} && !e.Unknown && e.NoBound == ""
}

// Validate reports what a profile leaves open: it states exactly one figure, its source, and
// the reason for any figure but zero.
func (e AccessEnd) Validate() error {
	figures := 0
	for _, set := range []bool{e.UpTo != 0, e.NoBound != "", e.Unknown} {
		if set {
			figures++
		}
	}
	switch {
	case e.UpTo < 0:
		return fmt.Errorf("driver: access end: %w: UpTo is negative", fault.ErrInvalid)
	case figures > 1:
		return fmt.Errorf("driver: access end: %w: UpTo, NoBound and Unknown exclude each other", fault.ErrInvalid)
	case strings.TrimSpace(e.Source) == "":
		return fmt.Errorf("driver: access end: %w: Source is empty: \"unknown\" needs a reason too", fault.ErrInvalid)
	case strings.TrimSpace(e.Because) == "" && figures > 0:
		return fmt.Errorf("driver: access end: %w: Because is empty: say what lasts longer than the removal", fault.ErrInvalid)
	default:
		return nil
	}
}

// shortDuration writes whole hours and minutes without the zeros that time.Duration adds.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// AccessEndReport is an AccessEnd in the output of commands.
type AccessEndReport struct {
	// Text is the figure in words: "up to 12h", "at once", "unknown".
	Text string `json:"text"`
	// WithinMS is the longest time in milliseconds, nil where none is known.
	WithinMS *int64 `json:"within_ms"`
	Because  string `json:"because,omitempty"`
	Source   string `json:"source,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

// Report returns the output of commands.
func (e AccessEnd) Report() AccessEndReport {
	report := AccessEndReport{Text: e.String(), Because: e.Because, Source: e.Source, Hint: e.Hint}
	if bound, known := e.Bound(); known {
		ms := bound.Milliseconds()
		report.WithinMS = &ms
	}
	return report
}
