package kubernetes

import (
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// credentials is where to find what to sign in with. Exactly one field is set.
type credentials struct {
	Environment *environment `json:"environment"`
	File        *kubeconfig  `json:"file"`
}

// environment takes one of the variables <Prefix>_TOKEN, <Prefix>_TOKEN_FILE and
// <Prefix>_KUBECONFIG; the latter two name files.
type environment struct {
	Prefix string `json:"prefix"`
}

// source is a place to find credentials.
type source interface {
	// read returns who we are: token, certificate or plugin, and at most the CA
	// beside it.
	read() (*rest.Config, error)
	// changed is a stamp that moves when the credentials may have.
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
		return c.Environment.source(getenv)
	default:
		return nil, fmt.Errorf("%w: replication.credentials needs environment.prefix or file.path", fault.ErrInvalid)
	}
}

// source returns the place that the one variable names.
func (e *environment) source(getenv func(string) string) (source, error) {
	var found []source
	for _, kind := range []struct {
		suffix string
		source func(value string) source
	}{
		{"_TOKEN", func(v string) source { return token(v) }},
		{"_TOKEN_FILE", func(v string) source { return &tokenFile{Path: v} }},
		{"_KUBECONFIG", func(v string) source { return &kubeconfig{Path: v} }},
	} {
		if value := getenv(e.Prefix + kind.suffix); value != "" {
			found = append(found, kind.source(value))
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: credentials: set exactly one of %[2]s_TOKEN, %[2]s_TOKEN_FILE and %[2]s_KUBECONFIG",
			fault.ErrDenied, e.Prefix)
	}
	return found[0], nil
}

// token is a bearer token itself.
type token string

func (t token) read() (*rest.Config, error) {
	return &rest.Config{BearerToken: strings.TrimSpace(string(t))}, nil
}

func (token) changed() time.Time { return time.Time{} }

// tokenFile is a file that holds a bearer token, such as the one that a cluster
// renews for the pods in it.
type tokenFile struct{ Path string }

func (f *tokenFile) read() (*rest.Config, error) {
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: the token's file: %w", fault.ErrDenied, err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, fmt.Errorf("%w: the token's file %s is empty", fault.ErrDenied, f.Path)
	}
	return token(text).read()
}

func (f *tokenFile) changed() time.Time { return modified(f.Path) }

// kubeconfig is a file as kubectl reads it. Its current context says who we are.
type kubeconfig struct {
	Path string `json:"path"`
}

func (f *kubeconfig) read() (*rest.Config, error) {
	if _, err := os.Stat(f.Path); err != nil {
		return nil, fmt.Errorf("%w: the kubeconfig: %w", fault.ErrDenied, err)
	}
	// The texts of the errors below may quote what was read.
	rules := clientcmd.ClientConfigLoadingRules{ExplicitPath: f.Path, WarnIfAllMissing: false}
	loaded, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a kubeconfig that can be read", fault.ErrInvalid, f.Path)
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: the kubeconfig %s has no current context that is complete", fault.ErrInvalid, f.Path)
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, fmt.Errorf("%w: the kubeconfig %s names a certificate that cannot be read", fault.ErrDenied, f.Path)
	}
	// What was loaded counts until the kubeconfig itself changes.
	config.CAFile, config.CertFile, config.KeyFile = "", "", ""
	return config, nil
}

func (f *kubeconfig) changed() time.Time { return modified(f.Path) }

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{} // read says what is wrong with it
	}
	return info.ModTime()
}
