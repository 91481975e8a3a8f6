package activities_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
)

// timers keeps what is recorded with each timer, by name.
type timers struct {
	mu       sync.Mutex
	recorded map[string]time.Duration
}

func (m *timers) WithTags(map[string]string) client.MetricsHandler { return m }
func (m *timers) Counter(string) client.MetricsCounter             { return client.MetricsNopHandler.Counter("") }
func (m *timers) Gauge(string) client.MetricsGauge                 { return client.MetricsNopHandler.Gauge("") }
func (m *timers) Timer(name string) client.MetricsTimer            { return timer{m, name} }

type timer struct {
	*timers
	name string
}

func (t timer) Record(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recorded[t.name] += d
}

// TestRevocationMeasuresItsWaits: a revocation on a platform that allows few calls says how
// long they waited.
func TestRevocationMeasuresItsWaits(t *testing.T) {
	s := memoryStage(t, 100, "web", "shop")
	s.ask(map[string][]string{"web": people[:2], "shop": people[:2]})
	s.run("web", "shop")
	s.connect(map[string]string{"file": strconv.Quote(s.file), "limits": "{callsPerSecond: 5}"})
	r := s.revoke(people[0])
	all := activities.NewRevocations()
	all.Serve(s.tenant("").Platform, s.platform)
	for _, c := range []struct {
		activity, reason string
		input            any
	}{
		{activities.RemoveUserActivity, "the removal is urgent and waits for the whole rate", activities.RemoveUserInput{ID: r.ID, Platform: s.tenant("").Platform}},
		{activities.VerifyRemovalActivity, "the check waits as all other work", activities.VerifyRemovalInput{ID: r.ID, Platform: s.tenant("").Platform, First: true}},
	} {
		metrics := &timers{recorded: map[string]time.Duration{}}
		var suite testsuite.WorkflowTestSuite
		suite.SetMetricsHandler(metrics)
		env := suite.NewTestActivityEnvironment()
		env.SetTestTimeout(time.Minute)
		all.Register(env)
		if _, err := env.ExecuteActivity(c.activity, c.input); err != nil {
			t.Fatalf("%s: %v", c.activity, err)
		}
		if got := metrics.recorded["rollcall_rate_limit_wait"]; got == 0 {
			t.Errorf("%s measured no wait for the rate limit, want some: %s", c.activity, c.reason)
		}
	}
}
