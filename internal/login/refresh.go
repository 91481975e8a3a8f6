package login

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// Refresh returns the login with a new access token, and with the next refresh token where the
// provider rotates them: the old one is spent. A *RefusedError with the code invalid_grant means that
// the login has ended.
func (c *Client) Refresh(ctx context.Context, l Login) (Login, error) {
	p, err := c.provider(ctx, l.Issuer)
	if err != nil {
		return Login{}, err
	}
	// No scopes: those of the first request stay (RFC 6749, section 6).
	source := p.config(l.ClientID, nil).TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: l.RefreshToken})
	token, err := source.Token()
	if err != nil {
		return Login{}, p.refusal("refresh the login", err)
	}
	if !strings.EqualFold(token.Type(), "Bearer") {
		return Login{}, fmt.Errorf("login: %s: the access token has the type %s: only Bearer is supported", p.issuer, visible(token.Type()))
	}
	l.AccessToken, l.Expires = token.AccessToken, token.Expiry.Round(0)
	if token.RefreshToken != "" {
		l.RefreshToken = token.RefreshToken
	}
	return l, nil
}

// Revoke ends a login at the provider (RFC 7009), and reports whether the provider can do that.
// An access token that a server checks by its signature counts until it expires.
func (c *Client) Revoke(ctx context.Context, l Login) (supported bool, err error) {
	p, err := c.provider(ctx, l.Issuer)
	if err != nil {
		return true, err
	}
	if p.metadata.RevocationEndpoint == "" {
		return false, nil
	}
	form := url.Values{"client_id": {l.ClientID}, "token": {l.RefreshToken}, "token_type_hint": {"refresh_token"}}
	if l.RefreshToken == "" {
		form.Set("token", l.AccessToken)
		form.Set("token_type_hint", "access_token")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.metadata.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return true, fmt.Errorf("login: revoke: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.http.Do(request)
	if err != nil {
		return true, fmt.Errorf("login: revoke at %s: %w", l.Issuer, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return true, fmt.Errorf("login: revoke at %s: it answers %s", l.Issuer, response.Status)
	}
	return true, nil
}
