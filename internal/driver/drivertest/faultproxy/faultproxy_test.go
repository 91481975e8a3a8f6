package faultproxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
)

// server answers lists whose links lead back to itself, and counts writes.
type server struct {
	url    string
	writes int
}

func start(t *testing.T) (*server, *faultproxy.Proxy) {
	t.Helper()
	s := &server{}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	target, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s, faultproxy.New(t, target)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		s.writes++
		w.Header().Set("Location", s.url+"/things/5")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// One link is escaped, and one host only begins like ours.
	escaped := strings.ReplaceAll(s.url+"/things?page=2", "/", `\/`)
	fmt.Fprintf(w, `{"things":[1,2,3,4],"links":{"self":"%s","next":"%s","other":"%s0/things"}}`, s.url, escaped, s.url)
}

type answer struct {
	Status    int
	Things    []int
	Truncated bool
	Links     map[string]string
	Location  string
	After     string
}

func call(ctx context.Context, method, address string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{
		Status: response.StatusCode, Location: response.Header.Get("Location"), After: response.Header.Get("Retry-After"),
	}
	if len(body) == 0 {
		return a, nil
	}
	return a, json.Unmarshal(body, &a)
}

// TestThroughTLS reaches a server that nobody trusts but the given transport.
func TestThroughTLS(t *testing.T) {
	t.Parallel()
	s := &server{}
	h := httptest.NewTLSServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	target, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := faultproxy.New(t, target, faultproxy.Through(h.Client().Transport))
	got, err := call(t.Context(), http.MethodGet, p.URL()+"/things")
	if err != nil || got.Status != http.StatusOK || got.Links["self"] != p.URL() {
		t.Errorf("through TLS = %+v, %v, want links to the proxy", got, err)
	}
}

