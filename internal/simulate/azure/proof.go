package azure

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// prove checks that the caller is the app. s.mu is held.
func (s *Server) prove(app *application, form url.Values, endpoint string) error {
	switch {
	case form.Get("client_assertion") != "":
		if kind := form.Get("client_assertion_type"); kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return refuseSignIn("invalid_request", 900144, "The value '%s' of 'client_assertion_type' is not supported.", kind)
		}
		return s.proveByAssertion(app, form.Get("client_assertion"), endpoint)
	case form.Get("client_secret") != "":
		if !slices.Contains(app.Secrets, form.Get("client_secret")) {
			return refuseClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client "+
				"secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
		}
		return nil
	default:
		return refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
}

// proveByAssertion checks a signed token: the app's own, or another issuer's.
func (s *Server) proveByAssertion(app *application, assertion, endpoint string) error {
	var said jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithTimeFunc(s.now), jwt.WithValidMethods([]string{"RS256", "PS256"}))
	token, _, err := parser.ParseUnverified(assertion, &said)
	if err != nil {
		return refuseClient(50027, "JWT token is invalid or malformed.")
	}
	var key any
	if said.Issuer == app.ClientID {
		key, err = app.certified(token, said, endpoint)
	} else {
		key, err = app.federated(said)
	}
	if err != nil {
		return err
	}
	_, err = parser.ParseWithClaims(assertion, &said, func(*jwt.Token) (any, error) { return key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet), err == nil && said.ExpiresAt == nil:
		return refuseClient(700024, "Client assertion is not within its valid time range.")
	case err != nil:
		return refuseClient(7000272, "Client assertion failed signature validation.")
	}
	return nil
}

// certified returns the key of the certificate that the app's own token names by
// its fingerprint.
func (a *application) certified(token *jwt.Token, said jwt.RegisteredClaims, endpoint string) (any, error) {
	if !slices.Contains(said.Audience, endpoint) || said.Subject != a.ClientID {
		return nil, refuseClient(700023, "Client assertion audience claim does not match Realm issuer.")
	}
	named, _ := token.Header["x5t#S256"].(string)
	for _, raw := range a.Certificates {
		sum := sha256.Sum256(raw)
		// RFC 7515 says base64url; the vendor's own client does not.
		if named != base64.RawURLEncoding.EncodeToString(sum[:]) && named != base64.StdEncoding.EncodeToString(sum[:]) {
			continue
		}
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, refuseClient(700027, "The certificate of the application cannot be read.")
		}
		return certificate.PublicKey, nil
	}
	return nil, refuseClient(700027, "The certificate with identifier used to sign the client assertion is not registered on application.")
}

// federated returns the key of the issuer that one of the app's federated
// credentials trusts, and refuses in the order in which Entra does.
func (a *application) federated(said jwt.RegisteredClaims) (any, error) {
	audience := strings.Join(said.Audience, " ")
	match := slices.Clone(a.Federated)
	for _, step := range []struct {
		number      int
		what, value string
		of          func(FederatedCredential) string
	}{
		{700211, "issuer", said.Issuer, func(f FederatedCredential) string { return f.Issuer }},
		{700213, "subject", said.Subject, func(f FederatedCredential) string { return f.Subject }},
		{700212, "audience", audience, func(f FederatedCredential) string { return f.Audience }},
	} {
		match = slices.DeleteFunc(match, func(f FederatedCredential) bool { return step.of(f) != step.value })
		if len(match) == 0 {
			return nil, refuseClient(step.number, "No matching federated identity record found for presented assertion %s '%s'. "+
				"Check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
				step.what, step.value)
		}
	}
	key, err := x509.ParsePKIXPublicKey(match[0].PKIX)
	if err != nil {
		return nil, refuseClient(50166, "Request to external OIDC endpoint failed.")
	}
	return key, nil
}
