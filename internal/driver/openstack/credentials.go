package openstack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// defaultDomain is the name of the domain that every Keystone has.
const defaultDomain = "Default"

// credentials is where to find what to sign in with. Exactly one field is set.
type credentials struct {
	Environment *environment `json:"environment"`
	File        *file        `json:"file"`
}

// environment takes the variables <Prefix>_USERNAME, _PASSWORD,
// _USER_DOMAIN_NAME, _PROJECT_NAME, _PROJECT_DOMAIN_NAME, or instead of the
// project _SYSTEM_SCOPE=all, or instead of all of them
// _APPLICATION_CREDENTIAL_ID and _APPLICATION_CREDENTIAL_SECRET.
type environment struct {
	Prefix string `json:"prefix"`
	getenv func(string) string
}

// file is a JSON object with the same names, in lower case and without a
// prefix. It is read again when it changes.
type file struct {
	Path string `json:"path"`
}

// source is a place to find credentials.
type source interface {
	// read returns a function that finds one value by its name, such as
	// "PROJECT_NAME", and empty text where there is none.
	read() (func(name string) string, error)
	// called returns how that value is called there, for people.
	called(name string) string
	// changed is a stamp that moves when the values may have.
	changed() time.Time
}

// source returns the one that is configured.
func (c credentials) source(getenv func(string) string) (source, error) {
	switch {
	case (c.Environment == nil) == (c.File == nil):
		return nil, fmt.Errorf("%w: replication.credentials needs either environment or file", fault.ErrInvalid)
	case c.File != nil && c.File.Path != "":
		return c.File, nil
	case c.Environment != nil && c.Environment.Prefix != "":
		return &environment{Prefix: c.Environment.Prefix, getenv: getenv}, nil
	default:
		return nil, fmt.Errorf("%w: replication.credentials needs environment.prefix or file.path", fault.ErrInvalid)
	}
}

func (e *environment) read() (func(string) string, error) {
	return func(name string) string { return e.getenv(e.called(name)) }, nil
}

func (e *environment) called(name string) string { return e.Prefix + "_" + name }

func (e *environment) changed() time.Time { return time.Time{} }

func (f *file) read() (func(string) string, error) {
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: the credentials' file: %w", fault.ErrDenied, err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(text, &values); err != nil {
		// The decoder's text may quote what it read.
		return nil, fmt.Errorf("%w: the credentials' file %s is not a JSON object of texts", fault.ErrInvalid, f.Path)
	}
	return func(name string) string { return values[strings.ToLower(name)] }, nil
}

func (f *file) called(name string) string {
	return fmt.Sprintf("%q in the file %s", strings.ToLower(name), f.Path)
}

func (f *file) changed() time.Time {
	info, err := os.Stat(f.Path)
	if err != nil {
		return time.Time{} // read says what is wrong with it
	}
	return info.ModTime()
}

// options reads what to sign in with. What is missing is an error that names it.
func options(from source) (*tokens.AuthOptions, error) {
	get, err := from.read()
	if err != nil {
		return nil, err
	}
	missing := func(name string) error {
		return fmt.Errorf("%w: credentials are incomplete: set %s", fault.ErrDenied, from.called(name))
	}
	if id := get("APPLICATION_CREDENTIAL_ID"); id != "" {
		secret := get("APPLICATION_CREDENTIAL_SECRET")
		if secret == "" {
			return nil, missing("APPLICATION_CREDENTIAL_SECRET")
		}
		return &tokens.AuthOptions{ApplicationCredentialID: id, ApplicationCredentialSecret: secret}, nil
	}
	for _, name := range []string{"USERNAME", "PASSWORD"} {
		if get(name) == "" {
			return nil, missing(name)
		}
	}
	or := func(name, otherwise string) string {
		if value := get(name); value != "" {
			return value
		}
		return otherwise
	}
	signIn := &tokens.AuthOptions{
		Username: get("USERNAME"), Password: get("PASSWORD"), DomainName: or("USER_DOMAIN_NAME", defaultDomain),
	}
	switch {
	case get("SYSTEM_SCOPE") == "all":
		signIn.Scope = tokens.Scope{System: true}
	case get("PROJECT_NAME") != "":
		signIn.Scope = tokens.Scope{ProjectName: get("PROJECT_NAME"), DomainName: or("PROJECT_DOMAIN_NAME", defaultDomain)}
	default:
		return nil, missing("PROJECT_NAME")
	}
	return signIn, nil
}
