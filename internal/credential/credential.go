// Package credential finds what a driver signs in with: in the worker's
// environment, in a file that is read again when it changes, or in the identity
// that the worker has where it runs. Documents name the place and never hold
// the values; errors name the values that are missing and never show one.
package credential

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Config is a platform document's replication.credentials. Exactly one field is set.
type Config struct {
	Environment      *Environment `json:"environment"`
	File             *File        `json:"file"`
	WorkloadIdentity *struct{}    `json:"workloadIdentity"`
}

// Environment takes the variables whose names begin with "<Prefix>_".
type Environment struct {
	Prefix string `json:"prefix"`
}

// File is a file on the worker.
type File struct {
	Path string `json:"path"`
}

// Source is the one place that a Config names.
type Source struct {
	config Config
	getenv func(string) string
}

// Source returns the place, or an error that wraps fault.ErrInvalid unless
// exactly one is named.
func (c Config) Source(getenv func(string) string) (*Source, error) {
	named := 0
	for _, is := range []bool{c.Environment != nil, c.File != nil, c.WorkloadIdentity != nil} {
		if is {
			named++
		}
	}
	switch {
	case named != 1:
		return nil, fmt.Errorf("%w: replication.credentials needs exactly one of environment, file and workloadIdentity", fault.ErrInvalid)
	case c.Environment != nil && c.Environment.Prefix == "", c.File != nil && c.File.Path == "":
		return nil, fmt.Errorf("%w: replication.credentials needs environment.prefix or file.path", fault.ErrInvalid)
	}
	return &Source{config: c, getenv: getenv}, nil
}

// WorkloadIdentity reports whether the worker's own identity is meant. There are
// no values to read then.
func (s *Source) WorkloadIdentity() bool { return s.config.WorkloadIdentity != nil }

// Path returns the file's path, and "" where no file is meant.
func (s *Source) Path() string {
	if s.config.File == nil {
		return ""
	}
	return s.config.File.Path
}

// Changed is a stamp that moves when the values may have: the file's time. It is
// zero for everything else, and for a file that is not there; reading says so.
func (s *Source) Changed() time.Time {
	if s.config.File == nil {
		return time.Time{}
	}
	info, err := os.Stat(s.config.File.Path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Values are named texts, such as "CLIENT_ID".
type Values struct {
	source *Source
	file   map[string]string // by name in lower case; nil for the environment
}

// Values reads the place as it is now: variables, or a file that is a JSON
// object of texts with the same names in lower case. Its errors wrap
// fault.ErrDenied or fault.ErrInvalid and quote nothing of what was read.
func (s *Source) Values() (Values, error) {
	switch {
	case s.config.Environment != nil:
		return Values{source: s}, nil
	case s.config.File == nil:
		return Values{}, fmt.Errorf("%w: credentials: a workload identity has no values", fault.ErrUnsupported)
	}
	text, err := os.ReadFile(s.config.File.Path)
	if err != nil {
		return Values{}, fmt.Errorf("%w: the credentials' file: %w", fault.ErrDenied, err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(text, &values); err != nil {
		// The decoder's text may quote what it read.
		return Values{}, fmt.Errorf("%w: the credentials' file %s is not a JSON object of texts", fault.ErrInvalid, s.config.File.Path)
	}
	return Values{source: s, file: values}, nil
}

// Get returns the value, or "" where there is none.
func (v Values) Get(name string) string {
	if v.file != nil {
		return v.file[strings.ToLower(name)]
	}
	return v.source.getenv(v.source.config.Environment.Prefix + "_" + name)
}

// Need returns the values, or an error wrapping fault.ErrDenied that says where
// the first missing one is expected.
func (v Values) Need(names ...string) ([]string, error) {
	values := make([]string, len(names))
	for i, name := range names {
		if values[i] = v.Get(name); values[i] == "" {
			return nil, fmt.Errorf("%w: credentials are incomplete: set %s", fault.ErrDenied, v.Called(name))
		}
	}
	return values, nil
}

// Called says for people where a value is expected.
func (v Values) Called(name string) string {
	if v.file != nil {
		return fmt.Sprintf("%q in the file %s", strings.ToLower(name), v.source.config.File.Path)
	}
	return v.source.config.Environment.Prefix + "_" + name
}
