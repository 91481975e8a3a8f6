package azure

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxBatch is how many requests one batch may have.
// Source: "Combine multiple HTTP requests using JSON batching".
const maxBatch = 20

// step is one request in a batch.
type step struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// reply is the answer to a step.
type reply struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batch answers several requests at once, each metered and counted by itself. The
// replies come in no promised order: here the last comes first.
func (c *call) batch() (answer, error) {
	s := c.server
	s.mu.Lock()
	c.now, c.seen = s.now(), s.seen()
	err := c.signedIn()
	s.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	steps, err := c.steps()
	if err != nil {
		return answer{}, err
	}
	done := map[string]reply{}
	var replies []reply
	for len(replies) < len(steps) {
		before := len(replies)
		for _, one := range steps {
			key := strings.ToLower(one.ID)
			if _, ok := done[key]; ok || !ready(one, done) {
				continue
			}
			done[key] = c.take(one, done)
			replies = append(replies, done[key])
		}
		if len(replies) == before {
			return answer{}, badOData("Batch request dependencies form a cycle.")
		}
	}
	slices.Reverse(replies)
	return answer{http.StatusOK, map[string]any{"responses": replies}}, nil
}

// steps reads and checks the batch as a whole.
func (c *call) steps() ([]step, error) {
	var steps []step
	if err := json.Unmarshal(c.body["requests"], &steps); err != nil || len(steps) == 0 {
		return nil, badOData("Invalid batch payload format.")
	}
	if len(steps) > maxBatch {
		return nil, badOData("Number of batch request steps exceeds the maximum value of %d.", maxBatch)
	}
	ids := map[string]bool{}
	for _, one := range steps {
		if ids[strings.ToLower(one.ID)] {
			return nil, badOData("Request Id values must be unique. Duplicate value found: %s.", one.ID)
		}
		ids[strings.ToLower(one.ID)] = true
		if err := one.check(); err != nil {
			return nil, err
		}
	}
	for _, one := range steps {
		if i := slices.IndexFunc(one.DependsOn, func(id string) bool { return !ids[strings.ToLower(id)] }); i >= 0 {
			return nil, badOData("Batch request %s depends on an unknown request %s.", one.ID, one.DependsOn[i])
		}
	}
	return steps, nil
}

// check refuses a step that lacks something.
func (one step) check() error {
	if one.ID == "" || one.Method == "" || one.URL == "" {
		return badOData("Batch request is missing id, method or url.")
	}
	write := one.Method == http.MethodPost || one.Method == http.MethodPatch || one.Method == http.MethodPut
	if write && (header(one.Headers, "Content-Type") == "" || len(one.Body) == 0) && !strings.HasSuffix(one.URL, "/restore") {
		return badOData("Write request id : %s does not contain Content-Type header or body.", one.ID)
	}
	return nil
}

// header looks a header up whatever its case.
func header(headers map[string]string, name string) string {
	for key, value := range headers {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// ready reports whether everything a step depends on is done.
func ready(one step, done map[string]reply) bool {
	for _, id := range one.DependsOn {
		if _, ok := done[strings.ToLower(id)]; !ok {
			return false
		}
	}
	return true
}

// take does one step, unless one that it depends on failed.
func (c *call) take(one step, done map[string]reply) reply {
	w := &memory{header: http.Header{}, status: http.StatusOK}
	failed := slices.ContainsFunc(one.DependsOn, func(id string) bool { return done[strings.ToLower(id)].Status >= http.StatusBadRequest })
	r, err := c.request(one)
	switch {
	case failed:
		c.server.refuseGraph(w, &graphError{status: http.StatusFailedDependency, code: "FailedDependency", message: "Failed Dependency"})
	case err != nil:
		c.server.refuseGraph(w, err)
	default:
		c.server.serveGraph(w, r, "batch ")
	}
	answered := reply{ID: one.ID, Status: w.status, Headers: map[string]string{}, Body: w.body.Bytes()}
	for name, values := range w.header {
		answered.Headers[name] = strings.Join(values, ",")
	}
	return answered
}

// request makes a step a request of its own.
func (c *call) request(one step) (*http.Request, error) {
	address := c.base + "/v1.0/" + strings.TrimPrefix(one.URL, "/")
	r, err := http.NewRequestWithContext(c.r.Context(), strings.ToUpper(one.Method), address, bytes.NewReader(one.Body))
	if err != nil || strings.Contains(one.URL, "://") {
		return nil, badOData("Invalid URL in batch request %s.", one.ID)
	}
	if strings.HasSuffix(r.URL.Path, "/$batch") {
		return nil, badOData("Batch request %s cannot be a batch.", one.ID)
	}
	for name, value := range one.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("Content-Encoding")
	r.Header.Set("Authorization", c.r.Header.Get("Authorization"))
	r.TLS = c.r.TLS
	return r, nil
}

// memory is where a step's answer goes.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (m *memory) Header() http.Header         { return m.header }
func (m *memory) WriteHeader(status int)      { m.status = status }
func (m *memory) Write(b []byte) (int, error) { return m.body.Write(b) }
