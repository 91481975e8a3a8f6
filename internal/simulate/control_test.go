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
	c.Serve(w, r, r.Method+" "+r.URL.Path, func(w http.ResponseWriter, status int, code string) {
		simulate.JSON(w, status, map[string]string{"code": code})
	}, func(w http.ResponseWriter, _ *http.Request) {
		c.done.Add(1)
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
