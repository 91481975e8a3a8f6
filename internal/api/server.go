package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Options are those of a server.
type Options struct {
	// Service returns the caller of a request, and the service with their rights. Its error is
	// an AuthError for a caller without a valid credential; any other means that the server
	// cannot tell.
	Service func(*http.Request) (control.Service, access.Actor, error)
	// Login is how callers sign in, which everyone may read; and Whoami returns who the caller of
	// a request is, or an error as that of Service. Without Whoami neither is served.
	Login  []LoginMethod
	Whoami func(*http.Request) (Whoami, access.Actor, error)
	// Ready reports whether the server can serve; nil is always ready.
	Ready func(context.Context) error
	// Audit records calls; nil records none, for tests.
	Audit Audit
	// Proxies are the addresses of proxies whose X-Forwarded-For counts.
	Proxies []netip.Prefix
	// State is what servers share; nil answers lists as a whole.
	State State
	// PageSize is the most items of a page; 0 for 5000.
	PageSize int
	// Log gets a line for each request, without names of users, and the causes of failures.
	Log *slog.Logger
	// Version is that of the program.
	Version string
	// Mounts are endpoints of other interfaces.
	Mounts []Mount
}

// AuthError is a missing or refused credential.
type AuthError struct {
	// Code is a fixed text for programs, and Message says what to do.
	Code, Message string
}

// Error returns the message.
func (e *AuthError) Error() string { return e.Message }

// Limits of requests.
const (
	maxBody          = 1 << 20
	maxDocumentsBody = 256 << 20
	bodyTimeout      = 30 * time.Second
	documentsTimeout = 2 * time.Minute
	// writeTimeout is how long a client may take to read a line of a stream, and resultTimeout to
	// read a result.
	writeTimeout  = 30 * time.Second
	resultTimeout = 5 * time.Minute
	// keepalive is how often an idle stream gets an empty line, so that no proxy ends it.
	keepalive = 15 * time.Second
	// maxRequests are how many requests are served at the same time, maxChanges of those that
	// change or plan documents, and maxReads of those that read all documents.
	maxRequests = 256
	maxChanges  = 4
	maxReads    = 8
	// slotTimeout is how long a request waits for one of the latter slots.
	slotTimeout = 20 * time.Second
	// readyTimeout is how long the readiness check may take.
	readyTimeout = 5 * time.Second
)

// server serves requests.
type server struct {
	Options
	mux  *http.ServeMux
	spec *huma.OpenAPI
	// pages are those of lists.
	pages *pages
	// slots limit the requests at one time.
	slots, changeSlots, readSlots chan struct{}
	refusals                      *refusals
}

// NewHandler returns the handler of the interface.
func NewHandler(o Options) (http.Handler, error) {
	if o.Audit == nil {
		o.Audit = unaudited{}
	}
	s := &server{
		Options: o, refusals: &refusals{audit: o.Audit, log: o.Log}, mux: http.NewServeMux(), spec: newSpec(o.Version),
		slots: make(chan struct{}, maxRequests), changeSlots: make(chan struct{}, maxChanges), readSlots: make(chan struct{}, maxReads),
	}
	s.pages = &pages{state: o.State, max: cmp.Or(o.PageSize, maxPage), now: time.Now}
	s.routes()
	if o.Whoami != nil {
		s.loginRoutes()
	}
	spec, err := json.Marshal(s.spec)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(spec)
	})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	s.mux.HandleFunc("GET /readyz", s.ready)
	for _, m := range s.Mounts {
		s.mount(m)
	}
	s.mux.HandleFunc("/", s.unknown)
	return s.base(), nil
}

// base adds what every response has: a request ID, headers, and a line of the log.
func (s *server) base() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		header := w.Header()
		header.Set(requestIDHeader, id)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		// A client that sends no body must not keep the connection; read extends the time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not all writers have one
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(resultTimeout))
		recorded := &statusRecorder{ResponseWriter: w}
		started := time.Now()
		s.serve(recorded, r.WithContext(context.WithValue(r.Context(), requestKey{}, id)))
		_, pattern := s.mux.Handler(r)
		s.Log.InfoContext(r.Context(), "request",
			"request", id, "endpoint", pattern, "status", recorded.status, "took", time.Since(started))
	})
}

// serve answers a request, also one that panics: the cause stands in the log, and the other
// requests go on.
func (s *server) serve(w *statusRecorder, r *http.Request) {
	defer func() { //nolint:contextcheck // the request has it
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it, too
			panic(cause)
		}
		s.Log.ErrorContext(r.Context(), "request panicked",
			"request", requestOf(r.Context()), "cause", cause, "stack", string(debug.Stack()))
		if w.status != 0 {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		s.fail(w, r, errPanic, nil)
	}()
	s.mux.ServeHTTP(w, r)
}

