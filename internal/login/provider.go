package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// The flows of a Method.
const (
	// FlowCode is the authorization code flow, which needs a browser on the same machine.
	FlowCode = "code"
	// FlowDevice is the device authorization grant, for a browser on any machine.
	FlowDevice = "device"
)

const (
	// callTimeout bounds one request to a provider.
	callTimeout = 30 * time.Second
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 1 << 20
	// maxText is how many characters of a provider's message are shown.
	maxText = 200
)

// Method is how users sign in at one issuer.
type Method struct {
	// Issuer is the URL of the provider, as its tokens name it.
	Issuer string
	// ClientID is that of a public client: it has no secret.
	ClientID string
	// Scopes has openid, and offline_access for a refresh token.
	Scopes []string
	// Audience is the parameter "audience" of requests, by which some providers choose whom an
	// access token is for; empty for none.
	Audience string
	// Flows are FlowCode, FlowDevice or both.
	Flows []string
}

// Login is a signed-in user at one server. It is a secret.
type Login struct {
	// Server is the address of the server that the login is for.
	Server string
	// Issuer and ClientID are those of the Method.
	Issuer, ClientID string
	AccessToken      string
	// RefreshToken is empty for a login that ends with the access token.
	RefreshToken string
	// Expires is when the access token does; zero if the provider did not say.
	Expires time.Time
}

// Client signs users in at providers. The zero Client is ready for use.
type Client struct {
	// Transport is for requests to providers; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// provider is an OpenID provider with what its discovery document says.
type provider struct {
	*oidc.Provider

	issuer   string
	metadata metadata
	http     *http.Client
}

// metadata is what package oidc does not read (OpenID Connect Discovery 1.0; RFC 8414; RFC 9207).
type metadata struct {
	RevocationEndpoint string   `json:"revocation_endpoint"`
	ChallengeMethods   []string `json:"code_challenge_methods_supported"`
	SendsIssuer        bool     `json:"authorization_response_iss_parameter_supported"`
}

// provider reads the discovery document of an issuer.
func (c *Client) provider(ctx context.Context, issuer string) (*provider, error) {
	if err := checkAddress(issuer); err != nil {
		return nil, fmt.Errorf("login: issuer %q: %w", issuer, err)
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	p := &provider{issuer: issuer, http: &http.Client{
		Transport:     bounded{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token goes to one address
	}}
	found, err := oidc.NewProvider(p.context(ctx), issuer)
	if err != nil {
		return nil, fmt.Errorf("login: read the discovery document of %s: %s", issuer, visible(err.Error()))
	}
	if err := found.Claims(&p.metadata); err != nil {
		return nil, fmt.Errorf("login: read the discovery document of %s: %w", issuer, err)
	}
	p.Provider = found
	endpoint := found.Endpoint()
	for name, address := range map[string]string{
		"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL,
		"device_authorization_endpoint": endpoint.DeviceAuthURL, "revocation_endpoint": p.metadata.RevocationEndpoint,
	} {
		if address == "" {
			continue
		}
		if err := checkAddress(address); err != nil {
			return nil, fmt.Errorf("login: %s: %s: %w", issuer, name, err)
		}
	}
	return p, nil
}

// config returns the client of a method. Its ID is sent in the body, and once: a library that
// tries two places spends a code.
func (p *provider) config(clientID string, scopes []string) *oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	return &oauth2.Config{ClientID: clientID, Scopes: scopes, Endpoint: endpoint}
}

// context returns a context in which the libraries use the provider's HTTP client.
func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.http)
}

// loginOf checks the tokens of an answer and returns them. A nonce is that of the request;
// empty for a flow without one.
func (p *provider) loginOf(ctx context.Context, clientID string, token *oauth2.Token, nonce string) (Login, error) {
	if !strings.EqualFold(token.Type(), "Bearer") {
		return Login{}, fmt.Errorf("login: %s: the access token has the type %s: only Bearer is supported", p.issuer, visible(token.Type()))
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Login{}, fmt.Errorf("login: %s sends no ID token: check the client's scope openid", p.issuer)
	}
	id, err := p.Verifier(&oidc.Config{ClientID: clientID}).Verify(p.context(ctx), raw)
	switch {
	case err != nil:
		return Login{}, fmt.Errorf("login: the ID token of %s: %s", p.issuer, visible(err.Error()))
	case id.Nonce != nonce:
		return Login{}, fmt.Errorf("login: the ID token of %s belongs to another sign-in (nonce): sign in again", p.issuer)
	case id.AccessTokenHash != "":
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return Login{}, fmt.Errorf("login: the access token of %s does not belong to the ID token: %w", p.issuer, err)
		}
	}
	return Login{
		Issuer: p.issuer, ClientID: clientID,
		AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, Expires: token.Expiry.Round(0),
	}, nil
}

// supportsS256 reports whether the provider checks PKCE with S256, as far as it says.
func (p *provider) supportsS256() bool {
	return len(p.metadata.ChallengeMethods) == 0 || slices.Contains(p.metadata.ChallengeMethods, "S256")
}

// options are the parameters of a method beyond those of OAuth.
func (m Method) options() []oauth2.AuthCodeOption {
	if m.Audience == "" {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("audience", m.Audience)}
}

// checkAddress reports why an address of a provider must not get tokens, or nil: only https, or http
// on this machine, keeps them from others.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("it is no address: write https://HOST")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("tokens would be readable on the way: it must be https")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// refusal returns what a provider answers in place of a token.
func (p *provider) refusal(verb string, err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		return fmt.Errorf("login: %s at %s: %w", verb, p.issuer, err)
	case refused.ErrorCode == "" && refused.Response != nil: // the body may be anything
		return fmt.Errorf("login: %s at %s: it answers %s", verb, p.issuer, refused.Response.Status)
	}
	return &RefusedError{Issuer: p.issuer, Code: visible(refused.ErrorCode), Description: visible(refused.ErrorDescription)}
}

// RefusedError is the error of a provider that refuses (RFC 6749, sections 4.1.2.1 and 5.2).
type RefusedError struct {
	Issuer string
	// Code is the provider's, such as access_denied or invalid_grant.
	Code string
	// Description is the provider's text, without control characters and of a bounded length.
	Description string
}

// Error says what the provider refused.
func (r *RefusedError) Error() string {
	text := fmt.Sprintf("login: %s refuses: %s", r.Issuer, r.Code)
	if r.Description != "" {
		text += " (" + r.Description + ")"
	}
	return text
}

// visible returns a text of a provider as it may be shown.
func visible(text string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
	if len(runes) > maxText {
		runes = append(runes[:maxText], '…')
	}
	return string(runes)
}

// bounded is a transport whose answers are read at once, within a time and a length: the
// libraries leave some bodies open.
type bounded struct{ http.RoundTripper }

// RoundTrip is that of http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	response, err := b.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch err = errors.Join(err, response.Body.Close()); {
	case err != nil:
		return nil, err
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}
