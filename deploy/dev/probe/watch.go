package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Right is something that an account may do on a tenant.
type Right struct {
	Account string
	// Role is the platform's role, or an action that stands for it.
	Role string
}

// Asker asks one platform. It is safe for use by many goroutines.
type Asker interface {
	// Ask returns what people may do on the tenant. Platforms that answer for each
	// right by itself are asked for those in only, and for all where it is nil.
	Ask(ctx context.Context, tenant string, only []Right) (map[Right]bool, error)
	// Groups returns the names of the groups that have rights on the tenant.
	Groups(ctx context.Context, tenant string) ([]string, error)
}

// ErrNothing reports a tenant on which nobody has any right: there is nothing to
// watch.
var ErrNothing = errors.New("probe: nobody has a right")

// Gap is a time during which an account did not have a right.
type Gap struct {
	Tenant string
	Right  Right
	// Length is from the last look that saw the right to the next one that did, or
	// to the end; it is never too short.
	Length time.Duration
}

// Report is what a Watch saw.
type Report struct {
	Platform string
	Tenants  int
	// Rights are those that people had at the beginning, on all tenants.
	Rights int
	// Looks count the answers, Probes the rights that these were checked for, Failed
	// the looks that got no answer.
	Looks, Probes, Failed int
	// Apart is the longest time between two looks at one tenant.
	Apart time.Duration
	// Gaps are all that were seen, the longest first.
	Gaps []Gap
	// Before and After are the names of the groups that had rights, sorted.
	Before, After []string
}

// Longest returns the longest gap, zero where there was none.
func (r Report) Longest() time.Duration {
	if len(r.Gaps) == 0 {
		return 0
	}
	return r.Gaps[0].Length
}

// Renamed counts the groups that have rights now and had other names before.
func (r Report) Renamed() int {
	return len(slices.DeleteFunc(slices.Clone(r.After), func(name string) bool { return slices.Contains(r.Before, name) }))
}

// Watch looks at a platform's tenants again and again.
type Watch struct {
	platform string
	asker    Asker
	tenants  []string
	before   []string // names of groups
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex // guards report
	report Report
}

// Start takes a first look, of which it keeps what rights there are, and then
// looks at each tenant every so often until Stop. The first look is not in a
// hurry: ctx may end right after Start.
func Start(ctx context.Context, platform string, asker Asker, tenants []string, every time.Duration) (*Watch, error) {
	w := &Watch{platform: platform, asker: asker, tenants: tenants}
	w.report = Report{Platform: platform, Tenants: len(tenants)}
	var err error
	if w.before, err = w.groups(ctx); err != nil {
		return nil, err
	}
	w.report.Before = w.before
	first := make([][]Right, len(tenants))
	for i, tenant := range tenants {
		has, err := asker.Ask(ctx, tenant, nil)
		if err != nil {
			return nil, fmt.Errorf("probe: %s: %w", platform, err)
		}
		if first[i] = held(has); len(first[i]) == 0 {
			return nil, fmt.Errorf("%w on %s of %s", ErrNothing, tenant, platform)
		}
		w.report.Rights += len(first[i])
	}
	looking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	for i, tenant := range tenants {
		w.running.Go(func() { w.watch(looking, tenant, first[i], every) })
	}
	return w, nil
}

// held returns the rights that are there, sorted.
func held(has map[Right]bool) []Right {
	maps.DeleteFunc(has, func(_ Right, yes bool) bool { return !yes })
	return slices.SortedFunc(maps.Keys(has), func(a, b Right) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Role, b.Role))
	})
}

// groups returns the names of all groups with rights, sorted.
func (w *Watch) groups(ctx context.Context) ([]string, error) {
	var all []string
	for _, tenant := range w.tenants {
		names, err := w.asker.Groups(ctx, tenant)
		if err != nil {
			return nil, fmt.Errorf("probe: %s: %w", w.platform, err)
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// watch looks at one tenant until ctx ends.
func (w *Watch) watch(ctx context.Context, tenant string, rights []Right, every time.Duration) {
	seen := map[Right]time.Time{} // when it was last there
	gone := map[Right]bool{}
	last := time.Now()
	for _, r := range rights {
		seen[r] = last
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		has, err := w.asker.Ask(ctx, tenant, rights)
		if err != nil {
			w.missed(ctx)
		} else {
			w.saw(tenant, rights, has, seen, gone, began)
			w.looked(len(rights), time.Since(last))
			last = began
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	w.end(tenant, seen, gone, time.Since(last))
}

// saw notes which rights are there and which gaps have ended.
func (w *Watch) saw(tenant string, rights []Right, has map[Right]bool, seen map[Right]time.Time, gone map[Right]bool, began time.Time) {
	for _, r := range rights {
		if !has[r] {
			gone[r] = true
			continue
		}
		if gone[r] {
			w.gap(Gap{Tenant: tenant, Right: r, Length: time.Since(seen[r])})
			delete(gone, r)
		}
		seen[r] = began
	}
}

// end notes the gaps that are open, and how long ago the last look was.
func (w *Watch) end(tenant string, seen map[Right]time.Time, gone map[Right]bool, apart time.Duration) {
	for r := range gone {
		w.gap(Gap{Tenant: tenant, Right: r, Length: time.Since(seen[r])})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Apart = max(w.report.Apart, apart)
}

// Looks returns how many answers there were so far.
func (w *Watch) Looks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report.Looks
}

func (w *Watch) looked(probes int, apart time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Looks++
	w.report.Probes += probes
	w.report.Apart = max(w.report.Apart, apart)
}

// missed counts a look without an answer, unless we ended it ourselves.
func (w *Watch) missed(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		w.report.Failed++
	}
}

func (w *Watch) gap(g Gap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Gaps = append(w.report.Gaps, g)
}

// Stop ends the looking, with one look at every tenant's groups, and reports.
func (w *Watch) Stop(ctx context.Context) (Report, error) {
	w.cancel()
	w.running.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.report.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(b.Length, a.Length), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Right.Account, b.Right.Account))
	})
	var err error
	w.report.After, err = w.groups(ctx)
	return w.report, err
}

// Renamed reports whether as many groups as at the beginning have rights, and none
// of those. A platform that does not answer has not renamed them yet.
func (w *Watch) Renamed(ctx context.Context) bool {
	now, err := w.groups(ctx)
	return err == nil && len(now) == len(w.before) &&
		!slices.ContainsFunc(now, func(name string) bool { return slices.Contains(w.before, name) })
}
