package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// bootstrapPrefix begins the tokens of servers without a policy.
	bootstrapPrefix = "rollcall-bootstrap-"
	// bootstrapLifetime is how long such a token counts.
	bootstrapLifetime = 24 * time.Hour
)

// bootstrapActor is the caller with a bootstrap token. No issuer vouches for it, so it is no
// second user.
func bootstrapActor() access.Actor { return access.Actor{Kind: access.Bootstrap, Name: "token"} }

// printBootstrap prints a token that gives all rights until the first policy is stored. With a
// policy it prints nothing.
func (c *cli) printBootstrap(ctx context.Context, s *store.Store) error {
	token := bootstrapPrefix + rand.Text()
	added, err := s.AddBootstrap(ctx, token, bootstrapLifetime)
	if err != nil || !added {
		return err
	}
	fmt.Fprintf(c.err, `No policy is stored, so no caller has rights. This token has all until the first policy is
stored, for a day at most:

  %s

Store a policy that gives the role admin to a caller of an issuer:

  ROLLCALL_SERVER=<this server> ROLLCALL_TOKEN=<the token> rollcall apply policy.yaml
`, token)
	return nil
}

// bootstrap returns the caller with a bootstrap token.
func (c callers) bootstrap(ctx context.Context, token string) (verifiedCaller, error) {
	counts, err := c.store.CheckBootstrap(ctx, token)
	if err != nil {
		return verifiedCaller{}, err
	}
	if !counts {
		return verifiedCaller{}, &api.AuthError{Code: "bootstrap-ended", Message: "the bootstrap token does not count any more: " +
			"a policy is stored, or the token is older than a day; use a token of an issuer"}
	}
	policies, err := c.policies(ctx)
	if err != nil {
		return verifiedCaller{}, err
	}
	actor := bootstrapActor()
	return verifiedCaller{actor: actor, rights: policies.Bootstrap(actor)}, nil
}

// policies returns the stored policies. They are read for each request: a right that is taken
// ends with the commit.
func (c callers) policies(ctx context.Context) (*authz.Policies, error) {
	documents, err := c.store.Documents(ctx, store.Filter{Kind: document.KindAccessPolicy})
	if err != nil {
		return nil, err
	}
	return authz.Compile(documents)
}

// isBootstrap reports whether a bearer token is one that a server printed.
func isBootstrap(bearer string) bool { return strings.HasPrefix(bearer, bootstrapPrefix) }
