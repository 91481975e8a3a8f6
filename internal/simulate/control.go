package simulate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault says how a call fails. With Delay alone it only takes long.
type Fault struct {
	// Delay is waited before anything else.
	Delay time.Duration `json:"delay,omitempty"`
	// Status answers with that HTTP status, in the vendor's form; nothing is done.
	Status int `json:"status,omitempty"`
	// Code is the vendor's error code that goes with Status; the simulator picks
	// the usual one when it is empty.
	Code string `json:"code,omitempty"`
	// Message is the vendor's message that goes with Code; empty is one of the simulator's.
	Message string `json:"message,omitempty"`
	// RetryAfter is what the answer asks to wait, in whole seconds.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Drop ends the connection without an answer; nothing is done.
	Drop bool `json:"drop,omitempty"`
	// Lose does what is asked and drops the answer.
	Lose bool `json:"lose,omitempty"`
	// Cut ends the connection in the middle of the answer.
	Cut bool `json:"cut,omitempty"`
}

// Rule says which calls fail, and how.
type Rule struct {
	// Operation names the calls as Calls counts them, with the wildcards of
	// path.Match; empty means all.
	Operation string `json:"operation,omitempty"`
	// Contains is a text in the path, the query or the body of the calls, such as the id
	// of an account, a role or a scope, in any case; empty means all.
	Contains string `json:"contains,omitempty"`
	// Writes leaves out calls that change nothing.
	Writes bool `json:"writes,omitempty"`
	// Skip is how many of them go through first.
	Skip int `json:"skip,omitempty"`
	// Times is how many fail after that; 0 means all.
	Times int   `json:"times,omitempty"`
	Fault Fault `json:"fault"`
}

// rule is a Rule and how often it matched.
type rule struct {
	Rule
	matched int
}

// Control counts the calls to a simulated cloud and makes them fail. The zero
// Control counts and breaks nothing. It is safe for use by many goroutines.
type Control struct {
	// Reads reports whether an operation changes nothing. Without it every operation is a
	// write for rules. A simulator sets it before it serves the first call.
	Reads func(operation string) bool

	mu    sync.Mutex
	rules []*rule
	calls map[string]int
}

// Fail makes calls fail until Mend.
func (c *Control) Fail(r Rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, &rule{Rule: r})
}

// Mend lets every call through again.
func (c *Control) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = nil
}

// Calls returns how often each operation was called, failed calls included.
func (c *Control) Calls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := make(map[string]int, len(c.calls))
	maps.Copy(calls, c.calls)
	return calls
}

// arrive counts a call and returns its fault: the first rule that matches and is
// not used up. text is what Contains looks in.
func (c *Control) arrive(operation, text string) Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[operation]++
	for _, r := range c.rules {
		if ok, err := path.Match(r.Operation, operation); r.Operation != "" && (!ok || err != nil) {
			continue
		}
		if r.Writes && c.Reads != nil && c.Reads(operation) || !strings.Contains(text, strings.ToLower(r.Contains)) {
			continue
		}
		r.matched++
		if n := r.matched - r.Skip; n > 0 && (r.Times == 0 || n <= r.Times) {
			return r.Fault
		}
	}
	return Fault{}
}

// maxText is how much of a body rules look at.
const maxText = 4 << 20

// textOf returns the path, the query and the body of a call in lower case, and leaves the
// body to be read again. Where no rule asks for it, it returns "".
func (c *Control) textOf(r *http.Request) string {
	c.mu.Lock()
	needed := slices.ContainsFunc(c.rules, func(r *rule) bool { return r.Contains != "" })
	c.mu.Unlock()
	if !needed {
		return ""
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxText))
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	if err != nil {
		return "" // the caller has left
	}
	query, err := url.QueryUnescape(r.URL.RawQuery)
	if err != nil {
		query = r.URL.RawQuery
	}
	return strings.ToLower(r.URL.Path + "\n" + query + "\n" + string(body))
}

// Refuse answers a call with an error in the vendor's form. The fault has a status; its code
// and its message may be empty.
type Refuse func(w http.ResponseWriter, f Fault)

// Words returns the fault's message, or the text where it has none.
func (f Fault) Words(text string) string { return cmp.Or(f.Message, text) }

// Serve counts the call under the operation's name, lets a fault befall it, and
// otherwise serves it. Faults answer through refuse.
func (c *Control) Serve(w http.ResponseWriter, r *http.Request, operation string, refuse Refuse, next http.HandlerFunc) {
	f := c.arrive(operation, c.textOf(r))
	if f.Delay > 0 && !wait(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		_, _ = io.Copy(io.Discard, r.Body)
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
		}
		refuse(w, f)
	case f.Lose || f.Cut:
		answer := &recorder{header: http.Header{}, status: http.StatusOK}
		next(answer, r)
		answer.half(w, f.Lose)
		panic(http.ErrAbortHandler)
	default:
		next(w, r)
	}
}

// Handler serves the control itself, for programs that run a simulator as a
// process: GET /calls, POST /faults with a Rule, and DELETE /faults.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) { JSON(w, http.StatusOK, c.Calls()) })
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		c.Mend()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var rule Rule
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&rule); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.Fail(rule)
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// JSON answers with a value as JSON.
func JSON(w http.ResponseWriter, status int, value any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "the simulator made an answer that is no JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may have left
}

// wait sleeps unless the caller leaves before.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-timer.C:
		return true
	}
}

// recorder keeps an answer that does not arrive as it was given.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { r.body = append(r.body, b...); return len(b), nil }

// half passes on the first half of the answer, or nothing of it.
func (r *recorder) half(w http.ResponseWriter, nothing bool) {
	if nothing {
		return
	}
	maps.Copy(w.Header(), r.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body[:len(r.body)/2])
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
}
