// Package faultproxy is a reverse proxy that makes a real HTTP server fail on
// demand: wrong statuses, cut connections, lost answers, truncated lists. It
// keeps a log of what was asked, without queries, headers or bodies, because
// those hold people and secrets.
package faultproxy

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Rule says which requests fail, and how.
type Rule struct {
	// Match picks the requests; nil picks all. See [To].
	Match func(*http.Request) bool
	// MatchBody picks among those, by their bodies; nil picks all.
	MatchBody func(r *http.Request, body []byte) bool
	// Skip is how many of them go through first.
	Skip int
	// Times is how many fail after that; 0 means all.
	Times int
	Fault Fault
	// Answer returns the fault of a request, in place of Fault; nil for the same Fault
	// each time.
	Answer func(*http.Request) Fault
}

// To matches requests by method and by path; "" matches any. In the path, "*"
// stands for one or more characters.
func To(method, path string) func(*http.Request) bool {
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, ".+") + "$")
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && (path == "" || pattern.MatchString(r.URL.Path))
	}
}

// Entry is one request in the log.
type Entry struct {
	Method string
	Path   string // without the query
	// Status is what the caller got; 0 where it got no answer.
	Status int
	// Fault is true when a rule struck.
	Fault bool
}

// Proxy stands in front of one server until the test ends.
type Proxy struct {
	server  *httptest.Server
	target  *url.URL
	links   *regexp.Regexp
	forward *httputil.ReverseProxy

	mu    sync.Mutex
	rules []*rule
	log   []*Entry
}

// rule is a Rule with what has become of it.
type rule struct {
	Rule
	seen, hits int
}

// Option changes how a proxy reaches its target.
type Option func(*Proxy)

// Through makes the proxy reach its target by next, for servers that speak TLS
// under a certificate of their own. The caller closes its connections.
func Through(next http.RoundTripper) Option {
	return func(p *Proxy) { p.forward.Transport = next }
}

// New starts a proxy in front of target. It speaks plain HTTP itself, whatever
// the target does.
func New(t testing.TB, target *url.URL, options ...Option) *Proxy {
	t.Helper()
	base := strings.TrimSuffix(target.String(), "/")
	p := &Proxy{
		target: target,
		// JSON may write a slash as \/; what follows must not belong to the host.
		links: regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(base), "/", `\\?/`) + `([/?"\\]|$)`),
	}
	transport := &http.Transport{}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: p.answer,
		ErrorLog:       log.New(io.Discard, "", 0), // failing is what it is for
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { abort() },
	}
	for _, option := range options {
		option(p)
	}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// URL is where the proxy listens. It stands for the target's URL.
func (p *Proxy) URL() string { return p.server.URL }

// Add puts one more rule to work. The first rule that strikes decides. The
// function it returns counts the requests that the rule has struck.
func (p *Proxy) Add(r Rule) (hits func() int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	added := &rule{Rule: r}
	p.rules = append(p.rules, added)
	return func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return added.hits
	}
}

// Clear takes all rules away.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Log returns the requests so far, in the order of their arrival. All that the
// caller has an answer to are in it.
func (p *Proxy) Log() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]Entry, len(p.log))
	for i, e := range p.log {
		entries[i] = *e
	}
	return entries
}

// Count returns how many requests so far had one of the methods; any when none
// is given.
func (p *Proxy) Count(methods ...string) int {
	return p.CountIf(func(e Entry) bool { return len(methods) == 0 || slices.Contains(methods, e.Method) })
}

// CountIf returns how many requests so far are as wanted.
func (p *Proxy) CountIf(wanted func(Entry) bool) int {
	n := 0
	for _, e := range p.Log() {
		if wanted(e) {
			n++
		}
	}
	return n
}

// arrive writes the request down and returns the rule it falls under, if any.
func (p *Proxy) arrive(r *http.Request) *struck {
	body := p.body(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &struck{entry: &Entry{Method: r.Method, Path: r.URL.Path}}
	p.log = append(p.log, s.entry)
	for _, rule := range p.rules {
		if rule.Match != nil && !rule.Match(r) || rule.MatchBody != nil && !rule.MatchBody(r, body) {
			continue
		}
		rule.seen++
		if rule.seen <= rule.Skip || rule.Times > 0 && rule.seen > rule.Skip+rule.Times {
			continue
		}
		s.rule, s.fault = rule, rule.Fault
		if rule.Answer != nil {
			s.fault = rule.Answer(r)
		}
		return s
	}
	return s
}

// body returns the body of a request where a rule asks for it, and leaves the request
// with a copy.
func (p *Proxy) body(r *http.Request) []byte {
	p.mu.Lock()
	needed := slices.ContainsFunc(p.rules, func(r *rule) bool { return r.MatchBody != nil })
	p.mu.Unlock()
	if !needed {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		abort() // the caller has left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// hit notes that the rule has struck.
func (p *Proxy) hit(s *struck) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.rule.hits++
	s.entry.Fault = true
}

// status notes what the caller is answered.
func (p *Proxy) status(s *struck, code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.entry.Status = code
}
