package store

import (
	"crypto/rand"
	"fmt"
	"maps"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// randomLength is how much of #{rand} there is to take from.
const randomLength = 100

// draws is what apply draws for tenants that have no numbers yet.
type draws struct {
	// all holds the numbers of every tenant, stored ones included.
	all map[access.TenantID]document.Drawn
	// fresh are the tenants whose numbers are yet to be stored.
	fresh []access.TenantID
	// last is each platform's counter where it moved.
	last map[string]int
	// taken are the tenants by their numbers, while numbers are allocated.
	taken map[numberKey]access.TenantID
}

// draw gives every tenant its numbers: those it has, else those it was given,
// else new ones in the order of tenants. Numbers never change once they are
// drawn, because names on platforms are made of them. stored are the numbers of the tenants
// and of those that have one of the given or allocated numbers, last are the platforms'
// counters. It fails with ErrUnconfirmed if an allocated number is another tenant's.
func draw(
	stored map[access.TenantID]document.Drawn, last map[string]int, tenants []access.TenantID,
	given, allocated map[access.TenantID]document.Drawn,
) (draws, error) {
	d := draws{all: maps.Clone(stored), last: map[string]int{}, taken: make(map[numberKey]access.TenantID, len(stored))}
	for id, has := range stored {
		d.taken[numberKey{id.Platform, has.Number}] = id
	}
	if err := d.takeDocumented(last, tenants, given); err != nil {
		return d, err
	}
	for _, id := range tenants {
		if _, ok := d.all[id]; ok {
			continue
		}
		drawn, ok := allocated[id]
		if !ok {
			drawn = document.Drawn{Number: max(last[id.Platform], d.last[id.Platform]) + 1, Random: random()}
		}
		if _, used := d.taken[numberKey{id.Platform, drawn.Number}]; used {
			return d, fmt.Errorf("store: %w: the number %d of %s is another tenant's now", ErrUnconfirmed, drawn.Number, id)
		}
		d.take(last, id, drawn)
	}
	d.taken = nil
	return d, nil
}

// numberKey is a number of a platform, which one tenant has.
type numberKey struct {
	platform string
	number   int
}

// takeDocumented gives tenants the numbers that the documents give them.
func (d *draws) takeDocumented(last map[string]int, tenants []access.TenantID, given map[access.TenantID]document.Drawn) error {
	var problems document.Problems
	for _, id := range tenants {
		want, ok := given[id]
		if !ok {
			continue
		}
		has, drawn := d.all[id]
		owner, used := d.taken[numberKey{id.Platform, want.Number}]
		switch {
		case drawn && has != want:
			problems = append(problems, problem(id, "the tenant has other numbers already, and they never change: leave this section out"))
		case drawn:
		case used:
			problems = append(problems, problem(id, fmt.Sprintf(
				"tenantPlatformNumber %d is tenant %s's: leave this section out", want.Number, owner)))
		default:
			d.take(last, id, want)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func problem(id access.TenantID, text string) document.Problem {
	tenant := document.ID{Kind: document.KindTenant, Name: id.String()}
	return document.Problem{Object: tenant.String(), Field: "rollcall", Text: text}
}

// take notes a tenant's numbers as new, and moves the platform's counter on.
func (d *draws) take(last map[string]int, id access.TenantID, drawn document.Drawn) {
	d.all[id] = drawn
	d.taken[numberKey{id.Platform, drawn.Number}] = id
	d.fresh = append(d.fresh, id)
	d.last[id.Platform] = max(drawn.Number, last[id.Platform], d.last[id.Platform])
}

// random returns a fresh #{rand}: characters of a-z and 0-9, each as likely as
// the others.
func random() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	const fair = 256 - 256%len(alphabet) // above, some would be likelier
	text := make([]byte, 0, randomLength)
	buffer := make([]byte, 2*randomLength)
	for len(text) < randomLength {
		_, _ = rand.Read(buffer) // never fails: package crypto/rand ends the program first
		for _, b := range buffer {
			if int(b) < fair && len(text) < randomLength {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}
