package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// ErrNoTrust is what Parse returns for JSON that is none of the documents it knows.
var ErrNoTrust = errors.New("no role trust policy")

// Document is what Parse finds in a document.
type Document struct {
	Trusts    []trust.Trust
	Providers []Provider
	Findings  []trust.Finding
	// Unknown has the expression for each placeholder that trusts and findings of a
	// template may contain.
	Unknown map[string]string
}

// Provider is an IAM OIDC provider. STS accepts only tokens for one of its clients.
type Provider struct {
	// Name names the provider in its file; empty if the file does not say it.
	Name string
	// Scope tells accounts apart: two providers of one scope are in one account. Empty if
	// nothing says it.
	Scope     string
	URL       string // with https://
	ClientIDs []string
	At        trust.Position
}

// Parse reads a JSON document: a role trust policy; the output of aws iam get-role,
// list-roles, create-role, get-account-authorization-details or
// get-open-id-connect-provider; or a CloudFormation template with AWS::IAM::Role and
// AWS::IAM::OIDCProvider. The function line returns the line of an offset in the text; if
// it is nil, Parse counts lines.
//
// A trust policy without a role is named after its file. If a part of the document is not
// valid, Parse returns the rest with an error that joins one error per part. The error is
// ErrNoTrust if the document is of another form.
func Parse(file string, text []byte, line func(offset int) int) (Document, error) {
	if line == nil {
		line = lines(text)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	p := &parser{file: file, text: text, line: line}
	root, err := readJSON(text)
	if err != nil {
		p.fail("", err)
		return p.document, p.err()
	}
	if !p.root(root) {
		return Document{}, fmt.Errorf("aws: parse %s: %w", file, ErrNoTrust)
	}
	p.document.Findings = append(p.document.Findings, p.permissions.Findings(p.document.Trusts)...)
	return p.document, p.err()
}

// lines returns a function that returns the line of an offset in a text.
func lines(text []byte) func(offset int) int {
	var ends []int
	for i, c := range text {
		if c == '\n' {
			ends = append(ends, i)
		}
	}
	return func(offset int) int {
		i, _ := slices.BinarySearch(ends, offset)
		return i + 1
	}
}

// FromPolicy reads a trust policy that a file of another form has, such as a Terraform
// plan: an object, or a text with one. All findings are at the position of the policy.
func FromPolicy(name string, at trust.Position, policy json.RawMessage) ([]trust.Trust, []trust.Finding, error) {
	p := &parser{file: at.File, text: policy, line: func(int) int { return at.Line }}
	root, err := readJSON(policy)
	if err != nil {
		p.fail(name, err)
		return nil, nil, p.err()
	}
	p.role(role{name: name, policy: root})
	return p.document.Trusts, p.document.Findings, p.err()
}

// parser collects what is in a document.
type parser struct {
	file     string
	text     []byte
	line     func(offset int) int
	document Document
	errs     []error
	// permissions are those of the roles of the document, and managed the documents of the
	// policies of the account by ARN.
	permissions Permissions
	managed     map[string]*node
}

func (p *parser) at(offset int) trust.Position {
	return trust.Position{File: p.file, Line: p.line(offset)}
}

// fail records what is wrong with a part of the document.
func (p *parser) fail(part string, err error) {
	offset := 0
	if syntax, ok := errors.AsType[*syntaxError](err); ok {
		offset = syntax.offset
	}
	if part != "" {
		part += ": "
	}
	p.errs = append(p.errs, fmt.Errorf("aws: parse %s:%d: %s%w", p.file, p.line(offset), part, err))
}

func (p *parser) err() error { return errors.Join(p.errs...) }

// root reads a document by the keys that it has.
func (p *parser) root(n *node) bool {
	switch {
	case n.get("Role") != nil:
		return p.roleNode(n.get("Role"))
	case n.get("Roles") != nil:
		return p.roleNodes(n.get("Roles"))
	case n.get("RoleDetailList") != nil:
		p.managed = managedPolicies(n.get("Policies"))
		return p.roleNodes(n.get("RoleDetailList"))
	case n.get("AssumeRolePolicyDocument") != nil:
		return p.roleNode(n)
	case n.get("Resources") != nil:
		return p.template(n)
	case n.get("Url") != nil && n.get("ClientIDList") != nil:
		p.provider(Provider{}, n.get("Url").string(), n.get("ClientIDList"), n)
		return true
	case trustPolicy(n):
		name := filepath.Base(p.file)
		p.role(role{name: strings.TrimSuffix(name, filepath.Ext(name)), policy: n})
		return true
	}
	return false
}

// trustPolicy returns whether an object is a policy of a role, not of a user or a
// resource: its statements have principals, no resources, and actions of STS.
func trustPolicy(n *node) bool {
	statement := n.get("Statement")
	if statement == nil {
		return false
	}
	statements := statement.items
	if statement.kind == objectKind {
		statements = []*node{statement}
	}
	found := false
	for _, s := range statements {
		if s.get("Resource") != nil || s.get("NotResource") != nil {
			return false
		}
		if s.get("Principal") == nil && s.get("NotPrincipal") == nil {
			continue
		}
		found = found || s.get("NotAction") != nil || tokenService(s.get("Action"))
	}
	return found
}

// tokenService returns whether an Action has a pattern of STS, or of all services.
func tokenService(action *node) bool {
	if action == nil {
		return false
	}
	patterns, _ := texts(action, "")
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == "*" || strings.HasPrefix(strings.ToLower(p), "sts:")
	})
}

