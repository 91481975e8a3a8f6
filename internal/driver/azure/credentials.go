package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// identity is who signs in, and where to find what with.
type identity struct {
	source *credential.Source
	getenv func(string) string
	tenant string
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
	if i.source.WorkloadIdentity() {
		return i.workload()
	}
	values, err := i.source.Values()
	if err != nil {
		return nil, err
	}
	id, err := values.Need("CLIENT_ID")
	if err != nil {
		return nil, err
	}
	if path := values.Get("CLIENT_CERTIFICATE_PATH"); path != "" {
		return i.certificate(id[0], path)
	}
	secret, err := values.Need("CLIENT_SECRET")
	if err != nil {
		return nil, err
	}
	return azidentity.NewClientSecretCredential(i.tenant, id[0], secret[0], &azidentity.ClientSecretCredentialOptions{
		ClientOptions: i.options(), DisableInstanceDiscovery: i.custom(),
	})
}

// certificate reads a PEM file with the certificate and its key.
func (i identity) certificate(client, path string) (azcore.TokenCredential, error) {
	pem, err := os.ReadFile(path) //nolint:gosec // whoever runs the worker names the file
	if err != nil {
		return nil, fmt.Errorf("%w: the client certificate: %w", fault.ErrDenied, err)
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
	client, file := i.getenv("AZURE_CLIENT_ID"), i.getenv("AZURE_FEDERATED_TOKEN_FILE")
	if file != "" {
		if client == "" {
			return nil, fmt.Errorf("%w: workload identity: set AZURE_CLIENT_ID beside AZURE_FEDERATED_TOKEN_FILE", fault.ErrDenied)
		}
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w: workload identity: %w", fault.ErrDenied, err)
		}
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: i.options(), ClientID: client, TenantID: i.tenant, TokenFilePath: file,
			DisableInstanceDiscovery: i.custom(),
		})
	}
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: i.options()}
	if client != "" {
		options.ID = azidentity.ClientID(client)
	}
	return azidentity.NewManagedIdentityCredential(options)
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
func (i identity) changed() time.Time {
	stamp := i.source.Changed()
	values, err := i.source.Values()
	if err != nil {
		return stamp
	}
	if info, err := os.Stat(values.Get("CLIENT_CERTIFICATE_PATH")); err == nil && info.ModTime().After(stamp) {
		return info.ModTime()
	}
	return stamp
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
	return refusal(operation, status, codePattern.FindString(err.Error()), refused.RawResponse.Header)
}
