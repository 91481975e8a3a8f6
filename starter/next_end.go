package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// endText says for users when access ends next, without names.
func endText(end document.NextEnd) string {
	return fmt.Sprintf("access of %s ends at %s", count(end.Users, "user"), document.FormatEnd(end.At))
}

// endsAtMost is how many ends a table lists.
const endsAtMost = 10

// writeEnds lists the next end of each tenant, the earliest first.
func writeEnds(w io.Writer, items []control.TenantReport) {
	items = slices.DeleteFunc(slices.Clone(items), func(i control.TenantReport) bool { return i.NextEnd == nil })
	slices.SortStableFunc(items, func(a, b control.TenantReport) int { return a.NextEnd.At.Compare(b.NextEnd.At) })
	for n, i := range items {
		if n == 0 {
			fmt.Fprintln(w)
		}
		if n == endsAtMost {
			fmt.Fprintf(w, "... and %d more: -o json lists all\n", len(items)-n)
			return
		}
		fmt.Fprintf(w, "%s/%s: %s.\n", i.Tenant, i.Platform, endText(*i.NextEnd))
	}
}
