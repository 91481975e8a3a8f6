package azure

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// DefaultStale is how long reads lag behind writes unless Options say otherwise.
const DefaultStale = time.Second

// Options say how the simulated cloud behaves.
type Options struct {
	// File keeps the state; empty keeps it in memory only.
	File string
	// Stale is how long reads lag behind writes: 0 is DefaultStale, negative not at all.
	Stale time.Duration
	// LateWrites makes writes, too, miss what is younger than Stale.
	LateWrites bool
	// Clock is time.Now when nil.
	Clock func() time.Time
	// TokenLifetime is how long access tokens are good; 0 is an hour.
	TokenLifetime time.Duration
	// Throttle enforces the documented limits of Graph, ARM and Resource Graph.
	Throttle bool
	// PageSize is the most that any list returns at once; 0 leaves the vendor's sizes.
	PageSize int
	// AssignmentLimit is the number of role assignments in a subscription; 0 is 4000.
	AssignmentLimit int
}

// Server is a simulated Microsoft cloud. It is safe for use by many goroutines.
type Server struct {
	options Options
	control simulate.Control
	routes  []route
	limits  limits

	mu    sync.Mutex // guards all below
	state state
	save  *time.Timer
	fail  error // of the last save
}

// New returns a cloud as the file left it, or an empty one. It fails when the
// file is none of its own.
func New(options Options) (*Server, error) {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	switch {
	case options.Stale == 0:
		options.Stale = DefaultStale
	case options.Stale < 0:
		options.Stale = 0
	}
	options.TokenLifetime = cmp.Or(options.TokenLifetime, time.Hour)
	options.AssignmentLimit = cmp.Or(options.AssignmentLimit, 4000)
	s := &Server{options: options, routes: routes(), limits: newLimits(options.Throttle)}
	s.control.Reads = reads
	if err := simulate.Load(options.File, &s.state); err != nil {
		return nil, err
	}
	return s, s.state.prepare()
}

// reads reports whether an operation changes nothing. A batch does what its requests do.
func reads(operation string) bool {
	operation = strings.TrimPrefix(operation, "batch ")
	return strings.HasPrefix(operation, "GET ") || slices.Contains([]string{"POST /token", "POST /$batch", "POST /resources"}, operation)
}

// Control counts calls and makes them fail.
func (s *Server) Control() *simulate.Control { return &s.control }

// Close writes the state file, and says whether that worked.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.save == nil {
		return s.fail
	}
	s.save.Stop()
	s.save = nil
	s.fail = simulate.Save(s.options.File, &s.state)
	return s.fail
}

// ServeHTTP serves all three hosts.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Ms-Request-Id", uuid.NewString())
	path := strings.ToLower(r.URL.Path)
	switch {
	case strings.HasPrefix(path, "/v1.0/"):
		s.graph(w, r)
	case strings.HasPrefix(path, "/subscriptions"), strings.HasPrefix(path, "/providers/"):
		s.arm(w, r)
	default:
		s.login(w, r)
	}
}

// now is the time on the cloud's clock.
func (s *Server) now() time.Time { return s.options.Clock().UTC() }

// seen is the time of the world that reads show.
func (s *Server) seen() time.Time { return s.now().Add(-s.options.Stale) }

// changed has the state saved soon. s.mu is held.
func (s *Server) changed() {
	if s.options.File == "" || s.save != nil {
		return
	}
	s.save = time.AfterFunc(100*time.Millisecond, func() { _ = s.Close() }) // Close keeps the error for the next
}

// base is the URL under which the caller reached the cloud.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return cmp.Or(r.Header.Get("X-Forwarded-Proto"), scheme) + "://" + r.Host
}
