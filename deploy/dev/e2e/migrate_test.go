package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/workflows"
)

// migration is one that newer builds have and this one has not.
type migration struct {
	version int64
	sql     string
}

// harmless adds what older programs leave alone.
func harmless(version int64) migration {
	return migration{version, "-- +goose Up\nCREATE TABLE later (id bigint);\n-- +goose Down\nDROP TABLE later;\n"}
}

// breaking raises the schema floor above the programs before it.
func breaking(version, before int64) migration {
	const raise = "UPDATE installation SET schema_floor = %d;\n"
	return migration{version, fmt.Sprintf("-- +goose Up\n"+raise+"-- +goose Down\n"+raise, version, before)}
}

// newerBuild compiles programs of a later build, which has more migrations.
func newerBuild(t *testing.T, programs []string, more ...migration) (dir string) {
	t.Helper()
	dir = t.TempDir()
	migrations, err := filepath.Abs("../../../internal/store/migrations")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for _, m := range more {
		name := fmt.Sprintf("%05d_later.sql", m.version)
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(m.sql), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(migrations, name)] = file
	}
	body, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, body, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := build(dir, name, "-overlay", overlay); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// of is the stack with the programs of another build.
func (s *stack) of(dir string) *stack {
	other := *s
	other.bin, other.logs = dir, nil
	return &other
}

// schemaChange is the JSON of migrate.
type schemaChange struct {
	From, To, Program int64
	OldestProgram     int64 `json:"oldest_program"`
	Breaking          bool
}

// migrate runs rollcall migrate, which has to end well.
func (s *stack) migrate(flags ...string) schemaChange {
	s.t.Helper()
	var m schemaChange
	if err := json.Unmarshal([]byte(s.must(done, append([]string{"migrate", "-o", "json"}, flags...)...)), &m); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// TestMigrateWhileAnOlderBuildRuns: a newer build migrates the database while a run is
// open on an older build. After a harmless migration the older worker restarts and
// completes its run. A breaking migration waits for the run, and then the older
// programs end.
func TestMigrateWhileAnOlderBuildRuns(t *testing.T) {
	s := newStack(t)
	now := s.migrate("--dry-run")
	newer := s.of(newerBuild(t, []string{"rollcall", "rollcall-worker"}, harmless(now.To+1)))
	newest := s.of(newerBuild(t, []string{"rollcall"}, harmless(now.To+1), breaking(now.To+2, now.OldestProgram)))

	file, org := memoryWorld(s, 1, 3)
	tenant := firstTenant(org)
	s.apply(org.documents())
	crashed := s.worker()
	s.hold(file, memory.Fault{Op: "write:*", Class: "unavailable"})
	if m := newer.migrate(); m.From != now.To || m.To != now.To+1 || m.Breaking {
		t.Errorf("the newer build migrates %+v, want from %d to the version after it, not breaking", m, now.To)
	}
	kill(crashed)
	old := s.worker()
	if m := s.migrate(); m.To != now.To+1 || m.Program != now.To {
		t.Errorf("the older build migrates %+v, want nothing to do at version %d", m, now.To+1)
	}

	later := newer.second()
	s.must(done, "worker", "current", secondBuild, "--yes")
	newer.must(done, "plan", tenant.String())
	s.doneBy(workflows.PlanTenantID(tenant), secondBuild, later)

	newest.refusesToMigrate(t, now.To+1)
	breakPlatform(t, file)
	s.eventually("the old run to end", func() bool {
		return s.status(workflows.ReplicateTenantID(tenant)) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	s.completedBy(workflows.ReplicateTenantID(tenant), firstBuild, old)

	newest.migratesWhenDrained()
	newest.endsOlder(t, now.To+2, old, later)
}

// refusesToMigrate checks that a breaking migration names the build of the open runs,
// and changes nothing.
func (s *stack) refusesToMigrate(t *testing.T, version int64) {
	t.Helper()
	code, out, errs := s.rollcall("", "migrate")
	if code != failed {
		t.Errorf("a breaking migration while a run is open ends with %d, want %d\n%s", code, failed, out)
	}
	for _, want := range []string{"2 on build " + firstBuild, "rollcall worker versions", "--force"} {
		if !strings.Contains(errs, want) {
			t.Errorf("the refusal lacks %q:\n%s", want, errs)
		}
	}
	if m := s.migrate("--dry-run"); m.From != version || m.To != version+1 || m.OldestProgram != version+1 || !m.Breaking {
		t.Errorf("after the refusal: %+v, want a breaking migration from version %d pending", m, version)
	}
}

// completedBy checks that one build decided all steps of a run, and that a process of
// it did the last activity.
func (s *stack) completedBy(workflowID, build string, process *exec.Cmd) {
	s.t.Helper()
	last := ""
	for _, e := range s.history(workflowID) {
		if step := e.GetWorkflowTaskCompletedEventAttributes(); step != nil && step.GetDeploymentVersion().GetBuildId() != build {
			s.t.Errorf("%s: build %q decided a step, want %q", workflowID, step.GetDeploymentVersion().GetBuildId(), build)
		}
		if task := e.GetActivityTaskStartedEventAttributes(); task != nil {
			last = task.GetIdentity()
		}
	}
	if want := fmt.Sprintf("%d@", process.Process.Pid); !strings.HasPrefix(last, want) {
		s.t.Errorf("%s: the last activity was done by %q, want %s...", workflowID, last, want)
	}
}

// migratesWhenDrained repeats the breaking migration until Temporal lists no open run.
func (s *stack) migratesWhenDrained() {
	s.t.Helper()
	errs := ""
	s.eventually("the breaking migration", func() bool {
		var code int
		code, _, errs = s.rollcall("", "migrate")
		return code == done
	})
	if errs != "" {
		s.t.Errorf("the migration says %q", errs)
	}
}

// endsOlder checks that workers of builds below the floor end by themselves, and that
// their build cannot start, apply or migrate any more and says what helps.
func (s *stack) endsOlder(t *testing.T, floor int64, workers ...*exec.Cmd) {
	t.Helper()
	for _, w := range workers {
		if code := ends(t, w); code != failed {
			t.Errorf("an older worker ends with %d after a breaking migration, want %d", code, failed)
		}
	}
	older := s.of(filepath.Dir(workers[0].Path))
	if code := ends(t, older.worker()); code != failed {
		t.Errorf("an older worker that starts after a breaking migration ends with %d, want %d", code, failed)
	}
	says := fmt.Sprintf("admits programs from version %d on", floor)
	if log := older.logs[0].text(); !strings.Contains(log, says) || !strings.Contains(log, "run a newer build") {
		t.Errorf("the older worker's log lacks %q, or what to do:\n%s", says, log)
	}
	for _, command := range []string{"migrate", "status"} {
		if code, _, errs := older.rollcall("", command); code != failed || !strings.Contains(errs, says) {
			t.Errorf("the older rollcall %s ends with %d and %q, want %d and %q", command, code, errs, failed, says)
		}
	}
}

// ends waits for a program that ends by itself, and returns its exit code.
func ends(t *testing.T, program *exec.Cmd) int {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		_ = program.Wait() // its code says what there is to say
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = program.Process.Kill()
		<-ended
		t.Fatalf("%s did not end by itself within %s", program.Path, patience)
	}
	return program.ProcessState.ExitCode()
}