func TestLinksLeadToTheProxy(t *testing.T) {
	t.Parallel()
	s, p := start(t)
	got, err := call(t.Context(), http.MethodGet, p.URL()+"/things?secret=1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"self": p.URL(), "next": p.URL() + "/things?page=2", "other": s.url + "0/things"}
	if diff := cmp.Diff(want, got.Links); diff != "" {
		t.Error(diff)
	}
	made, err := call(t.Context(), http.MethodPost, p.URL()+"/things")
	if err != nil || made.Location != p.URL()+"/things/5" {
		t.Errorf("POST = %+v, %v; its Location should lead to the proxy", made, err)
	}
	log := []faultproxy.Entry{
		{Method: "GET", Path: "/things", Status: 200}, {Method: "POST", Path: "/things", Status: 204},
	}
	if diff := cmp.Diff(log, p.Log()); diff != "" {
		t.Errorf("the log holds other requests: %s", diff)
	}
	if p.Count(http.MethodPost) != 1 || p.Count() != 2 {
		t.Errorf("counted %d POST of %d requests, want 1 of 2", p.Count(http.MethodPost), p.Count())
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		method string
		fault  faultproxy.Fault
		want   answer
		fails  bool
		writes int
	}{
		"Status": {
			reason: "the status is answered with its headers, and the server is not asked",
			method: http.MethodPost, fault: faultproxy.Fault{Status: 429, Header: http.Header{"Retry-After": {"3"}}},
			want: answer{Status: 429, After: "3"},
		},
		"Garbage":  {reason: "no JSON", method: http.MethodGet, fault: faultproxy.Fault{Garbage: true}, fails: true},
		"Drop":     {reason: "no answer, nothing done", method: http.MethodPost, fault: faultproxy.Fault{Drop: true}, fails: true},
		"Lose":     {reason: "no answer, but it is done", method: http.MethodPost, fault: faultproxy.Fault{Lose: true}, fails: true, writes: 1},
		"Cut":      {reason: "half an answer", method: http.MethodGet, fault: faultproxy.Fault{Cut: true}, fails: true},
		"CutEmpty": {reason: "half of nothing is no answer", method: http.MethodPost, fault: faultproxy.Fault{Cut: true}, fails: true, writes: 1},
		"Truncate": {
			reason: "half a list, and it says so",
			method: http.MethodGet, fault: faultproxy.Fault{Truncate: true},
			want: answer{Status: 200, Things: []int{1, 2}, Truncated: true},
		},
		"Delay": {
			reason: "slow, but right",
			method: http.MethodGet, fault: faultproxy.Fault{Delay: time.Millisecond},
			want: answer{Status: 200, Things: []int{1, 2, 3, 4}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := start(t)
			hits := p.Add(faultproxy.Rule{Match: faultproxy.To(c.method, "/th*"), Skip: 1, Times: 1, Fault: c.fault})
			for i := range 3 {
				got, err := call(t.Context(), c.method, p.URL()+"/things")
				if i != 1 {
					if err != nil || got.Status >= 400 {
						t.Errorf("call %d, which no rule matches, got %+v, %v", i+1, got, err)
					}
					continue
				}
				got.Links = nil
				if (err != nil) != c.fails || !c.fails && !cmp.Equal(c.want, got) {
					t.Errorf("%s: got %+v, %v", c.reason, got, err)
				}
			}
			if n := hits(); n != count(c.fault.Delay == 0) {
				t.Errorf("the rule struck %d times, want once", n)
			}
			if c.method == http.MethodPost && s.writes != 2+c.writes {
				t.Errorf("%s: the server was asked %d times", c.reason, s.writes)
			}
		})
	}
}

// TestRuleReadsBodies: a rule may choose requests by their bodies, and answer each in
// another way. The server reads the same body.
func TestRuleReadsBodies(t *testing.T) {
	t.Parallel()
	var got []string
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, string(body))
	}))
	t.Cleanup(h.Close)
	target, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := faultproxy.New(t, target)
	p.Add(faultproxy.Rule{
		MatchBody: func(_ *http.Request, body []byte) bool { return strings.Contains(string(body), "ada") },
		Answer: func(r *http.Request) faultproxy.Fault {
			return faultproxy.Fault{Status: map[string]int{"/a": 403, "/b": 429}[r.URL.Path]}
		},
	})
	for _, c := range []struct {
		reason, path, body string
		want               int
	}{
		{"the body names another account", "/a", "bob", 200},
		{"refused", "/a", "ada", 403},
		{"throttled", "/b", "ada", 429},
	} {
		response, err := http.Post(p.URL()+c.path, "text/plain", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", c.reason, response.StatusCode, c.want)
		}
	}
	if diff := cmp.Diff([]string{"bob"}, got); diff != "" {
		t.Errorf("the server read other bodies: %s", diff)
	}
}

func TestHangEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	hits := p.Add(faultproxy.Rule{Fault: faultproxy.Fault{Hang: true}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for hits() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := call(ctx, http.MethodGet, p.URL()); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was cancelled while hanging got %v", err)
	}
	p.Clear()
	if _, err := call(t.Context(), http.MethodGet, p.URL()); err != nil {
		t.Errorf("without rules the call fails: %v", err)
	}
}

// TestAnswersThatDoNotEnd: the headers arrive, and nothing or one byte after another.
func TestAnswersThatDoNotEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fault  faultproxy.Fault
		bytes  int64 // that arrive before the caller leaves
	}{
		"HeadersOnly": {"no byte follows the headers", faultproxy.Fault{HeadersOnly: true}, 0},
		"Slow":        {"bytes follow without end", faultproxy.Fault{Slow: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := start(t)
			p.Add(faultproxy.Rule{Fault: tc.fault})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatalf("%s: no headers: %v", tc.reason, err)
			}
			defer answer.Body.Close() //nolint:errcheck // the call is cancelled
			if n, err := io.CopyN(io.Discard, answer.Body, tc.bytes); err != nil || n != tc.bytes {
				t.Errorf("%s: %d bytes arrived, %v", tc.reason, n, err)
			}
			cancel()
			if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the answer ended with %v before the caller left", tc.reason, err)
			}
		})
	}
}

func TestTruncateLeavesOtherAnswersAlone(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	hits := p.Add(faultproxy.Rule{Fault: faultproxy.Fault{Truncate: true}})
	if _, err := call(t.Context(), http.MethodDelete, p.URL()+"/things/1"); err != nil || hits() != 0 {
		t.Errorf("an answer without a list got %v, and the rule struck %d times", err, hits())
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
