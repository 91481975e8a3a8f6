package faultproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault says how a request fails. With Delay alone it only takes long.
type Fault struct {
	// Delay is waited before anything else.
	Delay time.Duration
	// Status answers with that status, Header and Body; the server is not asked.
	// Without a Body the answer repeats the request, its query too, as many
	// servers do: a caller that copies it into its own errors gives people away.
	Status int
	Header http.Header
	Body   string
	// Garbage answers 200 with a web page; the server is not asked.
	Garbage bool
	// Drop ends the connection without an answer; the server is not asked.
	Drop bool
	// Hang gives no answer until the caller leaves; the server is not asked.
	Hang bool
	// HeadersOnly sends the headers of an answer and nothing more until the caller leaves; the
	// server is not asked.
	HeadersOnly bool
	// Slow sends an answer byte by byte until the caller leaves; the server is not asked.
	Slow bool
	// Lose asks the server and drops its answer.
	Lose bool
	// Cut ends the connection in the middle of the server's answer.
	Cut bool
	// Truncate leaves out the second half of the longest list in the server's
	// answer and sets "truncated": true, as Keystone does. An answer without a
	// list goes through and is no hit.
	Truncate bool
}

// struck carries what befalls a request from its arrival to its answer.
type struck struct {
	entry *Entry
	rule  *rule // nil when none matches
	fault Fault
}

type struckKey struct{}

// serve handles one request of the driver's.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	s := p.arrive(r)
	if p.answered(w, r, s) {
		return
	}
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), struckKey{}, s)))
}

// answered handles the faults for which the server is not asked.
func (p *Proxy) answered(w http.ResponseWriter, r *http.Request, s *struck) bool {
	f := s.fault
	if !wait(r.Context(), f.Delay) {
		abort()
	}
	status, body := f.Status, f.Body
	if f.Garbage {
		status, body = http.StatusOK, "<html><body>Welcome to the network of the hotel.</body></html>"
	}
	switch {
	case f.Drop || f.Hang || f.HeadersOnly || f.Slow:
		p.hit(s)
		if !f.Drop {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller left
			waitForCaller(w, r, f)
		}
		abort()
		return true
	case status != 0:
		p.hit(s)
		p.status(s, status)
		w.Header().Set("Content-Type", "application/json")
		maps.Copy(w.Header(), f.Header)
		if f.Garbage {
			w.Header().Set("Content-Type", "text/html")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, cmp.Or(body, refusal(r, status))) // the caller may have left
		return true
	default:
		return false
	}
}

// waitForCaller keeps the caller waiting until it leaves.
func waitForCaller(w http.ResponseWriter, r *http.Request, f Fault) {
	if !f.Hang {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(accepted(r))
		_ = http.NewResponseController(w).Flush() // the caller may have left
	}
	const interval = 5 * time.Millisecond
	for f.Slow && wait(r.Context(), interval) {
		_, _ = io.WriteString(w, " ")
		_ = http.NewResponseController(w).Flush()
	}
	<-r.Context().Done()
}

// accepted is a status of success that clients expect: some read no further at another.
func accepted(r *http.Request) int {
	if r.Method == http.MethodPost {
		return http.StatusCreated
	}
	return http.StatusOK
}

// abort ends the connection without a word, the way net/http asks for.
func abort() { panic(http.ErrAbortHandler) }

// refusal is an error's body in the form most JSON APIs share.
func refusal(r *http.Request, status int) string {
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"code": status, "title": http.StatusText(status), "message": "refused: " + r.Method + " " + r.URL.String(),
	}})
	if err != nil {
		return ""
	}
	return string(body)
}

// wait sleeps unless the caller leaves before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// rewrite points the request at the target.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(p.target)
	// Answers are read here: let the transport unpack them.
	r.Out.Header.Del("Accept-Encoding")
}

// answer changes the server's answer: its links lead to the proxy, and the
// rule's fault strikes.
func (p *Proxy) answer(r *http.Response) error {
	s, ok := r.Request.Context().Value(struckKey{}).(*struck)
	if !ok {
		return nil
	}
	f := s.fault
	if f.Lose {
		p.hit(s)
		return http.ErrAbortHandler
	}
	p.status(s, r.StatusCode)
	if location := r.Header.Get("Location"); location != "" {
		r.Header.Set("Location", p.redirect(location))
	}
	if !f.Cut && !f.Truncate && !isList(r) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	if isJSON(r) {
		body = []byte(p.redirect(string(body)))
	}
	if f.Truncate {
		if half, ok := truncate(body); ok {
			p.hit(s)
			body = half
		}
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if f.Cut {
		p.hit(s)
		if len(body) == 0 {
			return http.ErrAbortHandler
		}
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{}))
	}
	return nil
}

// redirect turns links to the target into links to the proxy.
func (p *Proxy) redirect(text string) string {
	return p.links.ReplaceAllString(text, strings.ReplaceAll(p.server.URL, "$", "$$")+"${1}")
}

func isJSON(r *http.Response) bool {
	return strings.Contains(r.Header.Get("Content-Type"), "json")
}

// isList reports whether the answer is JSON that ends: a watch does not.
func isList(r *http.Response) bool {
	return isJSON(r) && r.Request.Method != http.MethodHead && r.Request.URL.Query().Get("watch") == ""
}

// truncate leaves out the second half of the longest list in a JSON object and
// says so in it.
func truncate(body []byte) ([]byte, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil, false
	}
	longest := ""
	var entries []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(object)) {
		var list []json.RawMessage
		if json.Unmarshal(object[name], &list) == nil && list != nil && (longest == "" || len(list) > len(entries)) {
			longest, entries = name, list
		}
	}
	if longest == "" {
		return nil, false
	}
	half, err := json.Marshal(entries[:len(entries)/2])
	if err != nil {
		return nil, false
	}
	object[longest], object["truncated"] = half, json.RawMessage("true")
	body, err = json.Marshal(object)
	return body, err == nil
}

// broken is a connection that ends before its time.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
