package azure

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// odata is the media type of Graph's answers.
const odata = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// route is one operation of Graph.
type route struct {
	method string
	// path has "{id}" for ids and "(uniqueName)" for a key.
	path string
	// cost is its price in resource units, see throttle.
	cost  int
	serve func(*call) (answer, error)
}

// answer is a status and a body; none when it is nil.
type answer struct {
	status int
	body   any
}

// call is one request to Graph, alone or in a batch.
type call struct {
	server *Server
	r      *http.Request
	header http.Header // of the answer
	dir    *directory
	app    *application
	now    time.Time
	seen   time.Time // the world that reads show
	args   []string
	query  url.Values
	base   string
	body   map[string]json.RawMessage
}

// graphError is a refusal of Graph.
type graphError struct {
	status  int
	code    string
	message string
	details []any
}

func (e *graphError) Error() string { return e.code + ": " + e.message }

// The codes that Graph uses for directory objects.
const (
	codeBadRequest  = "Request_BadRequest"
	codeNotFound    = "Request_ResourceNotFound"
	codeUnsupported = "Request_UnsupportedQuery"
	codeDenied      = "Authorization_RequestDenied"
)

func badRequest(format string, args ...any) error {
	return &graphError{status: http.StatusBadRequest, code: codeBadRequest, message: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &graphError{status: http.StatusBadRequest, code: codeUnsupported, message: fmt.Sprintf(format, args...)}
}

// badOData is how the layer in front of the directory refuses.
func badOData(format string, args ...any) error {
	return &graphError{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf(format, args...)}
}

func notFound(id string) error {
	return &graphError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf(
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)}
}

func denied() error {
	return &graphError{status: http.StatusForbidden, code: codeDenied, message: "Insufficient privileges to complete the operation."}
}

// routes are all operations there are.
func routes() []route {
	all := []route{
		{http.MethodPost, "$batch", 0, (*call).batch},
		{http.MethodGet, "organization", 1, (*call).organization},
		{http.MethodPost, "invitations", 1, (*call).invite},
		{http.MethodGet, "servicePrincipals", 1, (*call).listPrincipals},
		{http.MethodGet, "servicePrincipals/{id}", 1, (*call).getPrincipal},
	}
	all = append(all, userRoutes()...)
	all = append(all, groupRoutes()...)
	all = append(all, unitRoutes()...)
	return append(all, deletedRoutes()...)
}

