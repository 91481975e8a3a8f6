package drivertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Refusals are a vendor's own answers to writes that it does not do.
type Refusals struct {
	// Proxy is between the driver and the platform.
	Proxy *faultproxy.Proxy
	// Writes reports whether a request writes. It must not read the body.
	Writes func(*http.Request) bool
	// Permanent returns how the vendor refuses a write until a user or an operator acts,
	// Retryable how it refuses one for now.
	Permanent, Retryable func(*http.Request) faultproxy.Fault
}

// Answer returns a fault that answers with a status and a JSON text.
func Answer(status int, body string) faultproxy.Fault {
	return faultproxy.Fault{Status: status, Body: body}
}

// failureMode is a way in which a write fails.
type failureMode string

// The modes.
const (
	permanent   failureMode = "refused"
	retryable   failureMode = "failed once"
	interrupted failureMode = "done, with its answer lost"
)

// position is a write of a plan: one of a step, or all that a step does about an account.
type position struct {
	step plan.Step
	// account is the id of an account that the step adds or removes; "" for any.
	account string
	// write counts the writes of the step, from 0.
	write int
}

func (p position) String() string {
	text := fmt.Sprintf("write %d of %s", p.write+1, named(p.step))
	if p.account != "" {
		text = fmt.Sprintf("%s for the account %s", named(p.step), p.account)
	}
	return text
}

// injector is a driver that makes writes at one position fail. It applies one unit at a
// time, so that each request belongs to a known unit.
type injector struct {
	driver.Driver

	refusals *Refusals
	position position
	mode     failureMode
	// whole is true where one request writes the whole set of a group or binding.
	whole bool

	mu sync.Mutex
	// targets are the IDs of the step at the position and of its parts.
	targets map[string]bool
	unit    []plan.Step // being applied
	// writes counts the requests of the unit, signature is that of the write that fails.
	writes    int
	signature string
	hits      int
	// failed are the steps, by ID, of the units in which a write failed.
	failed map[string]bool
}

// inject returns the driver with a failure. The returned function ends the failure.
func (t *tenant) inject(at position, mode failureMode) (*injector, func()) {
	i := &injector{
		Driver: t.driver, refusals: t.world.Refusals, position: at, mode: mode, whole: t.profile.MemberChunk == 0,
		targets: map[string]bool{at.step.ID: true}, failed: map[string]bool{},
	}
	if i.refusals == nil {
		return i, func() {}
	}
	i.refusals.Proxy.Add(faultproxy.Rule{Match: i.refusals.Writes, MatchBody: i.strikes, Answer: i.answer})
	return i, i.refusals.Proxy.Clear
}

// Profile implements driver.Driver.
func (i *injector) Profile() driver.Profile {
	p := i.Driver.Profile()
	p.Parallel = 1
	return p
}

// Apply implements driver.Driver.
func (i *injector) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	i.begin(steps)
	defer i.begin(nil)
	if i.refusals != nil || !i.strikes(nil, nil) {
		return i.Driver.Apply(ctx, scope, steps)
	}
	class := map[failureMode]error{permanent: fault.ErrInvalid, retryable: fault.ErrThrottled, interrupted: fault.ErrUnavailable}[i.mode]
	if i.mode == interrupted {
		i.Driver.Apply(ctx, scope, steps)
	}
	results := make([]driver.Result, len(steps))
	for n := range results {
		results[n].Err = fmt.Errorf("drivertest: %w: the write is %s", class, i.mode)
	}
	return results
}

// begin notes which steps are being applied.
func (i *injector) begin(steps []plan.Step) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unit, i.writes = steps, 0
	for _, s := range steps {
		if i.targets[s.PartOf] {
			i.targets[s.ID] = true
		}
	}
}

// strikes reports whether a write fails, and counts it. Without proxy there is no
// request: the unit counts as one.
func (i *injector) strikes(r *http.Request, body []byte) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	target := slices.IndexFunc(i.unit, func(s plan.Step) bool { return i.targets[s.ID] })
	if target < 0 || i.mode != permanent && i.hits > 0 {
		return false
	}
	if i.position.account == "" {
		if !i.isWrite(r) {
			return false
		}
	} else if !i.includes(i.unit[target], r, body) {
		return false
	}
	i.hits++
	for _, s := range i.unit {
		i.failed[s.ID] = true
	}
	return true
}

// isWrite reports whether the request is the write at the position. From the first time
// on its method and address tell: a repeated step may need fewer writes.
func (i *injector) isWrite(r *http.Request) bool {
	if r == nil {
		return true
	}
	signature := strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("X-Amz-Target")}, " ")
	if i.signature == "" && i.writes == i.position.write {
		i.signature = signature
	}
	i.writes++
	return signature == i.signature
}

// includes reports whether the request writes the account at the position, for a step
// that does: it names the account, or no other account of the step.
func (i *injector) includes(s plan.Step, r *http.Request, body []byte) bool {
	accounts := slices.Concat(s.Adds(), s.Removes())
	if !slices.ContainsFunc(accounts, func(m access.Member) bool { return m.Ref == i.position.account }) {
		return false
	}
	if i.whole || r == nil {
		return true
	}
	text := r.URL.Path + " " + string(body)
	return strings.Contains(text, i.position.account) ||
		!slices.ContainsFunc(accounts, func(m access.Member) bool { return strings.Contains(text, m.Ref) })
}

// answer returns the fault of a write that fails.
func (i *injector) answer(r *http.Request) faultproxy.Fault {
	switch i.mode {
	case permanent:
		return i.refusals.Permanent(r)
	case retryable:
		return i.refusals.Retryable(r)
	default:
		return faultproxy.Fault{Lose: true}
	}
}
