package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"
)

const (
	// maxDevice bounds how long a device code is asked for, whatever the provider says.
	maxDevice = 30 * time.Minute
	// maxInterval bounds the interval of a provider, in seconds.
	maxInterval = 300
)

// Device is where a user enters a code, in a browser on any machine.
type Device struct {
	// URL is the page, and Code is what to enter there.
	URL, Code string
	// Complete is the page with the code filled in; empty if the provider has none.
	Complete string
	// Expires is when the code ends.
	Expires time.Time
}

// Device signs a user in with the device authorization grant (RFC 8628). It calls show with the
// code, and asks the provider at the provider's interval until the user has decided, the code
// has expired or the context ends. A *RefusedError with the code access_denied or expired_token is
// the user's decision, or none.
func (c *Client) Device(ctx context.Context, m Method, show func(Device)) (Login, error) {
	p, err := c.provider(ctx, m.Issuer)
	if err != nil {
		return Login{}, err
	}
	if p.Endpoint().DeviceAuthURL == "" {
		return Login{}, fmt.Errorf("login: %s has no device authorization grant: leave out --device", m.Issuer)
	}
	config := p.config(m.ClientID, m.Scopes)
	started, err := config.DeviceAuth(p.context(ctx), m.options()...)
	switch {
	case err != nil:
		return Login{}, p.refusal("get a device code", err)
	case started.DeviceCode == "", started.UserCode == "", started.Interval < 0, started.Interval > maxInterval:
		return Login{}, fmt.Errorf("login: get a device code at %s: its answer lacks a code, or has an interval of %d seconds",
			m.Issuer, started.Interval)
	}
	if err := checkAddress(started.VerificationURI); err != nil {
		return Login{}, fmt.Errorf("login: %s: verification_uri: %w", m.Issuer, err)
	}
	if checkAddress(started.VerificationURIComplete) != nil {
		started.VerificationURIComplete = ""
	}
	end := time.Now().Add(maxDevice)
	if started.Expiry.IsZero() || started.Expiry.After(end) {
		started.Expiry = end
	}
	show(Device{
		URL: started.VerificationURI, Complete: started.VerificationURIComplete, Code: visible(started.UserCode), Expires: started.Expiry,
	})
	token, err := poll(p.context(ctx), config, started)
	if err != nil {
		if ctx.Err() != nil {
			return Login{}, ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = &oauth2.RetrieveError{ErrorCode: "expired_token", ErrorDescription: "the code was not entered in time"}
		}
		return Login{}, p.refusal("get a token", err)
	}
	return p.loginOf(ctx, m.ClientID, token, "")
}

// poll asks for the token until there is one or a refusal. After a request without an answer it
// asks half as often (RFC 8628, section 3.5).
func poll(ctx context.Context, config *oauth2.Config, started *oauth2.DeviceAuthResponse) (*oauth2.Token, error) {
	for {
		token, err := config.DeviceAccessToken(ctx, started)
		if err == nil {
			return token, nil
		}
		if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused || !time.Now().Before(started.Expiry) || ctx.Err() != nil {
			return nil, err
		}
		started.Interval = min(2*max(started.Interval, 5), maxInterval)
	}
}
