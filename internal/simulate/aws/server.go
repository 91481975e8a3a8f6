package aws

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// jsonType is the content type of the JSON protocol.
const jsonType = "application/x-amz-json-1.1"

// Options are what a simulated AWS can be made with. The zero Options are one
// that lags and takes its time as the vendor's does.
type Options struct {
	// File keeps the state over a restart; empty keeps nothing.
	File string
	// Stale is how long a write stays invisible to reads: half a second where it
	// is 0, nothing where it is negative.
	Stale time.Duration
	// Assignment is how long an account assignment is IN_PROGRESS: two seconds
	// where it is 0, nothing where it is negative.
	Assignment time.Duration
	// CallsPerSecond switches throttling on: all calls of SSO Admin and Identity
	// Store together. The vendor's limit is 20 and cannot be raised.
	CallsPerSecond float64
	// Page is how many entries a page has at most, where that is less than the
	// vendor's 100 (Organizations: 20).
	Page int
	// IgnoreCase makes names that differ in case only the same name. Whether the
	// vendor does is not written down.
	IgnoreCase bool
	// AccessKey and SecretKey are those of the administrator.
	AccessKey, SecretKey string
	// Hosts are names, with ports, under which callers know the server when they
	// sign, besides the one in the request: those of proxies.
	Hosts []string
	// Clock is time.Now where it is nil.
	Clock func() time.Time
}

// Server is a simulated AWS: one organization with one Identity Center. It is
// safe for use by many goroutines.
type Server struct {
	options  Options
	shapes   map[string]shape
	handlers map[string]handler
	control  simulate.Control
	throttle simulate.Throttle

	mu sync.Mutex // guards what follows
	db state
}

// state is what survives a restart.
type state struct {
	Management  string                        `json:"management"`
	Instance    string                        `json:"instance"`
	Store       string                        `json:"store"`
	Accounts    simulate.Table[account]       `json:"accounts"`
	Users       simulate.Table[user]          `json:"users"`
	Groups      simulate.Table[group]         `json:"groups"`
	Members     simulate.Table[membership]    `json:"members"`
	Sets        simulate.Table[permissionSet] `json:"permissionSets"`
	Assignments simulate.Table[assignment]    `json:"assignments"`
	Operations  map[string]*operation         `json:"operations"`
	Pending     []string                      `json:"pending"` // ids of operations that are IN_PROGRESS
	Keys        map[string]accessKey          `json:"keys"`
	Roles       map[string]role               `json:"roles"`
	Failures    map[string]string             `json:"failures"` // why the next assignment on an account fails
	Slow        map[string]time.Duration      `json:"slow"`     // how long changes on an account take
	UserNames   map[string][]string           `json:"userNames"`
	GroupNames  map[string][]string           `json:"groupNames"`
	InGroup     map[string][]string           `json:"inGroup"` // keys of memberships, by group
	InUser      map[string][]string           `json:"inUser"`  // the same, by user
	ByID        map[string]string             `json:"byID"`    // keys of memberships, by id
	OfPrincipal map[string][]string           `json:"ofPrincipal"`
}

// New returns a simulated AWS with an Identity Center, the management account and
// the administrator's key, or the one that the options' file holds.
func New(options Options) (*Server, error) {
	s := &Server{options: options, shapes: shapes()}
	s.handlers = s.table()
	s.control.Reads = s.reads()
	s.throttle.PerSecond, s.throttle.Burst = options.CallsPerSecond, options.CallsPerSecond
	switch {
	case options.Stale == 0:
		s.options.Stale = 500 * time.Millisecond
	case options.Stale < 0:
		s.options.Stale = 0
	}
	switch {
	case options.Assignment == 0:
		s.options.Assignment = 2 * time.Second
	case options.Assignment < 0:
		s.options.Assignment = 0
	}
	if options.Clock == nil {
		s.options.Clock = time.Now
	}
	s.db = state{
		Management: "111122223333", Instance: "arn:aws:sso:::instance/ssoins-7223f0a1b2c3d4e5", Store: "d-9067f0a1b2",
		Operations: map[string]*operation{}, Keys: map[string]accessKey{}, Roles: map[string]role{},
		Failures: map[string]string{}, Slow: map[string]time.Duration{},
		UserNames: map[string][]string{}, GroupNames: map[string][]string{},
		InGroup: map[string][]string{}, InUser: map[string][]string{}, ByID: map[string]string{}, OfPrincipal: map[string][]string{},
	}
	if err := simulate.Load(options.File, &s.db); err != nil {
		return nil, err
	}
	if _, ok := s.db.Accounts.Get(s.db.Management); !ok {
		s.Account(s.db.Management, "management")
	}
	s.db.Keys[cmp.Or(options.AccessKey, "AKIASIMULATEDADMIN00")] = accessKey{
		Secret: cmp.Or(options.SecretKey, "simulated-secret-key-of-the-administrator"), Principal: "user/administrator",
	}
	return s, nil
}