// match compares a path with a route's and returns the ids in it.
func (t route) match(path string) ([]string, bool) {
	want, got := strings.Split(t.path, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	var args []string
	for i, segment := range got {
		raw, err := url.PathUnescape(segment)
		if err != nil {
			return nil, false
		}
		before, key, keyed := strings.Cut(want[i], "(uniqueName)")
		switch {
		case want[i] == "{id}" && raw != "":
			args = append(args, raw)
		case keyed && key == "":
			value, ok := strings.CutPrefix(raw, before+"(uniqueName='")
			value, closed := strings.CutSuffix(value, "')")
			if !ok || !closed {
				return nil, false
			}
			args = append(args, strings.ReplaceAll(value, "''", "'"))
		case !strings.EqualFold(want[i], strings.TrimSuffix(raw, "()")):
			return nil, false
		}
	}
	return args, true
}

// find returns the route of a request. Fixed paths come before those with ids.
func (s *Server) find(method, path string) (route, []string, error) {
	known := false
	for _, t := range s.routes {
		args, ok := t.match(path)
		if !ok {
			continue
		}
		if known = true; t.method == method {
			return t, args, nil
		}
	}
	if known {
		return route{}, nil, &graphError{status: http.StatusMethodNotAllowed, code: codeBadRequest,
			message: "Specified HTTP method is not allowed for the request target."}
	}
	segment, _, _ := strings.Cut(path, "/")
	return route{}, nil, badOData("Resource not found for the segment '%s'.", segment)
}

// graph serves one request to Graph.
func (s *Server) graph(w http.ResponseWriter, r *http.Request) { s.serveGraph(w, r, "") }

// serveGraph serves a request; prefix goes before the operation's name.
func (s *Server) serveGraph(w http.ResponseWriter, r *http.Request, prefix string) {
	request := uuid.NewString()
	w.Header().Set("Request-Id", request)
	w.Header().Set("Client-Request-Id", cmp.Or(r.Header.Get("Client-Request-Id"), request))
	path := strings.TrimSuffix(r.URL.EscapedPath()[len("/v1.0/"):], "/")
	path = strings.ReplaceAll(path, "/(", "(")
	t, args, err := s.find(r.Method, path)
	if err != nil {
		s.refuseGraph(w, err)
		return
	}
	refuse := func(w http.ResponseWriter, f simulate.Fault) {
		s.refuseGraph(w, &graphError{
			status: f.Status, code: cmp.Or(f.Code, usualCode(f.Status)), message: f.Words(http.StatusText(f.Status)),
		})
	}
	s.control.Serve(w, r, prefix+r.Method+" /"+t.path, refuse, func(w http.ResponseWriter, r *http.Request) {
		c := &call{server: s, r: r, header: w.Header(), args: args, base: base(r)}
		got, err := c.run(t)
		if err != nil {
			s.refuseGraph(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("OData-Version", "4.0")
		if got.body == nil {
			w.WriteHeader(got.status)
			return
		}
		w.Header().Set("Content-Type", odata)
		simulate.JSON(w, got.status, got.body)
	})
}

// run signs the caller in, meters the call and does what it asks.
func (c *call) run(t route) (answer, error) {
	if err := c.parse(); err != nil {
		return answer{}, err
	}
	if t.path == "$batch" { // its requests take the lock one by one
		return t.serve(c)
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now, c.seen = s.now(), s.seen()
	if err := c.signedIn(); err != nil {
		return answer{}, err
	}
	if err := c.meter(t); err != nil {
		return answer{}, err
	}
	got, err := t.serve(c)
	if err == nil && t.method != http.MethodGet {
		s.changed()
	}
	return got, err
}

// parse reads the query and the body.
func (c *call) parse() error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badOData("The query specified in the URI is not valid.")
	}
	c.query = query
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodDelete {
		return nil
	}
	reader := io.Reader(http.MaxBytesReader(nil, c.r.Body, 4<<20))
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		if reader, err = gzip.NewReader(reader); err != nil {
			return badOData("Unable to read the compressed payload.")
		}
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return badOData("Unable to read the payload.")
	}
	if len(body) == 0 && strings.HasSuffix(c.r.URL.Path, "/restore") {
		return nil
	}
	if len(body) == 0 {
		return badRequest("Write requests (excluding DELETE) must contain the Content-Type header declaration.")
	}
	if kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); !strings.EqualFold(kind, "application/json") {
		return badRequest("Write requests (excluding DELETE) must contain the Content-Type header declaration.")
	}
	if err := json.Unmarshal(body, &c.body); err != nil {
		return badOData("Unable to read JSON request payload. " +
			"Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return nil
}

// signedIn finds out who calls.
func (c *call) signedIn() error {
	var err error
	c.dir, c.app, err = c.server.caller(c.r, forGraph)
	if err == nil {
		return nil
	}
	messages := map[error]string{
		errNoToken:       "Access token is empty.",
		errTokenExpired:  "Lifetime validation failed, the token is expired.",
		errWrongAudience: "Access token validation failure. Invalid audience.",
		errBadToken:      "Access token validation failure. Invalid signature.",
	}
	c.header.Set("WWW-Authenticate", `Bearer realm="", authorization_uri="`+c.base+
		`/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`)
	return &graphError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", message: messages[err]}
}

// refuseGraph answers with an error as Graph words them.
func (s *Server) refuseGraph(w http.ResponseWriter, err error) {
	var refused *graphError
	if !errors.As(err, &refused) {
		refused = &graphError{status: http.StatusInternalServerError, code: "Service_InternalServerError", message: err.Error()}
	}
	body := map[string]any{
		"code": refused.code, "message": refused.message,
		"innerError": map[string]any{
			"date":       s.now().Format("2006-01-02T15:04:05"),
			"request-id": w.Header().Get("Request-Id"), "client-request-id": w.Header().Get("Client-Request-Id"),
		},
	}
	if len(refused.details) > 0 {
		body["details"] = refused.details
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "application/json")
	simulate.JSON(w, refused.status, map[string]any{"error": body})
}

// usualCode is Graph's code for a status, for faults that name none.
func usualCode(status int) string {
	codes := map[int]string{
		http.StatusBadRequest: codeBadRequest, http.StatusUnauthorized: "InvalidAuthenticationToken",
		http.StatusForbidden: codeDenied, http.StatusNotFound: codeNotFound,
		http.StatusConflict: "Directory_ConcurrencyViolation", http.StatusTooManyRequests: "TooManyRequests",
		http.StatusServiceUnavailable: "serviceNotAvailable", http.StatusGatewayTimeout: "Timeout",
	}
	return cmp.Or(codes[status], "Service_InternalServerError")
}

// context is the address of the metadata that an answer names.
func (c *call) context(what string) string { return c.base + "/v1.0/$metadata#" + what }

// entity is an answer with one object; some of its properties when $select names them.
func (c *call) entity(status int, set string, o object) (answer, error) {
	chosen, err := c.selected(o)
	if err != nil {
		return answer{}, err
	}
	suffix := ""
	if list := c.query.Get("$select"); list != "" {
		suffix = "(" + list + ")"
	}
	chosen["@odata.context"] = c.context(set + suffix + "/$entity")
	return answer{status, chosen}, nil
}

// top is $top, or the size of a page where none is asked for.
func (c *call) top() (int, error) {
	size := 100
	if raw := c.query.Get("$top"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil {
			return 0, badOData("Invalid value '%s' for $top query option found. "+
				"The $top query option requires a non-negative integer value.", raw)
		}
		if n < 1 || n > 999 {
			return 0, unsupported("Invalid page size specified: '%d'. Must be between 1 and 999 inclusive.", n)
		}
		size = n
	}
	if most := c.server.options.PageSize; most > 0 {
		size = min(size, most)
	}
	return size, nil
}
