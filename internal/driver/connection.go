package driver

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Connection is what the operator of the workers says about one account at a
// platform: the address, the credentials, and what they may be used for. Documents
// name a connection and never hold any of this.
type Connection struct {
	// Name is the connection's name, for error texts.
	Name string
	// Settings are the fields of the connection's own type as JSON, checked against
	// Type.Connection. Credentials in them are named, never held.
	Settings json.RawMessage
	// Dir is the directory that relative file names in Settings start from.
	Dir string
	// Uses are the connections that this one is composed of, by the names of
	// Type.Uses.
	Uses map[string]Connection
	// RedirectURLs are the addresses that invitations may lead to.
	RedirectURLs []string
	// Budget is passed by every call that the account makes, for whatever platform.
	Budget *budget.Budget
}

// Decode reads the settings into v. The error wraps fault.ErrInvalid.
func (c Connection) Decode(v any) error {
	if err := json.Unmarshal(c.Settings, v); err != nil {
		return fmt.Errorf("%w: connection %q: %w", fault.ErrInvalid, c.Name, err)
	}
	return nil
}

// Part returns one of the connections that c is composed of, or an error that wraps
// fault.ErrInvalid.
func (c Connection) Part(name string) (Connection, error) {
	part, ok := c.Uses[name]
	if !ok {
		return Connection{}, fmt.Errorf("%w: connection %q: uses.%s is missing", fault.ErrInvalid, c.Name, name)
	}
	return part, nil
}

// Config is what a driver is opened with.
type Config struct {
	// Platform is the platform's identifier, for error texts.
	Platform string
	// Settings is the platform document's spec.config.<type>, checked against
	// Type.Document. Its authors are not trusted with addresses, files or secrets.
	Settings json.RawMessage
	// Connection is the one that the document names.
	Connection Connection
	// Getenv reads an environment; nil is the process's own.
	Getenv func(string) string
}

// Decode reads the document's settings into v. The error wraps fault.ErrInvalid.
func (c Config) Decode(v any) error {
	if len(c.Settings) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Settings, v); err != nil {
		return fmt.Errorf("%w: settings: %w", fault.ErrInvalid, err)
	}
	return nil
}

// Env returns the function that reads the environment.
func (c Config) Env() func(string) string {
	if c.Getenv == nil {
		return os.Getenv
	}
	return c.Getenv
}