// errPanic is the failure of a request that panicked.
var errPanic = errors.New("api: the request panicked")

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if s.Ready != nil {
		if err := s.Ready(ctx); err != nil {
			s.fail(w, r, &control.Error{Code: control.Unavailable, Message: "the server is not ready: its log has the cause"}, nil)
			s.Log.WarnContext(r.Context(), "not ready", "request", requestOf(r.Context()), "cause", err)
			return
		}
	}
	_, _ = io.WriteString(w, "ok\n")
}

func (s *server) unknown(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &control.Error{Code: control.NotFound, Message: "there is no such endpoint: GET /openapi.json lists them, " +
		"each is called with POST"}, nil)
}

// handle serves one endpoint.
func handle[In, Out any](
	s *server, e endpoint[In, Out],
	call func(ctx context.Context, c caller, r In, report func(control.Event)) (Out, error),
) {
	describe(s.spec, e)
	s.mux.HandleFunc("POST /v1/"+e.name, func(w http.ResponseWriter, r *http.Request) {
		service, by, err := s.Service(r)
		if err != nil {
			s.unauthenticated(w, r, err)
			return
		}
		recorded := control.Call{Request: requestOf(r.Context()), Remote: remoteOf(r, s.Proxies), Method: e.method, By: by}
		release, err := s.accept(w, r, service, e.method, s.slotsOf(e.documents || e.changes, e.reads))
		if err != nil {
			s.fail(w, r, s.refused(r, recorded, err), nil)
			return
		}
		defer release()
		in, err := readCall(w, r, e)
		if err != nil {
			s.fail(w, r, s.refused(r, recorded, err), nil)
			return
		}
		c := caller{Service: service, by: by, method: e.method, pages: s.pages, header: w.Header(), ifMatch: in.match}
		run := func(ctx context.Context, events report) (Out, error) { return call(ctx, c, in.request, events) }
		if in.key != "" && e.keyed && s.State != nil {
			if run, err = withKey(s, w, r, c, in.key, in.digest, run); err != nil {
				s.fail(w, r, s.refused(r, recorded, err), nil)
				return
			}
		}
		respond(s, w, r, e, func(ctx context.Context, events report) (Out, error) {
			return audited(s, r, recorded, in.request, func() (Out, error) { return run(ctx, events) })
		})
	})
}

// respond makes a call and writes its answer, as a stream if the caller accepts one.
func respond[In, Out any](
	s *server, w http.ResponseWriter, r *http.Request, e endpoint[In, Out],
	call func(ctx context.Context, events func(control.Event)) (Out, error),
) {
	if e.streams && strings.Contains(r.Header.Get("Accept"), streamType) {
		stream(s, w, r, call)
		return
	}
	result, err := call(r.Context(), nil)
	if err != nil {
		partial, _ := json.Marshal(result) //nolint:errchkjson // without it the failure is reported alone
		s.fail(w, r, err, partial)
		return
	}
	if e.tagged {
		writeTagged(w, result)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", result)
}

// limited is a service that can refuse a call before its request is read.
type limited interface {
	AllowsOperation(method string) error
}

// caller is the service with the rights of a caller.
type caller struct {
	control.Service
	by access.Actor
	// method is that of the call.
	method string
	pages  *pages
	// header is that of the answer.
	header http.Header
	// ifMatch is the condition of the request; nil without one.
	ifMatch *control.Precondition
}

// slotsOf returns the slots of a method beside those of all requests; nil for none.
func (s *server) slotsOf(changes, reads bool) chan struct{} {
	switch {
	case changes:
		return s.changeSlots
	case reads:
		return s.readSlots
	default:
		return nil
	}
}

// accept decides whether a request is read: the caller has the right to the method, and the
// server has room.
func (s *server) accept(
	w http.ResponseWriter, r *http.Request, service control.Service, method string, extra chan struct{},
) (release func(), err error) {
	if limited, ok := service.(limited); ok {
		if err := limited.AllowsOperation(method); err != nil {
			return nil, err
		}
	}
	busy := func() error {
		w.Header().Set("Retry-After", "1")
		return &control.Error{Code: control.Unavailable, Message: "the server is busy: repeat the request in a second"}
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, busy()
	}
	free := func() { <-s.slots }
	if extra == nil {
		return free, nil
	}
	limit := time.NewTimer(slotTimeout)
	defer limit.Stop()
	select {
	case extra <- struct{}{}:
		return func() { <-extra; free() }, nil
	case <-limit.C:
		free()
		return nil, busy()
	case <-r.Context().Done():
		free()
		return nil, r.Context().Err()
	}
}

// read reads the request of a call: one JSON object with known fields.
func read[In any](w http.ResponseWriter, r *http.Request, documents bool) (In, error) {
	var request In
	if len(r.URL.RawQuery) > 0 {
		return request, &control.Error{Code: control.Invalid, Message: "the endpoint takes no query parameters: all stands in the body"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return request, &control.Error{Code: control.Invalid, Message: "the body has to be JSON: send Content-Type: application/json"}
	}
	limit, timeout := int64(maxBody), bodyTimeout
	if documents {
		limit, timeout = maxDocumentsBody, documentsTimeout
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // not all writers have one
	decoder := json.NewDecoder(&textReader{body: http.MaxBytesReader(w, r.Body, limit)})
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return request, bodyError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return request, &control.Error{Code: control.Invalid, Message: "the body has more than one JSON value"}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return request, nil
}

// bodyError says what is wrong with a body.
func bodyError(err error) error {
	if problems, ok := errors.AsType[document.Problems](err); ok {
		return problems
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &control.Error{Code: control.Invalid, Message: fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit)}
	}
	if errors.Is(err, errZero) {
		return &control.Error{Code: control.Invalid, Message: errZero.Error()}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &control.Error{Code: control.Invalid, Message: "the body did not arrive in time"}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &control.Error{Code: control.Invalid, Field: wrong.Field, Message: fmt.Sprintf(
			"%s: a JSON %s is not a %s", wrong.Field, wrong.Value, wrong.Type.Kind())}
	}
	return &control.Error{Code: control.Invalid, Message: "the body is no such request: " + strings.TrimPrefix(err.Error(), "json: ")}
}

// stream writes a line for each event, and one for the result or the failure.
func stream[Out any](
	s *server, w http.ResponseWriter, r *http.Request, call func(ctx context.Context, report func(control.Event)) (Out, error),
) {
	w.Header().Set("Content-Type", streamType)
	w.Header().Set("X-Accel-Buffering", "no") // nginx collects a response otherwise
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	lines := &lineWriter{out: w, control: http.NewResponseController(w), failed: cancel}
	idle := time.NewTicker(keepalive)
	defer idle.Stop()
	done := make(chan struct{})
	var waiting sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(done)
		waiting.Wait()
	})
	defer end() // also after a panic of the call
	waiting.Go(func() {
		for {
			select {
			case <-idle.C:
				lines.write([]byte("\n"))
			case <-done:
				return
			}
		}
	})
	result, err := call(ctx, func(e control.Event) { lines.encode(line{Event: &e}) })
	end()
	last := line{}
	last.Result, _ = json.Marshal(result) //nolint:errchkjson // All results have a JSON form.
	if err != nil {
		last.Error = s.problem(r, err)
	}
	lines.encode(last)
}

