package google

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// Options change how the simulated Google behaves. The zero Options are a
// customer with the domain example.com, no file, and the lags of default.
type Options struct {
	// File keeps the state; empty keeps it in memory only.
	File string
	// Customer is the customer's id, Domain its only domain, and Organization the
	// number of its organization.
	Customer, Domain, Organization string
	// Stale is how far reads of groups, memberships, users and the asset search lag
	// behind; zero means a second, negative none.
	Stale time.Duration
	// IAMLag is how old a group must be before a policy may name it; zero means
	// two seconds, negative none.
	IAMLag time.Duration
	// PolicyStale is how far reads of policies lag behind; zero means none.
	PolicyStale time.Duration
	// Slow is how long the creation of a group stays an operation that is not
	// done, and the group out of sight; zero means none. Changes of groups are such
	// operations then, too, and are seen like any other write.
	Slow time.Duration
	// WriteTime is how long a write to a group's members takes; zero means two
	// milliseconds, negative none.
	WriteTime time.Duration
	// PageSize is the most entries that any page has, whatever the caller asks
	// for; zero leaves the vendor's own limits.
	PageSize int
	// Quotas are calls each minute by API: "cloudidentity", "directory",
	// "policyRead", "policyWrite" and "asset". A missing one is as published;
	// a negative one is none.
	Quotas map[string]float64
	// TokenLife is how long an access token lives; zero means an hour.
	TokenLife time.Duration
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// withDefaults fills in what is left out.
func (o Options) withDefaults() Options {
	text := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	span := func(value *time.Duration, otherwise time.Duration) {
		switch {
		case *value == 0:
			*value = otherwise
		case *value < 0:
			*value = 0
		}
	}
	text(&o.Customer, "C01rollcall")
	text(&o.Domain, "example.com")
	text(&o.Organization, "384756100293")
	span(&o.Stale, time.Second)
	span(&o.IAMLag, 2*time.Second)
	span(&o.WriteTime, 2*time.Millisecond)
	span(&o.TokenLife, time.Hour)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Server is one simulated Google. It is safe for use by many goroutines.
type Server struct {
	options Options
	control simulate.Control
	routes  []route
	quotas  map[string]*simulate.Throttle

	mu    sync.Mutex
	state state
	busy  map[string]bool  // groups whose members are being written
	bad   map[string][]int // codes that the next operations of a method end with
}

// New returns a simulated Google, with the state of the file if there is one.
func New(options Options) (*Server, error) {
	s := &Server{options: options.withDefaults(), busy: map[string]bool{}, bad: map[string][]int{}, quotas: map[string]*simulate.Throttle{}}
	s.state = newState()
	s.control.Reads = reads
	if err := simulate.Load(s.options.File, &s.state); err != nil {
		return nil, err
	}
	// Published: IAM's and the Directory API's pages of quotas, and Cloud Asset's.
	for api, perMinute := range map[string]float64{
		"cloudidentity": 0, "directory": 2400, "policyRead": 6000, "policyWrite": 600, "asset": 400,
	} {
		if other, named := s.options.Quotas[api]; named {
			perMinute = max(0, other)
		}
		s.quotas[api] = &simulate.Throttle{PerSecond: perMinute / 60, Burst: perMinute}
	}
	s.routes = s.table()
	return s, nil
}

// reads reports whether a method changes nothing.
func reads(id string) bool {
	writes := []string{"create", "patch", "delete", "modifyMembershipRoles", "setIamPolicy"}
	return !slices.Contains(writes, id[strings.LastIndexByte(id, '.')+1:])
}

// Control counts the calls, by the ids of the discovery documents, and makes
// them fail.
func (s *Server) Control() *simulate.Control { return &s.control }

// call is one request on its way.
type call struct {
	r    *http.Request
	vars []string // what the path's pattern caught
	body []byte
	who  Account
	now  time.Time
}

// route is one method of an API.
type route struct {
	method  string
	path    *regexp.Regexp
	id      string // as the discovery document has it
	scopes  []string
	quota   string
	params  []string // of the query
	handler func(*call) (any, error)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.signIn(w, r) {
		return
	}
	for _, to := range s.routes {
		vars := to.path.FindStringSubmatch(r.URL.Path)
		if vars == nil || to.method != r.Method {
			continue
		}
		s.control.Serve(w, r, to.id, refuser(to), func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, r, to, vars[1:])
		})
		return
	}
	s.control.Serve(w, r, "unknown", refuser(route{}), func(w http.ResponseWriter, _ *http.Request) {
		// Google answers paths that it does not have with a web page.
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
	})
}

// answer checks what every method checks and serves the call.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, to route, vars []string) {
	c := &call{r: r, vars: vars, now: s.options.Clock()}
	value, err := s.serve(c, to)
	if err != nil {
		writeError(w, to, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	simulate.JSON(w, http.StatusOK, value)
}

func (s *Server) serve(c *call, to route) (any, error) {
	var err error
	if c.who, err = s.authenticate(c, to); err != nil {
		return nil, err
	}
	if quota := s.quotas[to.quota]; quota != nil {
		if _, ok := quota.Take(c.now, 1); !ok {
			return nil, exhausted(to)
		}
	}
	if err := c.checkQuery(to); err != nil {
		return nil, err
	}
	if c.body, err = readBody(c.r); err != nil {
		return nil, err
	}
	if failed := s.ending(to.id); failed != nil {
		return failed, nil
	}
	return to.handler(c)
}

// EndBadly lets the next operation of a method, named as the calls are counted,
// do nothing and end with an error of that code of gRPC's.
func (s *Server) EndBadly(id string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad[id] = append(s.bad[id], code)
}

func (s *Server) ending(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bad[id]) == 0 {
		return nil
	}
	code := s.bad[id][0]
	s.bad[id] = s.bad[id][1:]
	return map[string]any{"done": true, "error": map[string]any{"code": code, "message": "The operation has failed on demand."}}
}