func (p *parser) roleNodes(n *node) bool {
	for _, item := range n.items {
		if !p.roleNode(item) {
			return false
		}
	}
	return n.kind == listKind
}

// roleNode reads a Role of the IAM API.
func (p *parser) roleNode(n *node) bool {
	document := n.get("AssumeRolePolicyDocument")
	if document == nil {
		return false
	}
	r := role{name: n.get("RoleName").string(), account: accountOf(n.get("Arn").string()), policy: document}
	r.session(n.get("MaxSessionDuration"))
	p.role(r)
	p.roleGrants(r.name, n)
	return true
}

// roleGrants reads the permissions that the details of an account have for a role.
func (p *parser) roleGrants(name string, n *node) {
	if !NoBoundary(n.get("PermissionsBoundary").get("PermissionsBoundaryArn").string()) {
		p.bound(name)
	}
	for _, item := range n.get("AttachedManagedPolicies").list() {
		arn := item.get("PolicyArn").string()
		p.grant(Grant{Role: name, ARN: arn, At: p.at(item.start)})
		p.grantDocument(name, p.managed[arn])
	}
	for _, item := range n.get("RolePolicyList").list() {
		p.grantDocument(name, item.get("PolicyDocument"))
	}
}

// managedPolicies returns the documents in force of the policies of an account, by ARN.
func managedPolicies(n *node) map[string]*node {
	documents := map[string]*node{}
	for _, item := range n.list() {
		for _, version := range item.get("PolicyVersionList").list() {
			if inForce := version.get("IsDefaultVersion"); inForce != nil && inForce.text == "true" {
				documents[item.get("Arn").string()] = version.get("Document")
			}
		}
	}
	return documents
}

// role is a role with its trust policy.
type role struct {
	name    string
	account string // empty if it is not known
	policy  *node
	// maxSession is the longest session in seconds, and where it is set; 0 if not given.
	maxSession, maxSessionOffset int
}

func (r *role) session(n *node) {
	if n == nil {
		return
	}
	if seconds, err := strconv.Atoi(n.text); err == nil {
		r.maxSession, r.maxSessionOffset = seconds, n.start
	}
}

// role reads the trust policy of a role and reports its mistakes.
func (p *parser) role(r role) {
	document, text, inner := r.policy, p.text, p
	if document.kind == textKind {
		start := document.start
		text = decodePolicy(document.text)
		inner = &parser{file: p.file, text: text, line: func(int) int { return p.line(start) }}
		var err error
		if document, err = readJSON(text); err != nil {
			inner.fail(r.name, err)
			p.errs = append(p.errs, inner.errs...)
			return
		}
	}
	policy, err := readPolicy(document, text)
	if err != nil {
		inner.fail(r.name, err)
		p.errs = append(p.errs, inner.errs...)
		return
	}
	p.document.Trusts = append(p.document.Trusts, inner.trusts(r, policy)...)
	c := checker{role: r, policy: policy, at: inner.at, outer: p.at, document: document}
	p.document.Findings = append(p.document.Findings, c.check()...)
}

// decodePolicy decodes a policy that is a text. The API encodes it for URLs.
func decodePolicy(text string) []byte {
	if strings.HasPrefix(strings.TrimSpace(text), "%7B") {
		if decoded, err := url.PathUnescape(text); err == nil {
			return []byte(decoded)
		}
	}
	return []byte(text)
}

// trusts returns one trust for each issuer that a statement allows, and one for all
// issuers if a statement allows them.
func (p *parser) trusts(r role, policy *policy) []trust.Trust {
	var all []trust.Trust
	seen := map[string]bool{}
	for i := range policy.statements {
		s := &policy.statements[i]
		if s.deny || !s.actions.matches(webActionName) {
			continue
		}
		issuers := s.principals.issuers()
		if s.principals.wildcards() {
			issuers = append(issuers, "")
		}
		for _, issuer := range issuers {
			if !seen[issuer] {
				seen[issuer] = true
				all = append(all, newTrust(r.name, p.at(s.offset), issuer, policy))
			}
		}
	}
	return all
}

func newTrust(name string, at trust.Position, issuer string, policy *policy) trust.Trust {
	t := trust.Trust{
		Name: name, Kind: trust.AWSRole, At: at,
		Accepts:     newDecider(policy, issuer).decide,
		Comparisons: comparisons(policy, issuer),
	}
	if issuer != "" {
		t.Issuer = "https://" + issuer
	}
	return t
}

// provider reads an OIDC provider.
func (p *parser) provider(provider Provider, address string, clients, at *node) {
	ids, err := texts(clients, "ClientIDList")
	if err != nil || address == "" {
		p.fail("", fail(at, "Url", "an OIDC provider has a URL and a list of client IDs: write both as texts"))
		return
	}
	provider.URL, provider.ClientIDs, provider.At = "https://"+strings.TrimPrefix(address, "https://"), ids, p.at(at.start)
	p.document.Providers = append(p.document.Providers, provider)
}
