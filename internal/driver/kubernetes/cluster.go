package kubernetes

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Settings say which cluster, and who we are there.
type Settings struct {
	// Server is the API server's address. It is https, or http to this machine.
	Server string `json:"server"`
	// CAFile or CAData, in base64, holds the certificates in PEM that the server
	// is trusted by. Without them it is what comes with the credentials, else the
	// system's.
	CAFile string `json:"caFile"`
	CAData string `json:"caData"`
	// Credentials name one of the variables <Prefix>_TOKEN, <Prefix>_TOKEN_FILE
	// and <Prefix>_KUBECONFIG, a kubeconfig, or the service account of the pod
	// that the worker runs in. All files are read again when they change.
	Credentials credential.Config `json:"credentials"`
	// Token takes the place of Credentials where it is set. It is asked before
	// each call for a bearer token other than refused, which is "" unless the
	// server has just refused one. It remembers tokens itself.
	Token func(ctx context.Context, refused string) (string, error) `json:"-"`
	// Types adds to the scheme what is read besides RoleBindings; nil adds nothing.
	Types func(*runtime.Scheme) error `json:"-"`
}

// Cluster is one API server, for every driver whose tenants are namespaces. It is
// safe for use by many goroutines. Its errors wrap package fault's, begin with
// "kubernetes:", and hold nothing of a request's or an answer's content.
type Cluster struct {
	session *session
	roles   *roleNames
}

// Connect returns the cluster that the settings name. It reads the credentials,
// so that a missing one is known at once, and makes no call. Of config it uses
// the budget, which every call passes, and Getenv.
func Connect(settings Settings, config driver.Config) (*Cluster, error) {
	return connect(settings, config, accountDir)
}

// connect is Connect with another place for what a cluster gives to its pods.
func connect(settings Settings, config driver.Config, account string) (*Cluster, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	getenv := config.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	s := &session{settings: settings, budget: config.Budget}
	var err error
	if s.from, err = settings.source(getenv, account); err != nil {
		return nil, err
	}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	return &Cluster{session: s, roles: newRoleNames()}, nil
}

// check refuses settings that cannot work.
func (s Settings) check() error {
	u, err := url.Parse(s.Server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		// The text is not quoted: it may hold a password.
		return fmt.Errorf("%w: server is not the API server's address: write https://host:6443", fault.ErrInvalid)
	}
	if s.CAFile != "" && s.CAData != "" {
		return fmt.Errorf("%w: give caFile or caData, not both", fault.ErrInvalid)
	}
	if _, err := base64.StdEncoding.DecodeString(s.CAData); err != nil {
		return fmt.Errorf("%w: caData is not base64", fault.ErrInvalid)
	}
	return nil
}

// ca returns the certificates that the settings name, if any.
func (s Settings) ca() ([]byte, error) {
	if s.CAFile == "" {
		return base64.StdEncoding.DecodeString(s.CAData)
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%w: caFile: %w", fault.ErrInvalid, err)
	}
	return pem, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