// table lists every method that is simulated.
func (s *Server) table() []route {
	page := []string{"pageSize", "pageToken"}
	groups := func(method, path, id string, handler func(*call) (any, error), params ...string) route {
		return route{
			method: method, path: pattern(path), id: "cloudidentity." + id, quota: "cloudidentity",
			scopes: scopesOf("cloud-identity.groups", method), params: params, handler: handler,
		}
	}
	all := []route{
		groups("POST", "/v1/groups", "groups.create", s.createGroup, "initialGroupConfig"),
		groups("GET", "/v1/groups", "groups.list", s.listGroups, append(page, "parent", "view")...),
		groups("GET", "/v1/groups:search", "groups.search", s.searchGroups, append(page, "query", "view")...),
		groups("GET", "/v1/groups:lookup", "groups.lookup", s.lookupGroup, "groupKey.id", "groupKey.namespace"),
		groups("GET", "/v1/groups/*", "groups.get", s.getGroup),
		groups("PATCH", "/v1/groups/*", "groups.patch", s.patchGroup, "updateMask"),
		groups("DELETE", "/v1/groups/*", "groups.delete", s.deleteGroup),
		groups("POST", "/v1/groups/*/memberships", "groups.memberships.create", s.createMembership),
		groups("GET", "/v1/groups/*/memberships", "groups.memberships.list", s.listMemberships, append(page, "view")...),
		groups("GET", "/v1/groups/*/memberships:lookup", "groups.memberships.lookup", s.lookupMembership,
			"memberKey.id", "memberKey.namespace"),
		groups("GET", "/v1/groups/*/memberships:searchDirectGroups", "groups.memberships.searchDirectGroups", s.searchDirectGroups,
			append(page, "query", "orderBy")...),
		groups("GET", "/v1/groups/*/memberships/*", "groups.memberships.get", s.getMembership),
		groups("DELETE", "/v1/groups/*/memberships/*", "groups.memberships.delete", s.deleteMembership),
		groups("POST", "/v1/groups/*/memberships/*:modifyMembershipRoles", "groups.memberships.modifyMembershipRoles", s.modifyRoles),
	}
	users := []string{
		"customer", "domain", "query", "maxResults", "pageToken", "orderBy", "sortOrder", "projection", "viewType", "showDeleted",
	}
	directory := func(path, id string, handler func(*call) (any, error), params ...string) route {
		return route{
			method: "GET", path: pattern(path), id: "directory." + id, quota: "directory",
			scopes: scopesOf("admin.directory.user", "GET"), params: params, handler: handler,
		}
	}
	all = append(all,
		directory("/admin/directory/v1/users", "users.list", s.listUsers, users...),
		directory("/admin/directory/v1/users/*", "users.get", s.getUser, "projection", "viewType"))
	for _, version := range []string{"v3", "v1"} {
		all = append(all,
			project("GET", "/"+version+"/projects/*", "projects.get", "policyRead", s.getProject(version)),
			project("POST", "/"+version+"/projects/*:getIamPolicy", "projects.getIamPolicy", "policyRead", s.getPolicy),
			project("POST", "/"+version+"/projects/*:setIamPolicy", "projects.setIamPolicy", "policyWrite", s.setPolicy))
	}
	tokens := project("POST", "/v1/projects/-/serviceAccounts/*:generateAccessToken", "", "", s.impersonate)
	tokens.id = "iamcredentials.projects.serviceAccounts.generateAccessToken"
	asset := project("GET", "/v1/*/*:searchAllIamPolicies", "", "asset", s.searchPolicies,
		append(page, "query", "assetTypes", "orderBy")...)
	asset.id = "cloudasset.searchAllIamPolicies"
	return append(all, asset, tokens,
		project("GET", "/v3/projects:search", "projects.search", "policyRead", s.searchProjects, append(page, "query")...))
}

// project is a method of the Resource Manager.
func project(method, path, id, quota string, handler func(*call) (any, error), params ...string) route {
	scopes := []string{scopePrefix + "cloud-platform"}
	if method == http.MethodGet || strings.HasSuffix(path, "getIamPolicy") {
		scopes = append(scopes, scopePrefix+"cloud-platform.read-only")
	}
	return route{
		method: method, path: pattern(path), id: "cloudresourcemanager." + id, quota: quota,
		scopes: scopes, params: params, handler: handler,
	}
}

const scopePrefix = "https://www.googleapis.com/auth/"

// scopesOf are the scopes that allow the method, one of which a token needs.
func scopesOf(scope, method string) []string {
	scopes := []string{scopePrefix + "cloud-platform", scopePrefix + scope}
	if method == http.MethodGet {
		scopes = append(scopes, scopePrefix+scope+".readonly")
	}
	return scopes
}

// pattern turns a path in which a star is one segment into an expression.
func pattern(path string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, `([^/:]+)`) + "$")
}