// reads returns a function that reports whether an operation changes nothing.
func (s *Server) reads() func(operation string) bool {
	writes := map[string]bool{}
	for _, h := range s.handlers {
		writes[h.name] = h.write
	}
	return func(operation string) bool { return !writes[operation] }
}

// Control counts the calls, and breaks them.
func (s *Server) Control() *simulate.Control { return &s.control }

// now is the simulator's time.
func (s *Server) now() time.Time { return s.options.Clock() }

// seen is the time as of which reads answer.
func (s *Server) seen() time.Time { return s.now().Add(-s.options.Stale) }

// handler answers one operation.
type handler struct {
	// name is the operation's as Control counts it, such as "identitystore.CreateGroup".
	name string
	// service is what requests are signed for.
	service string
	// write is true where the operation changes anything.
	write bool
	do    func(body []byte) (any, *refusal)
}

// op makes a handler of a function on a decoded request.
func op[I any](s *Server, name, service string, write bool, do func(I) (any, *refusal)) handler {
	return handler{name: name, service: service, write: write, do: func(body []byte) (any, *refusal) {
		var input I
		if refused := s.decode(body, &input); refused != nil {
			return nil, refused
		}
		return do(input)
	}}
}

// table is every operation of the JSON protocol by its X-Amz-Target.
func (s *Server) table() map[string]handler {
	table := map[string]handler{}
	for prefix, handlers := range map[string][]handler{
		"AWSIdentityStore.":          append(s.groupOperations(), append(s.userOperations(), s.memberOperations()...)...),
		"SWBExternalService.":        append(s.setOperations(), s.assignmentOperations()...),
		"AWSOrganizationsV20161128.": s.organizationsOperations(),
	} {
		for _, h := range handlers {
			_, operation, _ := strings.Cut(h.name, ".")
			table[prefix+operation] = h
		}
	}
	return table
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const most = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return // the caller is gone, or says too much
	}
	target := r.Header.Get("X-Amz-Target")
	if target == "" {
		s.serveSTS(w, r, body)
		return
	}
	h, known := s.handlers[target]
	if !known {
		answerRefusal(w, false, refuse(unknown, "the simulator has no operation %s", target))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body)) // rules look at it
	s.control.Serve(w, r, h.name, injected(false), func(w http.ResponseWriter, r *http.Request) {
		answer, refused := s.run(r, h, body)
		if refused != nil {
			answerRefusal(w, false, refused)
			return
		}
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("X-Amzn-Requestid", uuid.NewString())
		simulate.JSON(w, http.StatusOK, answer)
	})
}

// run is one call of the JSON protocol.
func (s *Server) run(r *http.Request, h handler, body []byte) (any, *refusal) {
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != jsonType {
		return nil, refuse(unknown, "the JSON protocol is POST / with the content type %s", jsonType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refused := s.verify(r, h.service, body); refused != nil {
		return nil, refused
	}
	if h.service != organizations {
		if wait, ok := s.throttle.Take(s.now(), 1); !ok {
			refused := refuse(throttling, "Rate exceeded")
			if h.service == identityStore {
				refused = refused.with("RetryAfterSeconds", int(wait/time.Second)+1)
			}
			return nil, refused
		}
	}
	s.settle()
	answer, refused := h.do(body)
	if h.write && refused == nil {
		if err := simulate.Save(s.options.File, &s.db); err != nil {
			return nil, &refusal{status: http.StatusInternalServerError, code: internalFault, message: err.Error()}
		}
	}
	return answer, refused
}

// seconds is how the JSON protocol writes a time.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// fold is the form in which names are compared.
func (s *Server) fold(name string) string {
	if s.options.IgnoreCase {
		return strings.ToLower(name)
	}
	return name
}

// text reads the JSON text that a document-typed member holds.
func text(raw json.RawMessage) (string, *refusal) {
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", refuse(validation, "AttributeValue must be a string")
	}
	return value, nil
}
