package aws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	stsVersion   = "2011-06-15"
)

// role is an IAM role, and who may assume it.
type role struct {
	// ExternalID is what AssumeRole has to name; empty means nothing.
	ExternalID string `json:"externalId,omitempty"`
	// Issuer, Audience and Subject are what a web identity token has to say; a
	// role without an issuer takes none.
	Issuer   string `json:"issuer,omitempty"`
	Audience string `json:"audience,omitempty"`
	Subject  string `json:"subject,omitempty"`
}

// sessionName is what the name of a role's session may be.
func sessionName(name string) bool { return regexp.MustCompile(`^[\w+=,.@-]{2,64}$`).MatchString(name) }

// serveSTS serves the query protocol.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	action := form.Get("Action")
	if r.Method != http.MethodPost || err != nil || form.Get("Version") != stsVersion ||
		!slices.Contains([]string{"GetCallerIdentity", "AssumeRole", "AssumeRoleWithWebIdentity"}, action) {
		answerRefusal(w, true, refuse("InvalidAction", "Could not find operation %s for version %s", action, form.Get("Version")))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.control.Serve(w, r, "sts."+action, injected(true), func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer, refused := s.runSTS(r, action, form, body)
		if refused != nil {
			answerRefusal(w, true, refused)
			return
		}
		answerXML(w, http.StatusOK, answer)
	})
}

func (s *Server) runSTS(r *http.Request, action string, form url.Values, body []byte) (any, *refusal) {
	if action == "AssumeRoleWithWebIdentity" { // the one that nobody signs
		return s.assumeWithToken(form)
	}
	key, refused := s.verify(r, sts, body)
	if refused != nil {
		refused.status = http.StatusForbidden
		refused.code = map[string]string{
			"MissingAuthenticationTokenException": "MissingAuthenticationToken", "UnrecognizedClientException": "InvalidClientTokenId",
			"ExpiredTokenException": "ExpiredToken", "InvalidSignatureException": "SignatureDoesNotMatch",
			"IncompleteSignatureException": "IncompleteSignature",
		}[refused.code]
		return nil, refused
	}
	if action == "AssumeRole" {
		return s.assume(form, key)
	}
	var answer struct {
		XMLName xml.Name `xml:"GetCallerIdentityResponse"`
		Xmlns   string   `xml:"xmlns,attr"`
		Arn     string   `xml:"GetCallerIdentityResult>Arn"`
		UserID  string   `xml:"GetCallerIdentityResult>UserId"`
		Account string   `xml:"GetCallerIdentityResult>Account"`
		ID      string   `xml:"ResponseMetadata>RequestId"`
	}
	answer.Xmlns, answer.UserID, answer.Account, answer.ID = stsNamespace, "AIDASIMULATEDUSER000", s.db.Management, uuid.NewString()
	answer.Arn = "arn:aws:iam::" + s.db.Management + ":" + key.Principal
	return answer, nil
}

func denied(format string, args ...any) *refusal {
	refused := refuse("AccessDenied", format, args...)
	refused.status = http.StatusForbidden
	return refused
}

func (s *Server) assume(form url.Values, by accessKey) (any, *refusal) {
	known, ok := s.db.Roles[form.Get("RoleArn")]
	if !ok || known.Issuer != "" || known.ExternalID != form.Get("ExternalId") {
		return nil, denied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", by.Principal, form.Get("RoleArn"))
	}
	return s.session("AssumeRole", form, "")
}

// assumeWithToken reads the claims of a web identity token. Who signed it is not
// checked: there is no issuer to ask.
func (s *Server) assumeWithToken(form url.Values) (any, *refusal) {
	known, ok := s.db.Roles[form.Get("RoleArn")]
	if !ok || known.Issuer == "" {
		return nil, denied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(form.Get("WebIdentityToken"), &claims); err != nil {
		return nil, refuse("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	err := jwt.NewValidator(jwt.WithTimeFunc(s.now), jwt.WithExpirationRequired(), jwt.WithIssuer(known.Issuer),
		jwt.WithAudience(known.Audience)).Validate(claims)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, refuse("ExpiredTokenException", "Token expired")
	case err != nil:
		return nil, refuse("InvalidIdentityToken", "Incorrect token audience or issuer")
	case claims.Subject != known.Subject:
		return nil, denied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	return s.session("AssumeRoleWithWebIdentity", form, claims.Subject)
}

// sessionAnswer is the answer of both ways to assume a role.
type sessionAnswer struct {
	XMLName xml.Name
	Xmlns   string        `xml:"xmlns,attr"`
	Result  sessionResult `xml:",any"`
	ID      string        `xml:"ResponseMetadata>RequestId"`
}

type sessionResult struct {
	XMLName    xml.Name
	Key        string `xml:"Credentials>AccessKeyId"`
	Secret     string `xml:"Credentials>SecretAccessKey"`
	Token      string `xml:"Credentials>SessionToken"`
	Expiration string `xml:"Credentials>Expiration"`
	RoleID     string `xml:"AssumedRoleUser>AssumedRoleId"`
	Arn        string `xml:"AssumedRoleUser>Arn"`
	Subject    string `xml:"SubjectFromWebIdentityToken,omitempty"`
}

// session makes a temporary key.
func (s *Server) session(action string, form url.Values, subject string) (any, *refusal) {
	const least, most, usual = 900, 43200, 3600
	seconds := usual
	if asked := form.Get("DurationSeconds"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < least || n > most {
			return nil, refuse("ValidationError", "DurationSeconds must be between %d and %d", least, most)
		}
		seconds = n
	}
	name := form.Get("RoleSessionName")
	if !sessionName(name) {
		return nil, refuse("ValidationError", "RoleSessionName must satisfy regular expression pattern")
	}
	id := "ASIA" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:16])
	arn := strings.Replace(strings.Replace(form.Get("RoleArn"), ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/" + name
	_, principal, _ := strings.Cut(arn, "::")
	_, principal, _ = strings.Cut(principal, ":")
	key := accessKey{
		Secret: uuid.NewString(), Token: uuid.NewString(), Principal: principal,
		Expires: s.now().Add(time.Duration(seconds) * time.Second),
	}
	s.db.Keys[id] = key
	return sessionAnswer{
		XMLName: xml.Name{Local: action + "Response"}, Xmlns: stsNamespace, ID: uuid.NewString(),
		Result: sessionResult{
			XMLName: xml.Name{Local: action + "Result"}, Key: id, Secret: key.Secret, Token: key.Token,
			Expiration: key.Expires.UTC().Format(time.RFC3339), RoleID: "AROASIMULATEDROLE000:" + name, Arn: arn, Subject: subject,
		},
	}, nil
}
