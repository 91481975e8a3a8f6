package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

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
func readIssuers(name string) ([]token.Issuer, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("--issuers: %w", err)
	}
	issuers, err := parseIssuers(text)
	if err != nil {
		return nil, fmt.Errorf("--issuers %s: %w", name, err)
	}
	return issuers, nil
}

// parseIssuers reads issuers. Fields that it does not know are errors: one may be a limit.
func parseIssuers(text []byte) ([]token.Issuer, error) {
	var file issuersFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one YAML document")
	}
	var issuers []token.Issuer
	for i, entry := range file.Issuers {
		known, err := entry.issuers()
		if err != nil {
			return nil, fmt.Errorf("issuers[%d]: %w", i, err)
		}
		issuers = append(issuers, known...)
	}
	return issuers, nil
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
