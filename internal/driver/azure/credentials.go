package azure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// identity is who signs in, and where to find what with.
type identity struct {
	source *credential.Source
	getenv func(string) string
	tenant string
	client string // the application, where the credentials do not say
	login  string
	http   *http.Client
}

// credential reads what to sign in with, as it is now. It makes no call. The SDK's
// own reasons to refuse are not shown: they are about code, and may quote values.
func (i identity) credential() (azcore.TokenCredential, error) {
	found, err := i.find()
	if err != nil && !classified(err) {
		return nil, fmt.Errorf("%w: the credentials cannot be used: a certificate's key must be RSA", fault.ErrInvalid)
	}
	return found, err
}

func (i identity) find() (azcore.TokenCredential, error) {
	switch {
	case i.source.WorkloadIdentity():
		return i.workload()
	case i.source.TokenPath() != "":
		return i.federated(i.client, i.source.TokenPath())
	}
	values, err := i.source.Values()
	if err != nil {
		return nil, err
	}
	client := cmp.Or(values.Get("CLIENT_ID"), i.client)
	if client == "" {
		_, err := values.Need("CLIENT_ID")
		return nil, err
	}
	if path := i.certificatePath(values); path != "" {
		return i.certificate(client, path)
	}
	secret, err := values.Need("CLIENT_SECRET")
	if err != nil {
		return nil, err
	}
	return azidentity.NewClientSecretCredential(i.tenant, client, secret[0], &azidentity.ClientSecretCredentialOptions{
		ClientOptions: i.options(), DisableInstanceDiscovery: i.custom(),
	})
}

// certificate reads a PEM file with the certificate and its key.
func (i identity) certificate(client, path string) (azcore.TokenCredential, error) {
	pem, err := credential.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the client certificate: %w", err)
	}
	certificates, key, err := azidentity.ParseCertificates(pem, nil)
	if err != nil {
		// The parser's text is not for people, and may quote what it read.
		return nil, fmt.Errorf("%w: the client certificate: %s holds no certificate with its key", fault.ErrDenied, path)
	}
	return azidentity.NewClientCertificateCredential(i.tenant, client, certificates, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: i.options(), DisableInstanceDiscovery: i.custom(), SendCertificateChain: true,
	})
}

// workload is the worker's own identity: a federated token where the place gives
// one, as Kubernetes does, else the managed identity of the machine.
func (i identity) workload() (azcore.TokenCredential, error) {
	client, file := cmp.Or(i.client, i.getenv("AZURE_CLIENT_ID")), i.getenv("AZURE_FEDERATED_TOKEN_FILE")
	if file != "" {
		return i.federated(client, file)
	}
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: i.options()}
	if client != "" {
		options.ID = azidentity.ClientID(client)
	}
	return azidentity.NewManagedIdentityCredential(options)
}

// federated signs in with the token that another issuer keeps in a file.
func (i identity) federated(client, file string) (azcore.TokenCredential, error) {
	if client == "" {
		return nil, fmt.Errorf("%w: write clientId in the connection: the token's file does not say which application it is for",
			fault.ErrDenied)
	}
	assertion := func(context.Context) (string, error) {
		text, err := credential.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("the token's file: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	if _, err := credential.ReadFile(file); err != nil { // a missing one is known at once
		return nil, fmt.Errorf("the token's file: %w", err)
	}
	return azidentity.NewClientAssertionCredential(i.tenant, client, assertion, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: i.options(), DisableInstanceDiscovery: i.custom(),
	})
}

// certificatePath returns the path of the client's certificate, and "" where there
// is none.
func (i identity) certificatePath(values credential.Values) string {
	return credential.Path(i.source.Dir(), values.Get("CLIENT_CERTIFICATE_PATH"))
}

// custom reports whether the authority is one that Microsoft does not list.
func (i identity) custom() bool { return i.login != publicLogin }

// options has nothing tried twice, and everything pass the budget.
func (i identity) options() azcore.ClientOptions {
	return azcore.ClientOptions{
		// The SDK refuses http; plain undoes this for an authority on this machine.
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: strings.Replace(i.login, "http://", "https://", 1)},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: i.http,
	}
}

// changed is a stamp that moves when the credentials may have.
func (i identity) changed() credential.Stamp {
	values, err := i.source.Values()
	if err != nil {
		return i.source.Changed()
	}
	return credential.StampOf(i.source.Path(), i.certificatePath(values))
}

// plain sends what is meant for an authority on this machine without TLS, as the
// document says, and tells it so the way a proxy would.
type plain struct {
	host string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.host != "" && r.URL.Host == p.host {
		r = r.Clone(r.Context())
		r.URL.Scheme = "http"
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	return p.next.RoundTrip(r)
}

// codePattern is the number that Entra gives the reason of a refusal.
var codePattern = regexp.MustCompile(`AADSTS\d{4,8}`)

// signInFailure classifies why there is no token. Of the SDK's text only Entra's
// own number is taken: the rest holds addresses and bodies.
func signInFailure(ctx context.Context, err error) error {
	const operation = "signing in"
	refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("azure: %s: %w", operation, ctx.Err())
	case !ok || refused.RawResponse == nil:
		return failure(ctx, operation, err)
	}
	status := refused.RawResponse.StatusCode
	if status == http.StatusBadRequest {
		status = http.StatusUnauthorized // that is how OAuth refuses a client
	}
	return refusal(operation, fault.Answer{
		Status: status, Code: codePattern.FindString(err.Error()), After: calls.RetryAfter(refused.RawResponse.Header, time.Now()),
	})
}
