package kubernetes

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// accept asks for protobuf, which a list of thousands costs a fraction of JSON.
const accept = "application/vnd.kubernetes.protobuf,application/json"

// session is one client that all calls share, until the credentials change.
type session struct {
	settings Connection
	dir      string // of relative file names
	from     source
	budget   *budget.Budget

	mu    sync.Mutex
	held  *rest.RESTClient
	stamp credential.Stamp // of the files that the client was made with
}

// signedIn returns a client for the next call, and the token to make it with if
// tokens are asked for one by one: others than those that were refused, if any.
func (s *session) signedIn(ctx context.Context, refused *rest.RESTClient, stale string) (*rest.RESTClient, string, error) {
	var client *rest.RESTClient
	var err error
	if refused == nil || s.settings.Token != nil {
		client, err = s.client()
	} else {
		client, err = s.renew(refused)
	}
	if err != nil || s.settings.Token == nil {
		return client, "", err
	}
	token, err := s.settings.Token(ctx, stale)
	return client, token, err
}

// changed returns a stamp of all files that the client depends on.
func (s *session) changed() credential.Stamp {
	sources := s.from.changed()
	if s.settings.CAFile == "" {
		return sources
	}
	ca := credential.StampOf(credential.Path(s.dir, s.settings.CAFile))
	return sha256.Sum256(append(sources[:], ca[:]...))
}

// client returns the client there is, or a new one where there is none or the
// credentials have changed since.
func (s *session) client() (*rest.RESTClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil && s.stamp == s.changed() {
		return s.held, nil
	}
	return s.connect()
}

// renew returns a client other than the refused one.
func (s *session) renew(refused *rest.RESTClient) (*rest.RESTClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != refused {
		return s.held, nil // somebody was faster
	}
	return s.connect()
}

// connect reads the credentials and makes a client of them. It makes no call.
func (s *session) connect() (*rest.RESTClient, error) {
	stamp := s.changed()
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	// The texts of the errors below may quote parts of keys.
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w: the certificates or keys cannot be used", fault.ErrInvalid)
	}
	web = &http.Client{
		Transport: web.Transport,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err := rest.RESTClientForConfigAndClient(config, web)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w: the settings make no client", fault.ErrInvalid)
	}
	if s.held != nil && s.held.Client != nil {
		s.held.Client.CloseIdleConnections()
	}
	s.held, s.stamp = client, stamp
	return client, nil
}

// config is the credentials with everything else that a client needs.
func (s *session) config() (*rest.Config, error) {
	config, err := s.from.read()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	ca, err := s.settings.ca(s.dir)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if len(ca) > 0 {
		config.CAData = ca
	}
	config.Insecure = false
	config.Host, config.APIPath = s.settings.Server, "/apis"
	config.UserAgent = "rollcall"
	config.QPS = -1 // the budget bounds calls, for all workers
	config.Timeout = 0
	config.AcceptContentTypes = accept
	config.WarningHandler = rest.NoWarnings{} // they would go to the log
	config.GroupVersion = &rbacv1.SchemeGroupVersion
	if config.NegotiatedSerializer, err = s.settings.decoders(); err != nil {
		return nil, err
	}
	config.Wrap(calls.Bounded)
	config.Wrap(s.budget.Transport)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return attentive{next} })
	return config, nil
}

// decoders know the few types that are read here.
func (s Connection) decoders() (runtime.NegotiatedSerializer, error) {
	scheme := runtime.NewScheme()
	known := []func(*runtime.Scheme) error{rbacv1.AddToScheme, metav1.AddMetaToScheme}
	if s.Types != nil {
		known = append(known, s.Types)
	}
	for _, add := range known {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("kubernetes: %w", err)
		}
	}
	metav1.AddToGroupVersion(scheme, metav1.Unversioned) // Status
	return serializer.NewCodecFactory(scheme).WithoutConversion(), nil
}
