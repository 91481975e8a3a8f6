package gcp

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// source is where the credentials are.
type source struct {
	from *credential.Source
	// direct is true where the file is Google's own, and not named by a variable.
	direct bool
	// tokenURL stands in for what the credentials say; empty where they decide.
	tokenURL, federatedURL string
}

// newSource returns the place that the connection names, after a look at what is
// there now.
func newSource(settings Connection, dir string, getenv func(string) string) (*source, error) {
	from, err := settings.Auth.Source(dir, getenv)
	if err != nil {
		return nil, err
	}
	s := &source{from: from, direct: from.Path() != "", tokenURL: settings.Endpoints.Token, federatedURL: settings.Endpoints.Token}
	if s.tokenURL == "" && settings.Endpoint != "" {
		base := settings.address("", "")
		s.tokenURL, s.federatedURL = base+"token", base+"v1/token"
	}
	if from.WorkloadIdentity() {
		if settings.Impersonate != "" {
			return nil, errNoKey()
		}
		return s, nil
	}
	got, err := s.read()
	if err == nil && settings.Impersonate != "" && got.sort != serviceAccount {
		err = errNoKey()
	}
	return s, err
}

func errNoKey() error {
	return fmt.Errorf("%w: impersonate needs the key of a service account: only with it Google lets anybody act for a user",
		fault.ErrInvalid)
}

const (
	serviceAccount  = "service_account"
	externalAccount = "external_account"
)

// secret is what was read: a token, or Google's JSON of that type.
type secret struct {
	token string
	sort  string
	json  []byte
	file  string // that an external account takes its token from, if any
}

// read returns the credentials as they are now.
func (s *source) read() (secret, error) {
	if s.direct {
		return readFile(s.from.Path())
	}
	values, err := s.from.Values()
	if err != nil {
		return secret{}, err
	}
	switch {
	case values.Get("CREDENTIALS_FILE") != "":
		return readFile(credential.Path(s.from.Dir(), values.Get("CREDENTIALS_FILE")))
	case values.Get("CREDENTIALS_JSON") != "":
		return parse([]byte(values.Get("CREDENTIALS_JSON")), "the value of "+values.Called("CREDENTIALS_JSON"))
	case values.Get("TOKEN") != "":
		return secret{token: values.Get("TOKEN")}, nil
	}
	_, err = values.Need("CREDENTIALS_FILE")
	return secret{}, err
}

func readFile(path string) (secret, error) {
	text, err := credential.ReadFile(path)
	if err != nil {
		return secret{}, fmt.Errorf("the credentials' file: %w", err)
	}
	return parse(text, "the credentials' file "+path)
}

// parse finds out what sort of credentials the JSON is. Others than these could
// make this process run programs, or belong to a person.
func parse(text []byte, what string) (secret, error) {
	var of struct {
		Type   string `json:"type"`
		Key    string `json:"private_key"`
		Source struct {
			Executable *struct{} `json:"executable"`
			File       string    `json:"file"`
		} `json:"credential_source"`
	}
	if json.Unmarshal(text, &of) != nil { // the decoder's text may quote what it read
		return secret{}, fmt.Errorf("%w: %s is not JSON", fault.ErrInvalid, what)
	}
	if of.Type != serviceAccount && of.Type != externalAccount || of.Source.Executable != nil {
		return secret{}, fmt.Errorf("%w: %s is neither a service account's key nor an external account that gets its token "+
			"from a file, an address or AWS", fault.ErrInvalid, what)
	}
	if of.Type == serviceAccount && !privateKey(of.Key) {
		return secret{}, fmt.Errorf("%w: the private key in %s cannot be read", fault.ErrInvalid, what)
	}
	return secret{sort: of.Type, json: text, file: of.Source.File}, nil
}

// privateKey reports whether the text is a key as Google gives them out.
func privateKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	_, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		_, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	return err == nil
}

// changed is a stamp that moves when the values may have.
func (s *source) changed() credential.Stamp {
	if s.direct || s.from.WorkloadIdentity() {
		return s.from.Changed()
	}
	values, err := s.from.Values()
	if err != nil {
		return credential.Stamp{}
	}
	return credential.StampOf(credential.Path(s.from.Dir(), values.Get("CREDENTIALS_FILE")))
}

// token gets an access token for the scopes, for the subject if there is one.
// Calls go through client.
func (s *source) token(ctx context.Context, client *http.Client, subject string, scopes []string) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	if s.from.WorkloadIdentity() {
		found, err := google.FindDefaultCredentials(ctx, scopes...)
		if err != nil {
			return nil, fmt.Errorf("gcp: %w: the worker has no identity of its own at Google", fault.ErrDenied)
		}
		return issued(ctx, found.TokenSource)
	}
	got, err := s.read()
	switch {
	case err != nil:
		return nil, fmt.Errorf("gcp: %w", err)
	case got.token != "":
		return &oauth2.Token{AccessToken: got.token}, nil
	case got.sort == externalAccount:
		return s.federated(ctx, got, scopes)
	}
	config, err := google.JWTConfigFromJSON(got.json, scopes...)
	if err != nil {
		return nil, fmt.Errorf("gcp: %w: the service account's key cannot be read", fault.ErrInvalid)
	}
	config.Subject = subject
	if s.tokenURL != "" {
		config.TokenURL = s.tokenURL
	}
	return issued(ctx, config.TokenSource(ctx))
}

// federated trades another issuer's token for Google's.
func (s *source) federated(ctx context.Context, from secret, scopes []string) (*oauth2.Token, error) {
	if from.file != "" {
		// Google's library would wait for a pipe, and read a device without end.
		if _, err := credential.ReadFile(from.file); err != nil {
			return nil, fmt.Errorf("gcp: the external account's token: %w", err)
		}
	}
	text := from.json
	unreadable := fmt.Errorf("gcp: %w: the external account's configuration cannot be read", fault.ErrInvalid)
	if s.federatedURL != "" {
		fields := map[string]json.RawMessage{}
		address, err := json.Marshal(s.federatedURL)
		if err != nil || json.Unmarshal(text, &fields) != nil {
			return nil, unreadable
		}
		fields["token_url"] = address
		if text, err = json.Marshal(fields); err != nil {
			return nil, unreadable
		}
	}
	found, err := google.CredentialsFromJSONWithType(ctx, text, google.ExternalAccount, scopes...)
	if err != nil {
		return nil, unreadable
	}
	return issued(ctx, found.TokenSource)
}

var refusedStatus = regexp.MustCompile(`status code (4[0-9][0-9])`)

// issued gets the token. What the endpoint says is in no error: it may repeat what
// it was sent.
func issued(ctx context.Context, from oauth2.TokenSource) (*oauth2.Token, error) {
	token, err := from.Token()
	if err == nil {
		return token, nil
	}
	const operation = "sign in"
	status := ""
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response != nil {
		status = strconv.Itoa(refused.Response.StatusCode)
	} else if found := refusedStatus.FindStringSubmatch(err.Error()); found != nil {
		status = found[1]
	}
	switch {
	case status == "429":
		return nil, fault.Throttled(fmt.Errorf("gcp: %s: answered 429", operation), 0)
	case status != "" && status[0] == '4':
		return nil, fmt.Errorf("gcp: %s: %w: answered %s: the credentials are wrong, expired, or may not act so",
			operation, fault.ErrDenied, status)
	default:
		return nil, failure(ctx, operation, err)
	}
}
