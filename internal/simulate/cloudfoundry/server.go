package cloudfoundry

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// Options configure a simulated Cloud Foundry. The zero Options are a new one,
// with an administrator's client "admin" and the secret "admin-secret".
type Options struct {
	// File keeps the state; without one it is gone with the process.
	File string
	// Stale is how far lists lag behind writes.
	Stale time.Duration
	// Clock tells the time; time.Now without one.
	Clock func() time.Time
	// Throttle is the rate limit; nothing is limited without one.
	Throttle *simulate.Throttle
	// JobTime is how long a job takes.
	JobTime time.Duration
	// TokenTime is how long a token lasts, 10 minutes if it is not given.
	TokenTime time.Duration
	// PageCap makes pages shorter than was asked for, for tests; 5000 if it is
	// not given.
	PageCap int
	// GUIDsOnly refuses users made by name and origin, as older Cloud Controllers
	// do.
	GUIDsOnly bool
	// Clients are secrets by client id, Readers those that may not write.
	Clients, Readers map[string]string
	// Passwords are those of users who sign in, by name.
	Passwords map[string]string
}

// Server is a simulated Cloud Foundry. It is safe for use by many goroutines.
type Server struct {
	options Options
	control simulate.Control
	mux     *http.ServeMux

	mu       sync.Mutex
	state    state
	failJobs int
}

// state is what survives a restart.
type state struct {
	Key    []byte                       `json:"key"` // signs tokens
	Orgs   simulate.Table[organization] `json:"orgs"`
	Spaces simulate.Table[space]        `json:"spaces"`
	// Accounts are UAA's, Users those of them that the Cloud Controller knows.
	Accounts simulate.Table[account] `json:"accounts"`
	Users    simulate.Table[user]    `json:"users"`
	Roles    simulate.Table[role]    `json:"roles"`
	Jobs     simulate.Table[job]     `json:"jobs"`
	Pending  []string                `json:"pending"` // ids of jobs
}

// New returns a simulated Cloud Foundry, in the state of its file where it has one.
func New(options Options) (*Server, error) {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.TokenTime == 0 {
		options.TokenTime = 10 * time.Minute
	}
	if options.PageCap == 0 {
		options.PageCap = maxPerPage
	}
	if options.Clients == nil {
		options.Clients = map[string]string{"admin": "admin-secret"}
	}
	s := &Server{options: options}
	s.control.Reads = func(operation string) bool {
		return strings.HasPrefix(operation, "GET ") || operation == "POST /oauth/token"
	}
	if err := simulate.Load(options.File, &s.state); err != nil {
		return nil, fmt.Errorf("cloudfoundry: %w", err)
	}
	if len(s.state.Key) == 0 {
		s.state.Key = []byte(uuid.NewString())
	}
	s.routes()
	return s, nil
}

// Control counts the calls and makes them fail.
func (s *Server) Control() *simulate.Control { return &s.control }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// handler serves one operation while nothing else is served.
type handler func(w http.ResponseWriter, r *http.Request)

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.open("GET /{$}", s.root)
	s.open("GET /v3", s.v3)
	s.open("GET /v3/{$}", s.v3)
	s.open("GET /v3/info", s.info)
	s.uaa("POST /oauth/token", s.token)
	s.uaa("GET /Users", s.findAccounts)
	s.uaa("POST /Users", s.postAccount)
	s.api("GET /v3/organizations", s.listOrganizations)
	s.api("GET /v3/spaces", s.listSpaces)
	s.api("GET /v3/spaces/{guid}", s.getSpace)
	s.api("GET /v3/users", s.listUsers)
	s.api("POST /v3/users", s.postUser)
	s.api("GET /v3/roles", s.listRoles)
	s.api("POST /v3/roles", s.postRole)
	s.api("GET /v3/roles/{guid}", s.getRole)
	s.api("DELETE /v3/roles/{guid}", s.deleteRole)
	s.api("GET /v3/jobs/{guid}", s.getJob)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, 10000, "CF-NotFound", "Unknown request")
	})
}

// open serves what needs no token.
func (s *Server) open(operation string, h handler) {
	s.mux.HandleFunc(operation, func(w http.ResponseWriter, r *http.Request) {
		s.control.Serve(w, r, operation, byStatus, s.locked(h))
	})
}

