package kubernetes

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Connection is what the driver reads of a connection of type kubernetes: which
// cluster, and who we are there.
type Connection struct {
	// Server is the API server's address. It is https, or http to this machine.
	Server string `json:"server"`
	// CAFile or CAData, in base64, holds the certificates in PEM that the server
	// is trusted by. Without them it is what comes with the credentials, else the
	// system's.
	CAFile string `json:"caFile"`
	CAData string `json:"caData"`
	// Auth names a kubeconfig as file, a token's file, one of the variables
	// <Prefix>_TOKEN, <Prefix>_TOKEN_FILE and <Prefix>_KUBECONFIG, or the service
	// account of the pod that the worker runs in. Files are read again when they
	// change.
	Auth credential.Config `json:"auth"`
	// Token takes the place of Auth where it is set. It is asked before
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

// Connect returns the cluster of a connection. It reads the credentials, so that a
// missing one is known at once, and makes no call. options may change what the
// connection says before it is used.
func Connect(connection driver.Connection, getenv func(string) string, options ...func(*Connection)) (*Cluster, error) {
	return connect(connection, getenv, accountDir, options...)
}

// connect is Connect with another place for what a cluster gives to its pods.
func connect(
	connection driver.Connection, getenv func(string) string, account string, options ...func(*Connection),
) (*Cluster, error) {
	var settings Connection
	if err := connection.Decode(&settings); err != nil {
		return nil, err
	}
	for _, change := range options {
		change(&settings)
	}
	if err := settings.check(); err != nil {
		return nil, err
	}
	s := &session{settings: settings, dir: connection.Dir, budget: connection.Budget}
	var err error
	if s.from, err = settings.source(connection.Dir, getenv, account); err != nil {
		return nil, err
	}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	return &Cluster{session: s, roles: newRoleNames()}, nil
}

// check refuses settings that cannot work.
func (s Connection) check() error {
	if !credential.IsEndpoint(s.Server) {
		// The text is not quoted: it may hold a password.
		return fmt.Errorf("%w: server is not the API server's address: write https://host:6443, or http only to this machine",
			fault.ErrInvalid)
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
func (s Connection) ca(dir string) ([]byte, error) {
	if s.CAFile == "" {
		return base64.StdEncoding.DecodeString(s.CAData)
	}
	pem, err := credential.ReadFile(credential.Path(dir, s.CAFile))
	if err != nil {
		return nil, fmt.Errorf("caFile: %w", err)
	}
	return pem, nil
}

// Check asks the API server something that only an accepted account may ask.
func (c *Cluster) Check(ctx context.Context) error {
	_, err := c.Exists(ctx, "GET namespaces", "/api/v1", "namespaces", "rollcall-connection-check")
	return err
}
