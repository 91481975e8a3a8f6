package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// source is a place to find credentials.
type source interface {
	// read returns who we are: token, certificate or plugin, and at most the CA
	// beside it.
	read() (*rest.Config, error)
	// changed is a stamp that moves when the credentials may have.
	changed() time.Time
}

// source returns the one that is configured. account is the directory that holds
// what a cluster gives to its pods.
func (s Settings) source(getenv func(string) string, account string) (source, error) {
	if s.Token != nil {
		return asked{}, nil
	}
	from, err := s.Credentials.Source(getenv)
	switch {
	case err != nil:
		return nil, err
	case from.WorkloadIdentity():
		return &pod{
			token: tokenFile{Path: filepath.Join(account, corev1.ServiceAccountTokenKey)},
			ca:    filepath.Join(account, corev1.ServiceAccountRootCAKey),
		}, nil
	case from.Path() != "":
		return &kubeconfig{Path: from.Path()}, nil
	default:
		return variable(from)
	}
}

// variable returns the place that the one variable names.
func variable(from *credential.Source) (source, error) {
	values, err := from.Values()
	if err != nil {
		return nil, err
	}
	var found []source
	for _, kind := range []struct {
		name   string
		source func(value string) source
	}{
		{"TOKEN", func(v string) source { return token(v) }},
		{"TOKEN_FILE", func(v string) source { return &tokenFile{Path: v} }},
		{"KUBECONFIG", func(v string) source { return &kubeconfig{Path: v} }},
	} {
		if value := values.Get(kind.name); value != "" {
			found = append(found, kind.source(value))
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: credentials: set exactly one of %s, %s and %s", fault.ErrDenied,
			values.Called("TOKEN"), values.Called("TOKEN_FILE"), values.Called("KUBECONFIG"))
	}
	return found[0], nil
}

// asked is nothing: the token is asked for with each call.
type asked struct{}

func (asked) read() (*rest.Config, error) { return &rest.Config{}, nil }

func (asked) changed() time.Time { return time.Time{} }

// accountDir is where a cluster puts what a pod needs to call it
// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// pod is the service account of the pod that we run in. The cluster renews its
// token before it expires, and replaces its CA.
type pod struct {
	token tokenFile
	ca    string
}

func (p *pod) read() (*rest.Config, error) {
	config, err := p.token.read()
	if err != nil {
		return nil, err
	}
	if config.CAData, err = os.ReadFile(p.ca); err != nil {
		return nil, fmt.Errorf("%w: the CA of the pod's cluster: %w", fault.ErrDenied, err)
	}
	return config, nil
}

// changed is the later of the two files' times: they change together.
func (p *pod) changed() time.Time {
	at, ca := p.token.changed(), modified(p.ca)
	if ca.After(at) {
		return ca
	}
	return at
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
type kubeconfig struct{ Path string }

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