// lineWriter writes whole lines. A failure to write is that of a client that left or that does
// not read: it ends the call.
type lineWriter struct {
	mu      sync.Mutex
	out     io.Writer
	control *http.ResponseController
	failed  func()
}

func (l *lineWriter) encode(value line) {
	text, err := json.Marshal(value)
	if err != nil {
		return
	}
	l.write(append(text, '\n'))
}

func (l *lineWriter) write(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not all writers have one
	if _, err := l.out.Write(text); err != nil || l.control.Flush() != nil {
		l.failed()
	}
}

// problem returns a failure as the caller sees it, and logs the cause that the caller does not
// see.
func (s *server) problem(r *http.Request, err error) *Problem {
	id := requestOf(r.Context())
	e, hidden := reported(err, id)
	if hidden {
		s.Log.ErrorContext(r.Context(), "request failed", "request", id, "cause", err)
	}
	return newProblem(e, id)
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error, result json.RawMessage) {
	p := s.problem(r, err)
	p.Result = result
	writeJSON(w, p.Status, "application/problem+json", p)
}

// unauthenticated answers a request without a valid credential.
func (s *server) unauthenticated(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*AuthError](err)
	if !ok {
		s.Log.ErrorContext(r.Context(), "cannot authenticate", "request", requestOf(r.Context()), "cause", err)
		s.fail(w, r, &control.Error{
			Code: control.Unavailable, Message: "the server cannot check the credential now: repeat the request",
		}, nil)
		return
	}
	s.refusals.add(remoteOf(r, s.Proxies), refused.Code)
	challenge := "Bearer" // RFC 6750, section 3.1: no error code for a request without a token
	if r.Header.Get("Authorization") != "" {
		challenge = `Bearer error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	p := newProblem(&control.Error{Code: control.Unauthenticated, Name: refused.Code, Message: refused.Message}, requestOf(r.Context()))
	writeJSON(w, p.Status, "application/problem+json", p)
}

// writeTagged answers with a result and the tag of its state.
func writeTagged(w http.ResponseWriter, result any) {
	text, err := json.Marshal(result)
	if err == nil {
		tagState(w.Header(), text)
	}
	writeJSON(w, http.StatusOK, "application/json", json.RawMessage(text))
}

func writeJSON(w http.ResponseWriter, status int, kind string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", kind)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(resultTimeout)) // not all writers have one
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a caller who left misses nothing
}
