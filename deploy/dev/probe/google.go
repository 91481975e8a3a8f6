package probe

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Google asks for a project's policy, and Cloud Identity for the members of the
// groups in it.
type Google struct{ api caller }

// serviceAccount is a key as Google gives it out.
type serviceAccount struct {
	PrivateKey string `json:"private_key"`
	Email      string `json:"client_email"`
	TokenURI   string `json:"token_uri"`
}

// NewGoogle signs in with the key of a service account, to a Google that serves
// all of its APIs at one address.
func NewGoogle(address, keyFile string) (*Google, error) {
	body, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	var account serviceAccount
	if err := json.Unmarshal(body, &account); err != nil {
		return nil, fmt.Errorf("probe: %s: %w", keyFile, err)
	}
	block, _ := pem.Decode([]byte(account.PrivateKey))
	if block == nil {
		return nil, fmt.Errorf("probe: %s holds no key", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("probe: %s: %w", keyFile, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("probe: %s holds no RSA key", keyFile)
	}
	token := &bearer{fetch: func(ctx context.Context) (string, time.Duration, error) {
		assertion, err := account.assertion(key, time.Now())
		if err != nil {
			return "", 0, err
		}
		return oauth(account.TokenURI, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion},
		})(ctx)
	}}
	return &Google{api: caller{base: address, prepare: token.sign}}, nil
}

// assertion is what the account says to get a token.
func (s serviceAccount) assertion(key *rsa.PrivateKey, now time.Time) (string, error) {
	const scopes = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/cloud-identity.groups.readonly"
	head, claims := `{"alg":"RS256","typ":"JWT"}`, fmt.Sprintf(`{"iss":%q,"scope":%q,"aud":%q,"iat":%d,"exp":%d}`,
		s.Email, scopes, s.TokenURI, now.Unix(), now.Add(time.Hour).Unix())
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("probe: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// each calls do for every role that a group has on a project.
func (g *Google) each(ctx context.Context, project string, do func(role, group string) error) error {
	var policy struct {
		Bindings []struct {
			Role    string
			Members []string
		}
	}
	in := map[string]any{"options": map[string]any{"requestedPolicyVersion": 3}}
	if err := g.api.do(ctx, http.MethodPost, "/v3/projects/"+url.PathEscape(project)+":getIamPolicy", in, &policy); err != nil {
		return err
	}
	for _, b := range policy.Bindings {
		for _, m := range b.Members {
			if group, ok := strings.CutPrefix(m, "group:"); ok {
				if err := do(b.Role, group); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// members returns the addresses in a group; nobody is in one that is gone.
func (g *Google) members(ctx context.Context, email string) (names []string, err error) {
	var found struct{ Name string }
	err = g.api.do(ctx, http.MethodGet, "/v1/groups:lookup?groupKey.id="+url.QueryEscape(email), nil, &found)
	if err == nil {
		err = pages(func(next string) (string, error) {
			var page struct {
				Memberships []struct {
					PreferredMemberKey struct{ ID string }
				}
				NextPageToken string
			}
			path := "/v1/" + found.Name + "/memberships?pageToken=" + url.QueryEscape(next)
			if err := g.api.do(ctx, http.MethodGet, path, nil, &page); err != nil {
				return "", err
			}
			for _, m := range page.Memberships {
				names = append(names, m.PreferredMemberKey.ID)
			}
			return page.NextPageToken, nil
		})
	}
	if errors.Is(err, errGone) {
		return nil, nil
	}
	return names, err
}

// Ask implements Asker.
func (g *Google) Ask(ctx context.Context, tenant string, _ []Right) (map[Right]bool, error) {
	has, known := map[Right]bool{}, map[string][]string{}
	err := g.each(ctx, tenant, func(role, group string) error {
		if _, read := known[group]; !read {
			var err error
			if known[group], err = g.members(ctx, group); err != nil {
				return err
			}
		}
		for _, name := range known[group] {
			has[Right{Account: name, Role: role}] = true
		}
		return nil
	})
	return has, err
}

// Groups implements Asker.
func (g *Google) Groups(ctx context.Context, tenant string) (names []string, err error) {
	err = g.each(ctx, tenant, func(_, group string) error {
		names = append(names, group)
		return nil
	})
	return names, err
}
