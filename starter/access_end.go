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
