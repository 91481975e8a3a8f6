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

// source reads auth as a connection has it.
func source(t *testing.T, text, dir string, environment map[string]string) (*credential.Source, error) {
	t.Helper()
	var config credential.Config
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	return config.Source(dir, func(name string) string { return environment[name] })
}

// mustSource is source for an auth that is valid.
func mustSource(t *testing.T, text, dir string, environment map[string]string) *credential.Source {
	t.Helper()
	s, err := source(t, text, dir, environment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fileTime is when every file of these tests was last changed, so that only its
// content can tell that it was.
var fileTime = time.Now().Add(-time.Hour)

// write writes a file without a change of its time.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, fileTime, fileTime)); err != nil {
		t.Fatal(err)
	}
}

func TestSource_NeedsExactlyOnePlace(t *testing.T) {
	for text, reason := range map[string]string{
		`{}`:                                            "none is named",
		`{"file": ""}`:                                  "an empty path names none",
		`{"tokenFile": ""}`:                             "an empty path names none",
		`{"environment": null}`:                         "null names none",
		`{"file": "x", "tokenFile": "y"}`:               "two are named",
		`{"file": "x", "workloadIdentity": {}}`:         "two are named, one of them the worker's own",
		`{"environment": {}}`:                           "a prefix is missing",
		`{"environment": {"prefix": ""}}`:               "a prefix is empty",
		`{"replication": {"credentials": "x"}}`:         "the field of old documents names none",
		`{"file": "x", "environment": {"prefix": "A"}}`: "two are named",
		`{"file": "x", "tokenFile": "y", "environment": {"prefix": "A"}, "workloadIdentity": {}}`: "all are named",
	} {
		if _, err := source(t, text, "", nil); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: the error of %s is %v, want ErrInvalid", reason, text, err)
		}
	}
}

// TestConfig_RefusesTheFormOfOldDocuments: a file was an object with a path.
func TestConfig_RefusesTheFormOfOldDocuments(t *testing.T) {
	var config credential.Config
	if err := json.Unmarshal([]byte(`{"file": {"path": "x"}}`), &config); err == nil {
		t.Errorf("an object as file was decoded to %+v, want an error", config)
	}
}

func TestSource_Paths(t *testing.T) {
	for _, c := range []struct {
		reason, text, dir string
		path, tokenPath   string
	}{
		{"a relative file starts from the directory", `{"file": "a/b.json"}`, "/etc/rollcall", "/etc/rollcall/a/b.json", ""},
		{"an absolute file does not", `{"file": "/run/b.json"}`, "/etc/rollcall", "/run/b.json", ""},
		{"a file may be beside the directory", `{"file": "../b.json"}`, "/etc/rollcall", "/etc/b.json", ""},
		{"without a directory it starts from the worker's", `{"file": "b.json"}`, "", "b.json", ""},
		{"a token's file is another thing", `{"tokenFile": "token"}`, "/etc/rollcall", "", "/etc/rollcall/token"},
		{"an absolute token's file", `{"tokenFile": "/run/token"}`, "/etc/rollcall", "", "/run/token"},
		{"variables are no file", `{"environment": {"prefix": "A"}}`, "/etc/rollcall", "", ""},
		{"the worker's identity is no file", `{"workloadIdentity": {}}`, "/etc/rollcall", "", ""},
	} {
		s := mustSource(t, c.text, c.dir, nil)
		if s.Path() != c.path || s.TokenPath() != c.tokenPath || s.Dir() != c.dir {
			t.Errorf("%s: Path = %q, TokenPath = %q, Dir = %q, want %q, %q and %q",
				c.reason, s.Path(), s.TokenPath(), s.Dir(), c.path, c.tokenPath, c.dir)
		}
	}
}

func TestValues(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials.json")
	write(t, file, `{"client_id": "from a file", "client_secret": "hush"}`)
	environment := map[string]string{"CLOUD_CLIENT_ID": "from a variable", "CLOUD_CLIENT_SECRET": "hush"}
	for text, want := range map[string]string{
		`{"environment": {"prefix": "CLOUD"}}`: "from a variable",
		`{"file": "` + file + `"}`:             "from a file",
		`{"file": "credentials.json"}`:         "from a file",
	} {
		values, err := mustSource(t, text, dir, environment).Values()
		if err != nil {
			t.Fatal(err)
		}
		got, err := values.Need("CLIENT_ID", "CLIENT_SECRET")
		if diff := cmp.Diff([]string{want, "hush"}, got); diff != "" || err != nil {
			t.Errorf("%s: %v, values (-want +got):\n%s", text, err, diff)
		}
		_, err = values.Need("CLIENT_ID", "TENANT")
		if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), values.Called("TENANT")) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error for a missing value is %v, want ErrDenied that names %s", text, err, values.Called("TENANT"))
		}
	}
}

// TestSource_NoticesChangedContent: a renewed secret counts without a restart, also
// where the file keeps its time and its size.
func TestSource_NoticesChangedContent(t *testing.T) {
	dir := t.TempDir()
	for _, place := range []string{"file", "tokenFile"} {
		path := filepath.Join(dir, place)
		s := mustSource(t, `{"`+place+`": "`+place+`"}`, dir, nil)
		if s.Changed() != (credential.Stamp{}) {
			t.Errorf("%s: the stamp of a missing file is %x, want zero", place, s.Changed())
		}
		write(t, path, `{"secret": "old"}`)
		before := s.Changed()
		if before == (credential.Stamp{}) || before != s.Changed() {
			t.Errorf("%s: stamps of the same content are %x and %x, want one that is not zero", place, before, s.Changed())
		}
		write(t, path, `{"secret": "new"}`)
		if s.Changed() == before {
			t.Errorf("%s: the stamp is the same after the content changed", place)
		}
		write(t, path, `{"secret": "old"}`)
		if s.Changed() != before {
			t.Errorf("%s: the stamp is another one for the content that was there before", place)
		}
	}
	write(t, filepath.Join(dir, "file"), `{"secret": "newest"}`)
	values, err := mustSource(t, `{"file": "file"}`, dir, nil).Values()
	if err != nil || values.Get("SECRET") != "newest" {
		t.Errorf("after a renewal: %q, %v", values.Get("SECRET"), err)
	}
}

func TestValues_OfUnreadableFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	s := mustSource(t, `{"file": "`+file+`"}`, "", nil)
	if _, err := s.Values(); !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is not there: %v, want ErrDenied that names it", err)
	}
	for text, reason := range map[string]string{
		`{"secret": "hush`:             "half a file",
		`{"secret": {"value":"hush"}}`: "a value that is no text",
		`["hush"]`:                     "a list",
		`hush`:                         "a token",
		``:                             "an empty file",
	} {
		write(t, file, text)
		if _, err := s.Values(); !errors.Is(err, fault.ErrInvalid) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want ErrInvalid without the content", reason, err)
		}
	}
}

func TestValues_NeedsFileOrEnvironment(t *testing.T) {
	for _, text := range []string{`{"workloadIdentity": {}}`, `{"tokenFile": "/run/token"}`} {
		s := mustSource(t, text, "", nil)
		if _, err := s.Values(); !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("Values of %s: %v, want ErrUnsupported", text, err)
		}
		if want := strings.Contains(text, "workloadIdentity"); s.WorkloadIdentity() != want {
			t.Errorf("WorkloadIdentity of %s = %t, want %t", text, s.WorkloadIdentity(), want)
		}
	}
}
