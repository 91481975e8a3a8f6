package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// resolve answers for every account. Only "found" is remembered, for a day; a
// fresh look asks the platform about all of them, and forgets what it
// contradicts.
func (p *Platform) resolve(
	ctx context.Context, d driver.Driver, platform string, names []string, fresh bool,
) (map[string]access.Resolution, error) {
	attribute := d.Profile().LookupAttribute
	known, err := p.store.KnownAccounts(ctx, platform, attribute, names)
	if err != nil {
		return nil, fmt.Errorf("activities: read known accounts: %w", err)
	}
	found := make(map[string]access.Resolution, len(names))
	ask := names
	if !fresh {
		ask = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return known[name] != "" })
		for name, ref := range known {
			found[name] = access.Resolution{Found: access.Yes, Refs: []string{ref}}
		}
	}
	if len(ask) == 0 {
		return found, nil
	}
	answers, err := d.Resolve(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("activities: look up accounts: %w", err)
	}
	for i, answer := range answers {
		found[ask[i]] = answer
	}
	return found, p.remember(ctx, platform, attribute, ask, known, found)
}

// remember stores what was found anew and forgets what no longer holds.
func (p *Platform) remember(
	ctx context.Context, platform, attribute string, asked []string, known map[string]string, found map[string]access.Resolution,
) error {
	fresh, stale := map[string]string{}, []string(nil)
	for _, name := range asked {
		answer := found[name]
		switch {
		case answer.Found == access.Yes:
			fresh[name] = answer.Refs[0]
		case known[name] != "":
			stale = append(stale, name)
		}
	}
	if err := p.store.RememberAccounts(ctx, platform, attribute, fresh); err != nil {
		return fmt.Errorf("activities: remember %d accounts: %w", len(fresh), err)
	}
	if len(stale) == 0 {
		return nil
	}
	if err := p.store.ForgetAccounts(ctx, platform, attribute, stale); err != nil {
		return fmt.Errorf("activities: forget %d accounts: %w", len(stale), err)
	}
	return nil
}
