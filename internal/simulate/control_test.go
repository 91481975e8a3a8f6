package simulate_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// cloud is a simulator in one screen: it counts what it did.
type cloud struct {
	simulate.Control
	done atomic.Int64
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Serve(w, r, r.Method+" "+r.URL.Path, func(w http.ResponseWriter, f simulate.Fault) {
		simulate.JSON(w, f.Status, map[string]string{"code": f.Code, "message": f.Words("none")})
	}, func(w http.ResponseWriter, r *http.Request) {
		c.done.Add(1)
		if body, err := io.ReadAll(r.Body); r.Method != http.MethodGet && err == nil {
			_, _ = w.Write(body) // it still has what the caller sent
			return
		}
		simulate.JSON(w, http.StatusOK, map[string]string{"text": strings.Repeat("x", 1000)})
	})
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		reason string
		fault  simulate.Fault
		status int // 0: the connection ends
		done   bool
	}{
		"None":   {"a call without a fault is served", simulate.Fault{}, http.StatusOK, true},
		"Slow":   {"a slow call is served", simulate.Fault{Delay: time.Millisecond}, http.StatusOK, true},
		"Status": {"a refused call is not served", simulate.Fault{Status: 429, Code: "Slow", RetryAfter: 2 * time.Second}, 429, false},
		"Drop":   {"a dropped call is not served", simulate.Fault{Drop: true}, 0, false},
		"Lose":   {"a lost answer's call is served", simulate.Fault{Lose: true}, 0, true},
		"Cut":    {"so is one that is cut", simulate.Fault{Cut: true}, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &cloud{}
			server := httptest.NewServer(c)
			defer server.Close()
			c.Fail(simulate.Rule{Operation: "GET /a*", Fault: test.fault})
			status, header, err := get(server.URL + "/abc")
			if status != test.status || (err != nil) != (test.status == 0) || (c.done.Load() == 1) != test.done {
				t.Errorf("%s: status %d, error %v, served %d times", test.reason, status, err, c.done.Load())
			}
			if test.fault.RetryAfter > 0 && header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After is %q, want 2", header.Get("Retry-After"))
			}
			if status, _, err := get(server.URL + "/b"); status != http.StatusOK || err != nil {
				t.Errorf("another operation: status %d, error %v, want no fault", status, err)
			}
			c.Mend()
			if status, _, err := get(server.URL + "/abc"); status != http.StatusOK || err != nil {
				t.Errorf("mended: status %d, error %v", status, err)
			}
			if diff := cmp.Diff(map[string]int{"GET /abc": 2, "GET /b": 1}, c.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// get reads one answer to its end.
func get(url string) (int, http.Header, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadAll(response.Body); err != nil {
		return 0, nil, err
	}
	return response.StatusCode, response.Header, nil
}

func TestSkipAndTimes(t *testing.T) {
	c := &cloud{}
	server := httptest.NewServer(c)
	defer server.Close()
	c.Fail(simulate.Rule{Skip: 1, Times: 2, Fault: simulate.Fault{Status: 500}})
	var got []int
	for range 4 {
		status, _, err := get(server.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if diff := cmp.Diff([]int{200, 500, 500, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// TestMentions refuses the writes that mention an account, and no other call.
func TestMentions(t *testing.T) {
	const account = "9067F0A1-ada"
	tests := map[string]struct {
		reason, method, path, body string
		rule                       simulate.Rule
		statuses                   []int // of one call after the other; 0: the connection ends
		done                       int64
	}{
		"Body":   {"an id in the body, in another case", "PUT", "/a", `{"id":"9067f0a1-ADA"}`, simulate.Rule{Writes: true}, []int{403, 403}, 0},
		"Path":   {"an id in the path", "DELETE", "/groups/g/members/" + account, "", simulate.Rule{Writes: true}, []int{403, 403}, 0},
		"Query":  {"an id in the query, escaped", "PUT", "/a?id=9067f0a1%2Dada", "", simulate.Rule{}, []int{403, 403}, 0},
		"Other":  {"another account", "PUT", "/a", `{"id":"9067f0a1-bob"}`, simulate.Rule{Writes: true}, []int{200, 200}, 2},
		"Read":   {"a read that mentions it", "GET", "/users/" + account, "", simulate.Rule{Writes: true}, []int{200, 200}, 2},
		"Asked":  {"a read, where reads are refused too", "GET", "/users/" + account, "", simulate.Rule{}, []int{403, 403}, 0},
		"Once":   {"for now", "PUT", "/a", account, simulate.Rule{Times: 1}, []int{403, 200}, 1},
		"Lost":   {"it is done, and the answer is lost", "PUT", "/a", account, simulate.Rule{Fault: simulate.Fault{Lose: true}}, []int{0, 0}, 2},
		"Method": {"of one operation only", "PUT", "/a", account, simulate.Rule{Operation: "DELETE *"}, []int{200, 200}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &cloud{}
			c.Reads = func(operation string) bool { return strings.HasPrefix(operation, "GET ") }
			server := httptest.NewServer(c)
			defer server.Close()
			test.rule.Contains = account
			if test.rule.Fault == (simulate.Fault{}) {
				test.rule.Fault = simulate.Fault{Status: 403, Code: "Refused", Message: "not this one"}
			}
			c.Fail(test.rule)
			var got []int
			for range test.statuses {
				status, body := send(t, test.method, server.URL+test.path, test.body)
				got = append(got, status)
				if status == 403 && !strings.Contains(body, "not this one") || status == 200 && test.method != http.MethodGet && body != test.body {
					t.Errorf("%s: the answer is %q, and the request was %q", test.reason, body, test.body)
				}
			}
			if diff := cmp.Diff(test.statuses, got); diff != "" || c.done.Load() != test.done {
				t.Errorf("%s: served %d times, want %d; statuses (-want +got):\n%s", test.reason, c.done.Load(), test.done, diff)
			}
		})
	}
}

// send makes a call and returns what came back; 0 where nothing did.
func send(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestControlOverHTTP(t *testing.T) {
	c := &cloud{}
	server, control := httptest.NewServer(c), httptest.NewServer(c.Handler())
	defer server.Close()
	defer control.Close()
	post := func(rule string) int {
		response, err := http.Post(control.URL+"/faults", "application/json", strings.NewReader(rule))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if status := post(`{"fault": {"status": 503}}`); status != http.StatusNoContent {
		t.Errorf("a rule is answered %d", status)
	}
	if status := post(`{"falt": {}}`); status != http.StatusBadRequest {
		t.Errorf("a rule with a mistake is answered %d, want 400", status)
	}
	if status, _, err := get(server.URL + "/"); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("with the fault: status %d, error %v", status, err)
	}
}

func TestStateSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	want := map[string]int{"a": 1}
	if err := simulate.Load(file, &want); err != nil {
		t.Fatalf("a file that is not there: %v", err)
	}
	if err := simulate.Save(file, want); err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := simulate.Load(file, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	var other []string
	if err := simulate.Load(file, &other); err == nil {
		t.Error("the state of something else is taken")
	}
	if err := simulate.Save(filepath.Join(file, "x"), want); err == nil {
		t.Error("a state that cannot be kept is no error")
	}
	if err := errors.Join(simulate.Save("", want), simulate.Load("", &got)); err != nil {
		t.Error(fmt.Errorf("without a file: %w", err))
	}
}
