package drivertest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The memory platform has groups and no HTTP. This one is the opposite: roles
// are given to people, in one versioned list each, over HTTP and behind the
// fault proxy. So each branch of the suite is run by somebody.

func TestLawsWithPeopleOverHTTP(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, rosterSuite())
}

func TestVersionsAreComparedFindsItsBreaker(t *testing.T) {
	t.Parallel()
	suite := rosterSuite()
	suite.New = func(t testing.TB) drivertest.World {
		w := newRoster(t)
		open := w.Open
		w.Open = func(t testing.TB) driver.Driver {
			good := open(t)
			return broken{Driver: good, apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
				for i := range steps { // always on top of whatever is there
					seen, _ := good.Observe(ctx, []driver.Scope{scope})
					if have := steps[i].Have.Binding; have != nil && len(seen[0].State.Bindings) > 0 {
						have.Version = seen[0].State.Bindings[0].Version
					}
				}
				return good.Apply(ctx, scope, steps)
			}}
		}
		return w
	}
	if len(watch(t, suite, drivertest.VersionsAreCompared)) == 0 {
		t.Error("the law is content with a driver that breaks it")
	}
}

func rosterSuite() drivertest.Suite {
	pages := func(n int) int { return max(1, (n+rosterPage-1)/rosterPage) }
	return drivertest.Suite{
		New:            newRoster,
		ConvergedCalls: func(scopes, roles int) int { return pages(scopes) + pages(scopes*roles) },
	}
}

// rosterDriver is a driver in one screen: what is generic over HTTP platforms.
type rosterDriver struct {
	base   string
	token  *string // behind a pointer, so that printing the driver does not show it
	client *http.Client
}

func (rosterDriver) Profile() driver.Profile {
	return driver.Profile{
		Type: "roster", LookupAttribute: "name", Marks: true, AdditionalPermissions: plan.KeepAdditional,
		Cleanup: true, Unit: plan.PerObject, Parallel: 4, ScopesPerObserve: 50, Settle: 100 * time.Millisecond,
		AccessEnd: driver.AccessEnd{Source: "the roster checks each request"},
		Cost:      driver.Cost{VerifyOne: "2", VerifyAll: "2 lists, paged", ChangeOne: "1"},
	}
}

func (rosterDriver) Fit(o plan.Object) error {
	switch {
	case o.Group != nil || o.Members != nil:
		return fmt.Errorf("roster: %w: there are no groups", fault.ErrUnsupported)
	case o.Binding != nil && (o.Binding.Role == "" || url.PathEscape(o.Binding.Role) != o.Binding.Role):
		return fmt.Errorf("roster: role %q: %w: use letters, digits and dashes", o.Binding.Role, fault.ErrInvalid)
	default:
		return nil
	}
}

func (d rosterDriver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	users, err := list[rosterUser](ctx, d, "users", url.Values{"name": accounts})
	if err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i].Found = access.No
		for _, u := range users {
			if u.Name != name {
				continue
			}
			answers[i].Refs = append(answers[i].Refs, u.ID)
			answers[i].Found = access.Yes
			if u.Disabled {
				answers[i].Found = access.Disabled
			}
		}
		if len(answers[i].Refs) > 1 {
			answers[i].Found = access.Ambiguous
		}
	}
	return answers, nil
}

func (d rosterDriver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, nil
	}
	ids := make([]string, len(scopes))
	for i, s := range scopes {
		ids[i] = s.ID
	}
	tenants, err := list[rosterTenant](ctx, d, "tenants", url.Values{"id": ids})
	if err != nil {
		return nil, err
	}
	roles, err := list[rosterRole](ctx, d, "roles", url.Values{"tenant": ids})
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, id := range ids {
		observations[i].Missing = !slices.Contains(tenants, rosterTenant{id})
		for _, r := range roles {
			if r.Tenant == id {
				observations[i].State.Bindings = append(observations[i].State.Bindings, r.binding())
			}
		}
		observations[i].State.Sort()
	}
	return observations, nil
}

func (d rosterDriver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	results := make([]driver.Result, len(steps))
	for i, s := range steps {
		results[i].Ref, results[i].Err = d.apply(ctx, scope, s)
	}
	return results
}

func (d rosterDriver) apply(ctx context.Context, scope driver.Scope, s plan.Step) (string, error) {
	if s.Kind != access.KindBinding || !slices.Contains([]plan.Op{plan.Create, plan.Change, plan.Delete}, s.Op) {
		return "", fmt.Errorf("roster: %w: to %s a %s", fault.ErrUnsupported, s.Op, s.Kind)
	}
	if err := d.Fit(s.Want); err != nil {
		return "", err
	}
	role := s.Key().Role
	there, err := list[rosterRole](ctx, d, "roles", url.Values{"tenant": {scope.ID}, "role": {role}})
	if err != nil {
		return "", err
	}
	want := rosterRole{Tenant: scope.ID, Role: role, Mark: scope.Mark.Text()}
	if s.Want.Binding != nil {
		want.Subjects = refs(s.Want.Binding.Subjects)
	}
	return d.write(ctx, s, want, there)
}