// uaa serves what has UAA's form of errors.
func (s *Server) uaa(operation string, h handler) {
	s.mux.HandleFunc(operation, func(w http.ResponseWriter, r *http.Request) {
		s.control.Serve(w, r, operation, func(w http.ResponseWriter, f simulate.Fault) {
			uaaError(w, f.Status, f.Code, f.Words(http.StatusText(f.Status)))
		}, s.locked(h))
	})
}

// api serves what needs a token that the Cloud Controller takes.
func (s *Server) api(operation string, h handler) {
	s.mux.HandleFunc(operation, func(w http.ResponseWriter, r *http.Request) {
		s.control.Serve(w, r, operation, byStatus, s.locked(func(w http.ResponseWriter, r *http.Request) {
			scopes, ok := s.scopes(r)
			switch {
			case r.Header.Get("Authorization") == "":
				refuse(w, http.StatusUnauthorized, 10002, "CF-NotAuthenticated", "Authentication error")
			case !ok:
				refuse(w, http.StatusUnauthorized, 1000, "CF-InvalidAuthToken", "Invalid Auth Token")
			case !s.admitted(w):
			case r.Method != http.MethodGet && !scopes["cloud_controller.admin"]:
				refuse(w, http.StatusForbidden, 10003, "CF-NotAuthorized", "You are not authorized to perform the requested action")
			default:
				h(w, r)
			}
		}))
	})
}

// locked serves one call at a time, ends the jobs that are due before it, and
// keeps the state after it.
func (s *Server) locked(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endJobs()
		h(w, r)
		if r.Method != http.MethodGet {
			s.save()
		}
	}
}

// save keeps the state. A disk that is full is not part of the simulation.
func (s *Server) save() {
	if err := simulate.Save(s.options.File, &s.state); err != nil {
		panic(err)
	}
}

// admitted counts the call against the rate limit.
func (s *Server) admitted(w http.ResponseWriter) bool {
	t := s.options.Throttle
	if t == nil {
		return true
	}
	now := s.options.Clock()
	wait, ok := t.Take(now, 1)
	reset := strconv.FormatInt(now.Add(wait+time.Second).Unix(), 10)
	w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(int(t.Burst)))
	w.Header().Set("X-Ratelimit-Reset", reset)
	if !ok {
		w.Header().Set("X-Ratelimit-Remaining", "0")
		w.Header().Set("Retry-After", reset)
		refuse(w, http.StatusTooManyRequests, 10013, "CF-RateLimitExceeded", "Rate Limit Exceeded")
	}
	return ok
}

// seen is the time as of which lists are answered.
func (s *Server) seen() time.Time { return s.options.Clock().Add(-s.options.Stale) }

// fault is one error as the Cloud Controller writes it.
type fault struct {
	Detail string `json:"detail"`
	Title  string `json:"title"`
	Code   int    `json:"code"`
}

func refuse(w http.ResponseWriter, status, code int, title, detail string) {
	simulate.JSON(w, status, map[string][]fault{"errors": {{detail, title, code}}})
}

// unprocessablef refuses a request that reads well and cannot be done.
func unprocessablef(w http.ResponseWriter, format string, args ...any) {
	refuse(w, http.StatusUnprocessableEntity, 10008, "CF-UnprocessableEntity", fmt.Sprintf(format, args...))
}

func notFound(w http.ResponseWriter, what string) {
	refuse(w, http.StatusNotFound, 10010, "CF-ResourceNotFound", what+" not found")
}

// byStatus answers a fault that was asked for with the usual error of its status.
func byStatus(w http.ResponseWriter, injected simulate.Fault) {
	usual := map[int]fault{
		http.StatusBadRequest:          {"The request is invalid", "CF-InvalidRequest", 10004},
		http.StatusUnauthorized:        {"Invalid Auth Token", "CF-InvalidAuthToken", 1000},
		http.StatusForbidden:           {"You are not authorized to perform the requested action", "CF-NotAuthorized", 10003},
		http.StatusNotFound:            {"Unknown request", "CF-NotFound", 10000},
		http.StatusTooManyRequests:     {"Rate Limit Exceeded", "CF-RateLimitExceeded", 10013},
		http.StatusServiceUnavailable:  {"The UAA service is currently unavailable", "CF-UaaUnavailable", 20004},
		http.StatusUnprocessableEntity: {"The request is semantically invalid: command presence", "CF-UnprocessableEntity", 10008},
	}
	f, known := usual[injected.Status]
	if !known {
		f = fault{"An unknown error occurred.", "UnknownError", 10001}
	}
	refuse(w, injected.Status, f.Code, cmp.Or(injected.Code, f.Title), injected.Words(f.Detail))
}
