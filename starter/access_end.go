package main

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// accessEnds returns, for each stored platform, the time until access ends after a removal.
// A platform whose document is gone has none, which reads as unknown.
func (c *cli) accessEnds(ctx context.Context) (map[string]driver.AccessEnd, error) {
	platforms, err := c.documents.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	byType := map[string]driver.AccessEnd{}
	for _, t := range types.All() {
		byType[t.Name()] = t.Profile.AccessEnd
	}
	ends := make(map[string]driver.AccessEnd, len(platforms))
	for _, p := range platforms {
		ends[p.Identifier()] = byType[p.Type]
	}
	return ends, nil
}

// accessEndReport is a driver.AccessEnd in JSON.
type accessEndReport struct {
	// Text is the figure in words: "up to 12h", "at once", "unknown".
	Text string `json:"text"`
	// WithinMS is the longest time in milliseconds, nil where none is known.
	WithinMS *int64 `json:"within_ms"`
	Because  string `json:"because,omitempty"`
	Source   string `json:"source,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

func reportAccessEnd(e driver.AccessEnd) accessEndReport {
	report := accessEndReport{Text: e.String(), Because: e.Because, Source: e.Source, Hint: e.Hint}
	if bound, known := e.Bound(); known {
		ms := bound.Milliseconds()
		report.WithinMS = &ms
	}
	return report
}

// accessEndText says how long access lasts after a removal on a platform, and what ends it
// earlier; empty where nothing does.
func accessEndText(platform string, e driver.AccessEnd) string {
	if e.Because == "" {
		return ""
	}
	text := fmt.Sprintf("%s: time until access ends: %s: %s", platform, e, e.Because)
	if e.Hint != "" {
		text += ". To end it earlier, " + e.Hint
	}
	return text
}
