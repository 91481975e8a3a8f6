package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/login"
	"github.com/rollcall-iam/rollcall/internal/token"
)

// issuersFile has the issuers whose tokens a server accepts.
type issuersFile struct {
	Issuers []issuerEntry `yaml:"issuers"`
}

// issuerEntry is one issuer: a known one, or its URL with rules.
type issuerEntry struct {
	Entra *struct {
		Tenant    string   `yaml:"tenant"`
		Audiences []string `yaml:"audiences"`
	} `yaml:"entra"`
	GitHub *struct {
		OwnerIDs  []string `yaml:"ownerIDs"`
		Audiences []string `yaml:"audiences"`
	} `yaml:"github"`
	Kubernetes *struct {
		URL       string   `yaml:"url"`
		Audiences []string `yaml:"audiences"`
		CAFile    string   `yaml:"caFile"`
	} `yaml:"kubernetes"`

	URL        string        `yaml:"url"`
	JWKSURL    string        `yaml:"jwksURL"`
	CAFile     string        `yaml:"caFile"`
	Algorithms []string      `yaml:"algorithms"`
	Leeway     time.Duration `yaml:"leeway"`
	Rules      []issuerRule  `yaml:"rules"`

	Login *loginEntry `yaml:"login"`
}

// loginEntry is how rollcall login signs users in at an issuer: with a public client, which has
// no secret.
type loginEntry struct {
	ClientID string `yaml:"clientID"`
	// Scopes are openid and offline_access unless the provider needs others, as Entra does.
	Scopes []string `yaml:"scopes"`
	// Audience is the request parameter audience, where the provider needs it.
	Audience string `yaml:"audience"`
	// Flows are code and device unless the client may use one only.
	Flows []string `yaml:"flows"`
}

// issuerRule is what a token of the issuer must be like.
type issuerRule struct {
	Kind              token.Kind          `yaml:"kind"`
	Audiences         []string            `yaml:"audiences"`
	AuthorizedParties []string            `yaml:"authorizedParties"`
	Types             []string            `yaml:"types"`
	RequiredClaims    map[string][]string `yaml:"requiredClaims"`
	MaxLifetime       time.Duration       `yaml:"maxLifetime"`
}

// readIssuers reads the file that --issuers names.
func readIssuers(name string) ([]token.Issuer, []api.LoginMethod, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, nil, fmt.Errorf("--issuers: %w", err)
	}
	issuers, logins, err := parseIssuers(text)
	if err != nil {
		return nil, nil, fmt.Errorf("--issuers %s: %w", name, err)
	}
	return issuers, logins, nil
}

// parseIssuers reads issuers, and how users sign in at them. Fields that it does not know are errors: one may be a limit.
func parseIssuers(text []byte) ([]token.Issuer, []api.LoginMethod, error) {
	var file issuersFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it has more than one YAML document")
	}
	var issuers []token.Issuer
	var logins []api.LoginMethod
	for i, entry := range file.Issuers {
		known, err := entry.issuers()
		if err != nil {
			return nil, nil, fmt.Errorf("issuers[%d]: %w", i, err)
		}
		issuers = append(issuers, known...)
		if entry.Login == nil {
			continue
		}
		method, err := entry.Login.method(known)
		if err != nil {
			return nil, nil, fmt.Errorf("issuers[%d]: login: %w", i, err)
		}
		logins = append(logins, method)
	}
	return issuers, logins, nil
}

// method returns how users sign in at an issuer, the first of those of an entry: an Entra tenant
// signs users in at its endpoint of version 2.0.
func (l loginEntry) method(of []token.Issuer) (api.LoginMethod, error) {
	isUsers := func(rule token.Rule) bool { return rule.Kind == token.User }
	i := slices.IndexFunc(of, func(issuer token.Issuer) bool { return slices.ContainsFunc(issuer.Rules, isUsers) })
	method := api.LoginMethod{ClientID: l.ClientID, Scopes: l.Scopes, Audience: l.Audience, Flows: l.Flows}
	if len(method.Scopes) == 0 {
		method.Scopes = []string{"openid", "offline_access"}
	}
	if len(method.Flows) == 0 {
		method.Flows = []string{login.FlowCode, login.FlowDevice}
	}
	isUnknown := func(flow string) bool { return flow != login.FlowCode && flow != login.FlowDevice }
	switch {
	case i < 0:
		return method, errors.New("no rule of the issuer accepts tokens of kind user")
	case l.ClientID == "":
		return method, errors.New("clientID is missing: register a public client at the issuer")
	case !slices.Contains(method.Scopes, "openid"):
		return method, errors.New("scopes lacks openid, without which nothing binds the answer to the request")
	case slices.ContainsFunc(method.Scopes, func(scope string) bool { return scope == "" || strings.ContainsAny(scope, " \t\n") }):
		return method, errors.New("a scope is empty or has a space: write one entry for each")
	case slices.ContainsFunc(method.Flows, isUnknown):
		return method, errors.New("flows: choose from code and device")
	}
	method.Issuer = of[i].URL
	return method, nil
}

// issuers returns the issuers of an entry: an Entra tenant has two.
func (e issuerEntry) issuers() ([]token.Issuer, error) {
	forms := 0
	for _, is := range []bool{e.Entra != nil, e.GitHub != nil, e.Kubernetes != nil, e.URL != ""} {
		if is {
			forms++
		}
	}
	switch {
	case forms != 1:
		return nil, errors.New("write one of entra, github, kubernetes and url")
	case e.URL == "" && (e.JWKSURL != "" || e.CAFile != "" || len(e.Algorithms) > 0 || e.Leeway != 0 || len(e.Rules) > 0):
		return nil, errors.New("jwksURL, caFile, algorithms, leeway and rules go with url")
	case e.Entra != nil:
		return token.Entra(e.Entra.Tenant, e.Entra.Audiences...), nil
	case e.GitHub != nil:
		return []token.Issuer{token.GitHub(e.GitHub.OwnerIDs, e.GitHub.Audiences...)}, nil
	case e.Kubernetes != nil:
		issuer := token.Kubernetes(e.Kubernetes.URL, e.Kubernetes.Audiences...)
		issuer.CAFile = e.Kubernetes.CAFile
		return []token.Issuer{issuer}, nil
	}
	issuer := token.Issuer{URL: e.URL, JWKSURL: e.JWKSURL, CAFile: e.CAFile, Algorithms: e.Algorithms, Leeway: e.Leeway}
	for _, r := range e.Rules {
		issuer.Rules = append(issuer.Rules, token.Rule(r))
	}
	return []token.Issuer{issuer}, nil
}
