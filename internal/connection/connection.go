package connection

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Connection is one account at a platform, as its operator describes it.
type Connection struct {
	Name string `json:"name"`
	// Type is the name of a platform type.
	Type string `json:"type"`
	// UsedBy are the identifiers of the platforms that may use the connection.
	UsedBy []string `json:"usedBy"`
	// Uses are the names of the connections that this one is composed of.
	Uses map[string]string `json:"uses"`
	// Scopes limits the tenants that may be read and changed.
	Scopes Scopes `json:"scopes"`
	// Roles limits the roles that may be given.
	Roles Roles `json:"roles"`
	// RedirectURLs are the addresses that invitations may lead to.
	RedirectURLs []string `json:"redirectUrls"`
	// Limits bounds the calls of the account, for all platforms that use it.
	Limits budget.Limits `json:"limits"`

	// Settings is all of the connection as JSON.
	Settings json.RawMessage `json:"-"`
	// Digest names what the connection says, with all that it is composed of, and
	// without the content of any file: the first 16 hex digits of a SHA-256.
	Digest string `json:"-"`
	// File and Line are where it was read.
	File string `json:"-"`
	Line int    `json:"-"`
}

// Scopes are the tenants that a connection may touch.
type Scopes struct {
	// Allow are ids of tenants at the platform, prefixes of paths, or ids in which *
	// stands for any characters but /; everything where it is empty.
	Allow []string `json:"allow"`
}

// Roles are the roles that a connection may not give, by name or id.
type Roles struct {
	// Deny are never given.
	Deny []string `json:"deny"`
	// SecondPerson need the consent of a second person. As long as callers have no
	// identities, they are not given either.
	SecondPerson []string `json:"secondPerson"`
}

// parse reads a connection that its schema accepts.
func parse(body json.RawMessage, file string, line int) (Connection, error) {
	c := Connection{Settings: body, File: file, Line: line}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("connection: %w", err)
	}
	return c, nil
}

// digest returns what names the texts.
func digest(texts ...string) string {
	sum := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(sum, "%d %s", len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Set is what a directory holds: the connections that are well-formed.
type Set struct {
	dir    string
	byName map[string]Connection
	// Problems is what is wrong with the others; nil where nothing is.
	Problems error
}

// Connections returns all, sorted by name.
func (s *Set) Connections() []Connection {
	all := make([]Connection, 0, len(s.byName))
	for _, c := range s.byName {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Connection) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Get returns a connection by its name.
func (s *Set) Get(name string) (Connection, bool) {
	c, ok := s.byName[name]
	return c, ok
}

// For returns the connection that a platform names, if the platform may use it. The
// error wraps fault.ErrForbidden, or fault.ErrUnavailable where there is no such
// connection: another worker may hold it. It says what the operator can do.
func (s *Set) For(platform, name string, of driver.Type) (Connection, error) {
	c, ok := s.byName[name]
	switch {
	case !ok:
		return c, fmt.Errorf("%w: platform %s uses connection %q, which this worker does not hold: "+
			"write it into the directory that %s names, or give spec.config.%s.connection another name",
			fault.ErrUnavailable, platform, name, Variable, of.Name())
	case c.Type != of.ConnectionType():
		return c, fmt.Errorf("%w: platform %s needs a connection of type %s, and %q is of type %s",
			fault.ErrForbidden, platform, of.ConnectionType(), name, c.Type)
	case !slices.Contains(c.UsedBy, platform):
		return c, fmt.Errorf("%w: connection %q is not for platform %s: add the platform to its usedBy",
			fault.ErrForbidden, name, platform)
	}
	return c, nil
}
