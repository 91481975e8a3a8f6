package kubernetes

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// source is a place to find credentials.
type source interface {
	// read returns who we are: token, certificate or plugin, and at most the CA
	// beside it.
	read() (*rest.Config, error)
	// changed is a stamp that moves when the credentials may have.
	changed() credential.Stamp
}

// source returns the one that is configured. account is the directory that holds
// what a cluster gives to its pods.
func (s Connection) source(dir string, getenv func(string) string, account string) (source, error) {
	if s.Token != nil {
		return asked{}, nil
	}
	from, err := s.Auth.Source(dir, getenv)
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
	case from.TokenPath() != "":
		return &tokenFile{Path: from.TokenPath()}, nil
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
		{"TOKEN_FILE", func(v string) source { return &tokenFile{Path: credential.Path(from.Dir(), v)} }},
		{"KUBECONFIG", func(v string) source { return &kubeconfig{Path: credential.Path(from.Dir(), v)} }},
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

func (asked) changed() credential.Stamp { return credential.Stamp{} }

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
	if config.CAData, err = credential.ReadFile(p.ca); err != nil {
		return nil, fmt.Errorf("the CA of the pod's cluster: %w", err)
	}
	return config, nil
}

func (p *pod) changed() credential.Stamp { return credential.StampOf(p.token.Path, p.ca) }

// token is a bearer token itself.
type token string

func (t token) read() (*rest.Config, error) {
	return &rest.Config{BearerToken: strings.TrimSpace(string(t))}, nil
}

func (token) changed() credential.Stamp { return credential.Stamp{} }

// tokenFile is a file that holds a bearer token, such as the one that a cluster
// renews for the pods in it.
type tokenFile struct{ Path string }

func (f *tokenFile) read() (*rest.Config, error) {
	text, err := credential.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("the token's file: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, fmt.Errorf("%w: the token's file %s is empty", fault.ErrDenied, f.Path)
	}
	return token(text).read()
}

func (f *tokenFile) changed() credential.Stamp { return credential.StampOf(f.Path) }

// kubeconfig is a file as kubectl reads it. Its current context says who we are; the
// other contexts count for nothing.
type kubeconfig struct {
	Path string

	mu    sync.Mutex
	names []string         // of the files that the kubeconfig with this stamp names
	stamp credential.Stamp // of the kubeconfig alone
}

func (f *kubeconfig) read() (*rest.Config, error) {
	loaded, err := f.load()
	if err != nil {
		return nil, err
	}
	for _, user := range loaded.AuthInfos {
		if err := f.complete(user); err != nil {
			return nil, err
		}
	}
	for _, cluster := range loaded.Clusters {
		if err := f.include(&cluster.CertificateAuthority, &cluster.CertificateAuthorityData); err != nil {
			return nil, err
		}
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, f.invalidContext()
	}
	return config, nil
}

// load reads the current context of the file. The texts of errors that are not shown
// may quote what was read.
func (f *kubeconfig) load() (*clientcmdapi.Config, error) {
	text, err := credential.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig: %w", err)
	}
	loaded, err := clientcmd.Load(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a kubeconfig that can be read", fault.ErrInvalid, f.Path)
	}
	if err := clientcmdapi.MinifyConfig(loaded); err != nil {
		return nil, f.invalidContext()
	}
	return loaded, nil
}

func (f *kubeconfig) invalidContext() error {
	return fmt.Errorf("%w: the kubeconfig %s has no current context that is complete", fault.ErrInvalid, f.Path)
}

// complete reads the files that a user's entry names into it. It refuses an entry that
// would run a program to sign in, or that signs nobody in.
func (f *kubeconfig) complete(user *clientcmdapi.AuthInfo) error {
	if user.Exec != nil || user.AuthProvider != nil {
		return fmt.Errorf("%w: the kubeconfig %s signs in by a program or a plugin (exec, auth-provider): use a token or a certificate",
			fault.ErrUnsupported, f.Path)
	}
	if user.Impersonate != "" || user.ImpersonateUID != "" || len(user.ImpersonateGroups)+len(user.ImpersonateUserExtra) > 0 {
		return fmt.Errorf("%w: the kubeconfig %s impersonates: give its own account the roles", fault.ErrUnsupported, f.Path)
	}
	err := errors.Join(f.include(&user.ClientCertificate, &user.ClientCertificateData), f.include(&user.ClientKey, &user.ClientKeyData))
	if err != nil {
		return err
	}
	if user.TokenFile != "" {
		var token []byte
		if err := f.include(&user.TokenFile, &token); err != nil {
			return err
		}
		user.Token = strings.TrimSpace(string(token))
	}
	if user.Token == "" && len(user.ClientCertificateData) == 0 && user.Username == "" {
		return fmt.Errorf("%w: the kubeconfig %s has no token and no certificate for its current context", fault.ErrDenied, f.Path)
	}
	return nil
}

// include reads a file that the kubeconfig names, relative to itself.
func (f *kubeconfig) include(name *string, into *[]byte) error {
	if *name == "" {
		return nil
	}
	text, err := credential.ReadFile(credential.Path(filepath.Dir(f.Path), *name))
	if err != nil {
		return fmt.Errorf("a file that the kubeconfig names: %w", err)
	}
	*name, *into = "", text
	return nil
}

// changed is the stamp of the kubeconfig and of every file that it names.
func (f *kubeconfig) changed() credential.Stamp {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stamp := credential.StampOf(f.Path); stamp != f.stamp {
		f.stamp, f.names = stamp, f.named()
	}
	return credential.StampOf(append([]string{f.Path}, f.names...)...)
}

// named returns the files that the kubeconfig names.
func (f *kubeconfig) named() (names []string) {
	loaded, err := f.load()
	if err != nil {
		return nil // read says why
	}
	for _, user := range loaded.AuthInfos {
		names = append(names, user.ClientCertificate, user.ClientKey, user.TokenFile)
	}
	for _, cluster := range loaded.Clusters {
		names = append(names, cluster.CertificateAuthority)
	}
	for i, name := range names {
		names[i] = credential.Path(filepath.Dir(f.Path), name)
	}
	return names
}
