package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// clients are the SDK's, of one set of credentials.
type clients struct {
	store *identitystore.Client
	sso   *ssoadmin.Client
	org   *organizations.Client
}

// session is one set of clients that all calls share, until the credentials
// change.
type session struct {
	settings Connection
	from     *credential.Source
	budget   *budget.Budget
	http     *http.Client

	mu    sync.Mutex
	held  *clients
	stamp credential.Stamp // of the credentials that the clients were made with
}

func newSession(settings Connection, from *credential.Source, limits *budget.Budget) *session {
	return &session{settings: settings, from: from, budget: limits, http: newWeb(limits, calls.NewTransport())}
}

// newWeb returns a client behind the budget.
func newWeb(limits *budget.Budget, transport *http.Transport) *http.Client {
	return &http.Client{
		Transport: limits.Transport(inMemory{calls.Bounded(transport)}),
		// A redirect would carry the session's token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// inMemory sends a request's body from memory. The SDK closes the body it gave as
// soon as the answer's head is there; a transport that has sent all of it, and not
// yet noticed that there is no more, takes that for a failed write and closes the
// connection under the answer. That happens about once in 10,000 calls on a busy
// machine.
type inMemory struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return m.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body = io.NopCloser(bytes.NewReader(body))
	return m.next.RoundTrip(r)
}

// current returns the clients there are, or new ones where there are none or the
// credentials have changed since.
func (s *session) current(ctx context.Context) (*clients, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil && s.stamp == s.from.Changed() {
		return s.held, nil
	}
	return s.connect(ctx)
}

// renew returns clients other than the refused ones.
func (s *session) renew(ctx context.Context, refused *clients) (*clients, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != refused {
		return s.held, nil // somebody was faster
	}
	return s.connect(ctx)
}

// connect reads the credentials and makes clients of them. It makes no call.
func (s *session) connect(ctx context.Context) (*clients, error) {
	stamp := s.from.Changed()
	basis, err := s.basis(ctx)
	if err != nil {
		return nil, err
	}
	if role := s.settings.AssumeRole; role != nil {
		basis.Credentials = &signIn{from: aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(
			sts.NewFromConfig(basis), role.RoleARN, func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "rollcall"
				if role.ExternalID != "" {
					o.ExternalID = &role.ExternalID
				}
			}))}
	}
	s.held, s.stamp = &clients{
		store: identitystore.NewFromConfig(basis), sso: ssoadmin.NewFromConfig(basis), org: organizations.NewFromConfig(basis),
	}, stamp
	return s.held, nil
}

// basis is the clients' configuration before any role is assumed.
func (s *session) basis(ctx context.Context) (aws.Config, error) {
	if s.from.WorkloadIdentity() {
		return s.ownIdentity(ctx)
	}
	values, err := s.from.Values()
	if err != nil {
		return aws.Config{}, err
	}
	need, err := values.Need("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
	if err != nil {
		return aws.Config{}, err
	}
	signer := aws.Credentials{
		AccessKeyID: need[0], SecretAccessKey: need[1], SessionToken: values.Get("SESSION_TOKEN"), Source: "rollcall",
	}
	basis := aws.Config{
		Region: s.settings.Region, HTTPClient: s.http, Retryer: never, Logger: logging.Nop{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return signer, nil }),
	}
	if s.settings.Endpoint != "" {
		basis.BaseEndpoint = &s.settings.Endpoint
	}
	return basis, nil
}

// ownIdentity is the SDK's default chain without the files of profiles: a web identity
// token as Kubernetes gives it to a pod, the task's role, the machine's role. The SDK wants a client
// of its own for the certificates that AWS_CA_BUNDLE names, and for asking the
// machine; everything that leaves the machine goes through ours.
func (s *session) ownIdentity(ctx context.Context) (aws.Config, error) {
	transport := calls.NewTransport()
	client := newWeb(s.budget, transport)
	token := sts.Options{Region: s.settings.Region, HTTPClient: client, Retryer: never(), Logger: logging.Nop{}}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.settings.Region), config.WithRetryer(never), config.WithLogger(logging.Nop{}),
		config.WithLogConfigurationWarnings(false), config.WithClientLogMode(0),
		// A profile may name a program (credential_process), and is no workload's identity.
		config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}),
	}
	if s.settings.Endpoint != "" {
		token.BaseEndpoint = &s.settings.Endpoint
		options = append(options, config.WithBaseEndpoint(s.settings.Endpoint))
	}
	options = append(options,
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) { o.Client = sts.New(token) }),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { // of a container, on its own machine
			o.HTTPClient = &http.Client{Transport: calls.Bounded(calls.NewTransport())}
		}))
	basis, err := config.LoadDefaultConfig(context.WithoutCancel(ctx), options...)
	if err != nil {
		// The error's text may quote what was read.
		return aws.Config{}, fmt.Errorf("%w: the worker's own AWS identity cannot be used: give it a web identity, "+
			"or the role of its task or machine; profiles (AWS_PROFILE) are not read", fault.ErrDenied)
	}
	if its, ok := basis.HTTPClient.(*awshttp.BuildableClient); ok && its.GetTransport().TLSClientConfig != nil {
		transport.TLSClientConfig = its.GetTransport().TLSClientConfig.Clone()
	}
	basis.HTTPClient, basis.Credentials = client, &signIn{from: basis.Credentials}
	return basis, nil
}

// signIn gets credentials by calls. All who need them at the same time wait for one call
// and make its progress, which the SDK's cache alone would hide.
type signIn struct {
	from    aws.CredentialsProvider
	running calls.Shared[aws.Credentials]
}

// Retrieve implements aws.CredentialsProvider.
func (s *signIn) Retrieve(ctx context.Context) (aws.Credentials, error) {
	return s.running.Do(ctx, "", func(ctx context.Context) (aws.Credentials, error) {
		return s.from.Retrieve(calls.WithDeadline(ctx, "signing in", calls.Default()))
	})
}

// never is the SDK's retry policy here: the workflow retries.
func never() aws.Retryer { return aws.NopRetryer{} }

// stale reports whether the answer says that the credentials have expired, or
// are not known any more, and others may be at hand.
func (s *session) stale(err error) bool {
	if s.from.Path() == "" && !s.from.WorkloadIdentity() && s.settings.AssumeRole == nil {
		return false // an environment does not change
	}
	answer, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(
		[]string{"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId"}, answer.ErrorCode())
}
