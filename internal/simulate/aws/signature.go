package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The services by the names that requests are signed for.
const (
	identityStore = "identitystore"
	ssoAdmin      = "sso"
	organizations = "organizations"
	sts           = "sts"
)

// skew is how far a request's time may be off.
const skew = 5 * time.Minute

// accessKey is one that may sign.
type accessKey struct {
	Secret string `json:"secret"`
	// Token comes with it where it is temporary, until it expires.
	Token   string    `json:"token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Principal is whose it is, such as "user/administrator".
	Principal string `json:"principal"`
}

// authorization is a request's header of that name.
type authorization struct {
	key, date, region, service string
	headers                    []string
	signature                  string
}

// parseAuthorization reads the header's one form:
// AWS4-HMAC-SHA256 Credential=K/D/R/S/aws4_request, SignedHeaders=a;b, Signature=x.
func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return a, false
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return a, false
	}
	return authorization{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3],
		headers: strings.Split(fields["SignedHeaders"], ";"), signature: fields["Signature"],
	}, true
}

// verify checks who signed the request, for what, when, and how. The caller
// holds the lock.
func (s *Server) verify(r *http.Request, service string, body []byte) (accessKey, *refusal) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return accessKey{}, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	a, ok := parseAuthorization(header)
	if !ok {
		return accessKey{}, refuse("IncompleteSignatureException", "Authorization header is not one of Signature Version 4.")
	}
	key, known := s.db.Keys[a.key]
	if !known || key.Token != r.Header.Get("X-Amz-Security-Token") {
		return accessKey{}, refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if !key.Expires.IsZero() && s.now().After(key.Expires) {
		return accessKey{}, refuse("ExpiredTokenException", "The security token included in the request is expired")
	}
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || signed.Format("20060102") != a.date || signed.Sub(s.now()).Abs() > skew {
		return accessKey{}, refuse("InvalidSignatureException", "Signature expired: the request's date is off by more than 5 minutes.")
	}
	if a.service != service {
		return accessKey{}, refuse("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", service)
	}
	for _, needed := range []string{"host", "x-amz-date"} {
		if !slices.Contains(a.headers, needed) {
			return accessKey{}, refuse("InvalidSignatureException", "'%s' must be a 'SignedHeader'.", needed)
		}
	}
	for _, host := range append([]string{r.Host}, s.options.Hosts...) {
		if hmac.Equal([]byte(a.signature), []byte(a.sign(r, key.Secret, host, body))) {
			return key, nil
		}
	}
	return accessKey{}, refuse("InvalidSignatureException",
		"The request signature we calculated does not match the signature you provided.")
}

// sign makes the signature that the request should have.
func (a authorization) sign(r *http.Request, secret, host string, body []byte) string {
	payload := sha256.Sum256(body)
	lines := []string{r.Method, r.URL.EscapedPath(), canonicalQuery(r.URL.Query())}
	for _, name := range a.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = host
		case "content-length":
			value = length(len(body))
		}
		lines = append(lines, name+":"+strings.Join(strings.Fields(value), " "))
	}
	lines = append(lines, "", strings.Join(a.headers, ";"), hex.EncodeToString(payload[:]))
	request := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request"} {
		key = mac(key, part)
	}
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), scope, hex.EncodeToString(request[:])}, "\n")
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // a hash never fails
	return h.Sum(nil)
}

// canonicalQuery is the query with its names in order, spaces as %20.
func canonicalQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
