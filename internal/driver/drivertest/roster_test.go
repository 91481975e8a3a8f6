package drivertest_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
)

const (
	rosterPage  = 5
	rosterToken = "correct-horse-battery-staple"
)

// roster is a server on which roles hold people, in versioned lists.
type roster struct {
	mu      sync.Mutex
	tenants []rosterTenant
	users   []rosterUser
	roles   []rosterRole
	serial  int
}

type rosterTenant struct {
	ID string `json:"id"`
}

type rosterUser struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

type rosterRole struct {
	ID       string   `json:"id"`
	Tenant   string   `json:"tenant"`
	Role     string   `json:"role"`
	Mark     string   `json:"mark"`
	Subjects []string `json:"subjects"`
	Version  int      `json:"version"`
}

func (r rosterRole) binding() access.Binding {
	b := access.Binding{Role: r.Role, Ref: r.ID, Version: strconv.Itoa(r.Version), Mark: access.ParseMark(r.Mark)}
	for _, id := range r.Subjects {
		b.Subjects = append(b.Subjects, access.Member{Account: access.Account{Ref: id}})
	}
	return b
}

// newRoster starts a server with the fault proxy in front of it.
func newRoster(t testing.TB) drivertest.World {
	t.Helper()
	r := &roster{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, target)
	return drivertest.World{
		Open:     func(testing.TB) driver.Driver { return openRoster(proxy.URL(), rosterToken) },
		Roles:    []string{"reader", "operator", "owner"},
		NoTenant: "nowhere",
		Secrets:  []string{rosterToken},
		PageSize: rosterPage,
		Tenant:   r.tenant,
		User:     r.user,
		Plant:    r.plant,
		Touch:    r.touch,
		Twin:     r.user,
		Disable:  r.disable,
		Breaker:  drivertest.ThroughProxy(proxy, func(*http.Request) bool { return false }),
		Writes:   func() int { return proxy.Count(http.MethodPut, http.MethodDelete) },
		Calls:    func() int { return proxy.Count() },
	}
}

func (r *roster) id(kind string) string {
	r.serial++
	return kind + "-" + strconv.Itoa(1000+r.serial)
}

func (r *roster) tenant(_ testing.TB, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants = append(r.tenants, rosterTenant{"tenant-" + name})
	return "tenant-" + name
}

func (r *roster) user(_ testing.TB, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := rosterUser{ID: r.id("user"), Name: name}
	r.users = append(r.users, u)
	return u.ID
}

func (r *roster) disable(_ testing.TB, ref string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, u := range r.users {
		r.users[i].Disabled = u.Disabled || u.ID == ref
	}
}

func (r *roster) plant(_ testing.TB, tenant string, foreign access.State) access.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range foreign.Bindings {
		planted := rosterRole{ID: r.id("role"), Tenant: tenant, Role: b.Role, Mark: b.Mark.Text(), Subjects: refs(b.Subjects), Version: 1}
		r.roles = append(r.roles, planted)
		foreign.Bindings[i].Ref = planted.ID
	}
	return foreign
}

func (r *roster) touch(_ testing.TB, tenant string, b access.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roles[r.find(tenant, b.Role)].Version++
}

func (r *roster) find(tenant, role string) int {
	return slices.IndexFunc(r.roles, func(o rosterRole) bool { return o.Tenant == tenant && o.Role == role })
}

func (r *roster) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := q.URL.Query()
	wanted := func(field, value string) bool { return len(asked[field]) == 0 || slices.Contains(asked[field], value) }
	parts := strings.Split(strings.Trim(q.URL.Path, "/"), "/")
	switch {
	case q.Header.Get("Authorization") != "Bearer "+rosterToken:
		w.WriteHeader(http.StatusUnauthorized)
	case len(parts) == 3:
		r.write(w, q, parts[1], parts[2])
	case parts[0] == "users":
		serve(w, q, keep(r.users, func(u rosterUser) bool { return wanted("name", u.Name) }))
	case parts[0] == "tenants":
		serve(w, q, keep(r.tenants, func(t rosterTenant) bool { return wanted("id", t.ID) }))
	default:
		serve(w, q, keep(r.roles, func(o rosterRole) bool { return wanted("tenant", o.Tenant) && wanted("role", o.Role) }))
	}
}

// write puts or deletes one role whose version is the one expected.
func (r *roster) write(w http.ResponseWriter, q *http.Request, tenant, role string) {
	at := r.find(tenant, role)
	have := rosterRole{}
	if at >= 0 {
		have = r.roles[at]
	}
	if q.Header.Get("If-Match") != strconv.Itoa(have.Version) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	var want rosterRole
	if err := json.NewDecoder(q.Body).Decode(&want); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	want.ID, want.Version = cmp.Or(have.ID, r.id("role")), have.Version+1
	if at >= 0 {
		r.roles = slices.Delete(r.roles, at, at+1)
	}
	if q.Method == http.MethodPut {
		r.roles = append(r.roles, want)
	}
	answer(w, want)
}

// serve answers with one page of a list and a link to the next.
func serve[T any](w http.ResponseWriter, q *http.Request, all []T) {
	asked := q.URL.Query()
	from, _ := strconv.Atoi(asked.Get("from"))
	to := min(from+rosterPage, len(all))
	p := page[T]{Items: all[from:to]}
	if to < len(all) {
		asked.Set("from", strconv.Itoa(to))
		p.Links = map[string]string{"next": "http://" + q.Host + q.URL.Path + "?" + asked.Encode()}
	}
	answer(w, p)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func keep[T any](all []T, wanted func(T) bool) []T {
	kept := []T{}
	for _, t := range all {
		if wanted(t) {
			kept = append(kept, t)
		}
	}
	return kept
}