// write makes the step true on top of what is there: at most one role.
func (d rosterDriver) write(ctx context.Context, s plan.Step, want rosterRole, there []rosterRole) (string, error) {
	method, version := http.MethodPut, 0
	if s.Op == plan.Delete {
		method = http.MethodDelete
	}
	switch {
	case len(there) == 0 && s.Op == plan.Delete:
		return s.Have.Binding.Ref, nil
	case len(there) == 0 && s.Op == plan.Change:
		return "", fmt.Errorf("roster: role %q: %w: it is gone", want.Role, fault.ErrConflict)
	case len(there) == 0:
	case s.Op != plan.Delete && slices.Equal(there[0].Subjects, want.Subjects) && there[0].Mark == want.Mark:
		return there[0].ID, nil
	case s.Op == plan.Create || !expected(*s.Have.Binding, there[0].binding()):
		return "", fmt.Errorf("roster: role %q: %w: somebody changed it", want.Role, fault.ErrConflict)
	default:
		version = there[0].Version
	}
	body, err := json.Marshal(want)
	if err != nil {
		return "", fmt.Errorf("roster: %w", fault.ErrInvalid)
	}
	r, err := http.NewRequestWithContext(ctx, method, d.base+"/roles/"+want.Tenant+"/"+want.Role, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("roster: %w", fault.ErrInvalid)
	}
	r.Header.Set("If-Match", strconv.Itoa(version))
	var made rosterRole
	err = d.do(r, &made)
	return made.ID, err
}

// expected reports whether a binding is what a step expects: the same version,
// or, where an earlier step of the plan made the version, the same people.
func expected(have, there access.Binding) bool {
	if have.Version != "" {
		return have.Version == there.Version
	}
	return slices.Equal(refs(have.Subjects), refs(there.Subjects))
}

// page is one page of a list.
type page[T any] struct {
	Items     []T               `json:"items"`
	Links     map[string]string `json:"links"`
	Truncated bool              `json:"truncated"`
}

// list reads all pages.
func list[T any](ctx context.Context, d rosterDriver, what string, query url.Values) ([]T, error) {
	var all []T
	for next := d.base + "/" + what + "?" + query.Encode(); next != ""; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, next, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("roster: %w: a link that is none", fault.ErrUnavailable)
		}
		var p page[T]
		if err := d.do(r, &p); err != nil {
			return nil, err
		}
		if p.Truncated {
			return nil, fmt.Errorf("roster: list of %s: %w", what, fault.ErrTruncated)
		}
		all, next = append(all, p.Items...), p.Links["next"]
	}
	return all, nil
}

// do makes one call. Errors name the status alone: bodies and addresses hold
// people's names.
func (d rosterDriver) do(r *http.Request, into any) error {
	r.Header.Set("Authorization", "Bearer "+*d.token)
	response, err := d.client.Do(r)
	if err != nil {
		return cmp.Or(r.Context().Err(), fmt.Errorf("roster: %s: %w: %s", r.Method, fault.ErrUnavailable, calls.Cause(err)))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return refusal(r.Method, response)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return cmp.Or(r.Context().Err(), fmt.Errorf("roster: %s: %w: %s", r.Method, fault.ErrUnavailable, calls.Cause(err)))
	}
	return nil
}

func refusal(method string, response *http.Response) error {
	class := fault.ErrUnavailable
	switch response.StatusCode {
	case http.StatusBadRequest:
		class = fault.ErrInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		class = fault.ErrDenied
	case http.StatusNotFound:
		class = fault.ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		class = fault.ErrConflict
	}
	err := fmt.Errorf("roster: %s: %w: status %d", method, class, response.StatusCode)
	if response.StatusCode == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return fault.Throttled(fmt.Errorf("roster: %s: too many calls", method), time.Duration(seconds)*time.Second)
	}
	return err
}

func refs(people []access.Member) []string {
	ids := []string{}
	for _, p := range people {
		ids = append(ids, p.Ref)
	}
	slices.Sort(ids)
	return ids
}

// openRoster connects a driver through the budget.
func openRoster(base, token string) driver.Driver {
	transport := budget.New(budget.Limits{}).Transport(calls.Bounded(&http.Transport{DisableKeepAlives: true}))
	return rosterDriver{base: base, token: &token, client: &http.Client{Transport: transport}}
}
