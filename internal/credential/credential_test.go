package credential_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// source reads replication.credentials as a document has it.
func source(t *testing.T, text string, environment map[string]string) (*credential.Source, error) {
	t.Helper()
	var config credential.Config
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	return config.Source(func(name string) string { return environment[name] })
}

func TestOnePlaceIsNamed(t *testing.T) {
	for text, reason := range map[string]string{
		`{}`: "none is named",
		`{"environment": {"prefix": "A"}, "file": {"path": "x"}}`: "two are",
		`{"file": {"path": "x"}, "workloadIdentity": {}}`:         "two are, of which one is the worker's own",
		`{"environment": {}}`: "a prefix is missing",
		`{"file": {}}`:        "a path is missing",
	} {
		if _, err := source(t, text, nil); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: the error is %v, want ErrInvalid", reason, err)
		}
	}
}

func TestValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, []byte(`{"client_id": "from a file", "client_secret": "hush"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := `{"file": {"path": "` + file + `"}}`
	environment := map[string]string{"CLOUD_CLIENT_ID": "from a variable", "CLOUD_CLIENT_SECRET": "hush"}
	for text, want := range map[string]string{`{"environment": {"prefix": "CLOUD"}}`: "from a variable", fromFile: "from a file"} {
		s, err := source(t, text, environment)
		if err != nil {
			t.Fatal(err)
		}
		values, err := s.Values()
		if err != nil {
			t.Fatal(err)
		}
		got, err := values.Need("CLIENT_ID", "CLIENT_SECRET")
		if diff := cmp.Diff([]string{want, "hush"}, got); diff != "" || err != nil {
			t.Errorf("%s: %v, values (-want +got):\n%s", text, err, diff)
		}
		_, err = values.Need("CLIENT_ID", "TENANT")
		if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), values.Called("TENANT")) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: what is missing is told as %v", text, err)
		}
	}
}

// TestFileIsReadAgain: a renewed secret counts without a restart.
func TestFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	write := func(secret string, at time.Time) {
		t.Helper()
		err := errors.Join(os.WriteFile(file, []byte(`{"secret": "`+secret+`"}`), 0o600), os.Chtimes(file, at, at))
		if err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now().Add(-time.Hour)
	write("old", began)
	s, err := source(t, `{"file": {"path": "`+file+`"}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Changed()
	write("new", began.Add(time.Minute))
	values, err := s.Values()
	if err != nil || values.Get("SECRET") != "new" || s.Changed().Equal(before) || s.Path() != file {
		t.Errorf("after a renewal: %q, %v, changed at %v and before at %v", values.Get("SECRET"), err, s.Changed(), before)
	}
}

func TestUnreadableFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	s, err := source(t, `{"file": {"path": "`+file+`"}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Values(); !errors.Is(err, fault.ErrDenied) || !s.Changed().IsZero() {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"secret": "hush`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Values(); !errors.Is(err, fault.ErrInvalid) || strings.Contains(err.Error(), "hush") {
		t.Errorf("half a file: %v", err)
	}
}

func TestWorkloadIdentityHasNoValues(t *testing.T) {
	s, err := source(t, `{"workloadIdentity": {}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Values(); !errors.Is(err, fault.ErrUnsupported) || !s.WorkloadIdentity() || s.Path() != "" {
		t.Errorf("values of a workload identity: %v", err)
	}
}
