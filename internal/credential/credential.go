// Package credential finds what a driver signs in with: in a file, in the worker's
// environment, or in the identity that the worker has where it runs. Connections
// name the place and never hold the values; errors name the values that are missing
// and never show one.
package credential

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Config is a connection's auth. Exactly one field is set.
type Config struct {
	// File is a file with named values, or the platform's own form: a kubeconfig, or
	// Google's JSON.
	File string `json:"file"`
	// TokenFile is a file that holds a token and nothing else.
	TokenFile string `json:"tokenFile"`
	// Environment takes values from variables.
	Environment *Environment `json:"environment"`
	// WorkloadIdentity is the identity of the worker itself.
	WorkloadIdentity *struct{} `json:"workloadIdentity"`
}

// Environment takes the variables whose names begin with "<Prefix>_".
type Environment struct {
	Prefix string `json:"prefix"`
}

// Source is the one place that a Config names.
type Source struct {
	config Config
	getenv func(string) string
	dir    string
}

// Source returns the place, or an error that wraps fault.ErrInvalid unless
// exactly one is named. Relative file names start from dir.
func (c Config) Source(dir string, getenv func(string) string) (*Source, error) {
	named := 0
	for _, is := range []bool{c.File != "", c.TokenFile != "", c.Environment != nil, c.WorkloadIdentity != nil} {
		if is {
			named++
		}
	}
	switch {
	case named != 1:
		return nil, fmt.Errorf("%w: auth needs exactly one of file, tokenFile, environment and workloadIdentity", fault.ErrInvalid)
	case c.Environment != nil && c.Environment.Prefix == "":
		return nil, fmt.Errorf("%w: auth.environment needs a prefix", fault.ErrInvalid)
	}
	return &Source{config: c, getenv: getenv, dir: dir}, nil
}

// WorkloadIdentity reports whether the worker's own identity is meant. There are
// no values to read then.
func (s *Source) WorkloadIdentity() bool { return s.config.WorkloadIdentity != nil }

// Path returns the path of the file with values, and "" where no such file is meant.
func (s *Source) Path() string { return Path(s.dir, s.config.File) }

// TokenPath returns the path of the token's file, and "" where no such file is meant.
func (s *Source) TokenPath() string { return Path(s.dir, s.config.TokenFile) }

// Dir returns the directory that relative file names start from.
func (s *Source) Dir() string { return s.dir }

// Path returns the path of a file that is named relative to dir, and "" for "".
func Path(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Changed returns a stamp of the file's content, which changes when the content
// does. It is zero for a place that has no file, and for a file that cannot be read;
// reading says why.
func (s *Source) Changed() Stamp {
	return StampOf(cmp.Or(s.Path(), s.TokenPath()))
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
	case s.config.File == "":
		return Values{}, fmt.Errorf("%w: auth: write file or environment: a token or a workload identity has no values",
			fault.ErrUnsupported)
	}
	text, err := ReadFile(s.Path())
	if err != nil {
		return Values{}, fmt.Errorf("the credentials' file: %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(text, &values); err != nil {
		// The decoder's text may quote what it read.
		return Values{}, fmt.Errorf("%w: the credentials' file %s is not a JSON object of texts", fault.ErrInvalid, s.Path())
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
		return fmt.Sprintf("%q in the file %s", strings.ToLower(name), v.source.Path())
	}
	return v.source.config.Environment.Prefix + "_" + name
}
