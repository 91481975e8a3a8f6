package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/login"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// The variables that make commands callers of a server.
const (
	serverVariable    = "ROLLCALL_SERVER"
	tokenVariable     = "ROLLCALL_TOKEN"
	tokenFileVariable = "ROLLCALL_TOKEN_FILE" //nolint:gosec // a name, not a credential
)

// service returns the service that commands use: of the server that ROLLCALL_SERVER names, or
// in this process. It connects when a method needs a server.
func (c *cli) service() control.Service {
	if c.server != nil {
		return c.server
	}
	local := c.local()
	local.Store = c.directDatabase
	return local
}

// useServer has commands call the server that ROLLCALL_SERVER names, if it names one.
func (c *cli) useServer() error {
	if c.getenvOrNone()(serverVariable) == "" {
		c.demoFailure = c.useDemo() // of the first command that needs a server
	}
	address := c.getenvOrNone()(serverVariable)
	if address == "" {
		return nil
	}
	transport := c.transport
	if transport == nil {
		transport = api.Transport()
	}
	client, err := api.NewClient(address, transport, c.token)
	if err != nil {
		return invalid(fmt.Errorf("%s: %w", serverVariable, err))
	}
	c.server, c.client = client, client
	if c.logins != nil {
		c.session = &login.Session{Client: &login.Client{Transport: c.transport}, Store: c.logins, Server: client.Address()}
	}
	return nil
}

// token returns the token of the next request: of the file, of the variable or of the login at
// the server, in this order. A file is read each time: tokens are renewed.
func (c *cli) token(ctx context.Context) (string, error) {
	getenv := c.getenvOrNone()
	name := getenv(tokenFileVariable)
	switch {
	case name == "" && getenv(tokenVariable) != "":
		return getenv(tokenVariable), nil
	case name == "" && c.session == nil:
		return "", nil
	case name == "":
		stored, err := c.session.Token(ctx)
		if errors.Is(err, login.ErrNone) { // the server says what is missing
			return "", nil
		}
		return stored, err
	}
	text, err := os.ReadFile(name) //nolint:gosec // the caller names it
	if err != nil {
		return "", invalid(fmt.Errorf("%s: %w", tokenFileVariable, err))
	}
	return strings.TrimSpace(string(text)), nil
}

// local returns the service in this process.
func (c *cli) local() *control.Local {
	return &control.Local{
		Store: c.database, Temporal: c.connection, Platform: platformOf, Now: time.Now, Deployment: engine.Deployment(c.getenvOrNone()),
	}
}

// connection connects to Temporal.
func (c *cli) connection(ctx context.Context) (control.Temporal, error) {
	connected, err := c.engine(ctx)
	return control.Temporal{Client: connected, Namespace: c.namespace, Payloads: c.payloads}, err
}

// platformOf returns one type of platform, and false for an unknown one.
func platformOf(name string) (control.Platform, bool) {
	for _, t := range types.All() {
		if t.Name() == name {
			return control.Platform{Profile: t.Profile, Rules: desired.Rules{
				Options: reconcile.DesiredOptions(t.Profile), GroupsIgnoreCase: t.Profile.GroupsIgnoreCase, Fit: t.Validate,
			}}, true
		}
	}
	return control.Platform{}, false
}

// listCommand returns the command that lists the objects of a kind; empty where none helps.
func listCommand(kind string) string {
	switch kind {
	case "tenant":
		return "rollcall get tenants lists the tenants"
	case "user":
		return "rollcall get users lists the users"
	case "", control.KindRevocation:
		return ""
	default:
		return "rollcall get " + kind + " lists those there are"
	}
}

// errorText returns the message of an error without control characters, which platforms may
// have sent, with the command that lists the names where one is not found.
func errorText(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = visible(line)
	}
	text := strings.Join(lines, "\n")
	if e := control.AsError(err); e.Code == control.NotFound && listCommand(e.Kind) != "" {
		return fmt.Sprintf("%s: %s", text, listCommand(e.Kind))
	}
	return text
}

// inFlags returns the error of a request whose field is wrong with the text that names the flag
// for the field, if there is one.
func inFlags(err error, texts map[string]string) error {
	e, ok := errors.AsType[*control.Error](err)
	if !ok || texts[e.Field] == "" {
		return err
	}
	text := texts[e.Field]
	if strings.Contains(text, "%q") {
		text = fmt.Sprintf(text, e.Name)
	}
	return exitError{code: e.Code.ExitCode(), err: errors.New(text)}
}
