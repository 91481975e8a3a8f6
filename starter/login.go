package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/login"
)

type loginFlags struct {
	device bool
	issuer string
}

func loginCommand(c *cli) *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in at the provider of a server",
		Long: `login signs in at an OpenID provider that the server ROLLCALL_SERVER names, and stores the
tokens for the commands that follow. It opens a browser, or prints the address to open; the
provider answers to this machine. --device prints a code to enter in a browser on any machine.

The tokens are in the keyring of the session, else in a file that only you can read.
Commands refresh them. ROLLCALL_TOKEN_FILE and ROLLCALL_TOKEN come before them.`,
		Example: `  export ROLLCALL_SERVER=https://rollcall.example.com
  rollcall login
  rollcall login --device --issuer https://login.example.com/realms/company`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.login(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.device, "device", false, "sign in with a code, in a browser on any machine")
	cmd.Flags().StringVar(&flags.issuer, "issuer", "", "the provider, if the server names several")
	return cmd
}

func logoutCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the login at a server",
		Long: `logout removes the login at the server ROLLCALL_SERVER from this machine, and has the provider
revoke it. An access token that was copied counts until it expires, in minutes to an hour.`,
		Example: `  rollcall logout`,
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.logout(cmd.Context()) },
	}
}

func whoamiCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Show who a server takes you for, and your roles",
		Long: `whoami shows the issuer and the subject of your token, by which policies name you, the roles
that policies give you at the server ROLLCALL_SERVER, and when the token expires.`,
		Example: `  rollcall whoami
  rollcall whoami -o json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.requireServer(); err != nil {
				return err
			}
			who, err := c.client.Whoami(cmd.Context(), "")
			if err != nil {
				return err
			}
			return c.printWhoami(who)
		},
	}
}

// requireServer refuses a command that needs a server without one.
func (c *cli) requireServer() error {
	if c.client == nil {
		return invalid(fmt.Errorf("no server is named: set %s=https://HOST", serverVariable))
	}
	return nil
}

// storedLogins returns where logins are kept; nil for a user without a directory.
func storedLogins(getenv func(string) string) *login.Store {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil
	}
	return &login.Store{Dir: filepath.Join(dir, "rollcall", "logins"), Keyring: login.SystemKeyring(getenv)}
}

func (c *cli) login(ctx context.Context, flags loginFlags) error {
	if err := c.requireServer(); err != nil {
		return err
	}
	if c.session == nil {
		return errors.New("there is no place for a login: set HOME")
	}
	method, err := c.loginMethod(ctx, flags)
	if err != nil {
		return err
	}
	signedIn, err := c.signIn(ctx, method, flags.device)
	if err != nil {
		return err
	}
	who, err := c.client.Whoami(ctx, signedIn.AccessToken)
	if err != nil {
		_, _ = c.session.Client.Revoke(ctx, signedIn) // nothing uses it
		return fmt.Errorf("the server does not take the token of %s: %w", method.Issuer, err)
	}
	unlock, err := c.logins.Lock(ctx, signedIn.Server)
	if err != nil {
		return err
	}
	defer unlock()
	place, err := c.logins.Put(signedIn)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "Signed in at %s; the login is in %s\n", c.client.Address(), stored(place))
	if signedIn.RefreshToken == "" {
		fmt.Fprintln(c.err, "No refresh token: sign in again when the token expires")
	}
	return c.printWhoami(who)
}

// stored names the place of a login.
func stored(place string) string {
	if place == "keyring" {
		return "the keyring"
	}
	return "the file " + place
}

// loginMethod returns how to sign in at the server.
func (c *cli) loginMethod(ctx context.Context, flags loginFlags) (login.Method, error) {
	methods, err := c.client.LoginMethods(ctx)
	if err != nil {
		return login.Method{}, err
	}
	flow, names := login.FlowCode, []string{}
	if flags.device {
		flow = login.FlowDevice
	}
	for _, m := range methods {
		names = append(names, visible(m.Issuer))
	}
	methods = slices.DeleteFunc(methods, func(m api.LoginMethod) bool { return flags.issuer != "" && m.Issuer != flags.issuer })
	switch {
	case len(names) == 0:
		return login.Method{}, fmt.Errorf("%s names no provider to sign in at: its issuers file needs login sections, "+
			"or set %s", c.client.Address(), tokenFileVariable)
	case len(methods) == 0:
		return login.Method{}, invalid(fmt.Errorf("--issuer %s: the server names %s", flags.issuer, strings.Join(names, ", ")))
	case len(methods) > 1:
		return login.Method{}, invalid(fmt.Errorf("the server names several providers: add --issuer with one of %s",
			strings.Join(names, ", ")))
	case !slices.Contains(methods[0].Flows, flow) && flags.device:
		return login.Method{}, invalid(fmt.Errorf("%s is not for device codes: leave out --device", names[0]))
	case !slices.Contains(methods[0].Flows, flow):
		return login.Method{}, invalid(fmt.Errorf("%s is for device codes only: add --device", names[0]))
	}
	return login.Method(methods[0]), nil
}

// signIn lets the user sign in.
func (c *cli) signIn(ctx context.Context, method login.Method, device bool) (login.Login, error) {
	var signedIn login.Login
	var err error
	if device {
		signedIn, err = c.session.Client.Device(ctx, method, func(d login.Device) {
			fmt.Fprintf(c.err, "Open %s in a browser and enter the code\n\n  %s\n\n", visible(d.URL), visible(d.Code))
			if d.Complete != "" {
				fmt.Fprintf(c.err, "or open %s\n", visible(d.Complete))
			}
			fmt.Fprintf(c.err, "The code counts until %s. Enter no code that another user sent you.\n",
				d.Expires.Local().Format(time.TimeOnly))
		})
	} else {
		signedIn, err = c.session.Client.Code(ctx, method, func(p login.Page) {
			fmt.Fprintf(c.err, "Sign in with a browser on this machine:\n\n  %s\n\n", visible(p.URL))
			c.openBrowser(ctx, p.Local)
		})
	}
	signedIn.Server = c.client.Address()
	return signedIn, err
}

// openBrowser opens a page where a user at this machine sees it. A failure changes nothing: the
// address is printed.
func (c *cli) openBrowser(ctx context.Context, page string) {
	getenv := c.getenvOrNone()
	if !isTerminal(c.err) || getenv("SSH_CONNECTION") != "" {
		return
	}
	command := []string{"xdg-open"}
	switch {
	case runtime.GOOS == "darwin":
		command = []string{"open"}
	case runtime.GOOS == "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "":
		return
	}
	open := exec.CommandContext(ctx, command[0], append(command[1:], page)...) //nolint:gosec // a page of this process
	if open.Start() == nil {
		go func() { _ = open.Wait() }()
	}
}

func (c *cli) logout(ctx context.Context) error {
	if err := c.requireServer(); err != nil {
		return err
	}
	if c.session == nil {
		return nil
	}
	unlock, err := c.logins.Lock(ctx, c.client.Address())
	if err != nil {
		return err
	}
	defer unlock()
	known, failed := c.logins.Get(c.client.Address())
	if errors.Is(failed, login.ErrNone) {
		fmt.Fprintf(c.err, "No login at %s is stored\n", c.client.Address())
		return c.logins.Delete(c.client.Address())
	}
	if err := c.logins.Delete(c.client.Address()); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("the login is removed, but was not revoked at the provider: %w", failed)
	}
	supported, err := c.session.Client.Revoke(ctx, known)
	switch {
	case err != nil:
		return fmt.Errorf("the login is removed, but was not revoked at the provider: %w", err)
	case !supported:
		fmt.Fprintf(c.err, "The login is removed; %s has no way to revoke it, so end the session there\n", visible(known.Issuer))
	default:
		fmt.Fprintf(c.err, "The login is removed, and revoked at %s\n", visible(known.Issuer))
	}
	return nil
}

// printWhoami writes who a caller is.
func (c *cli) printWhoami(who api.Whoami) error {
	return c.print(who, func(w io.Writer) {
		name := access.Actor{Kind: access.ActorKind(who.Kind), Name: who.Subject}
		if who.Issuer != "" {
			name.Name = who.Issuer + "#" + who.Subject
		}
		fmt.Fprintln(w, visible(name.ID()))
		if !who.Expires.IsZero() {
			fmt.Fprintf(w, "The token expires at %s\n", who.Expires.UTC().Format(time.RFC3339))
		}
		if len(who.Roles) == 0 {
			fmt.Fprintln(w, "No policy gives you a role: ask for one, to be given by an AccessPolicy")
			return
		}
		lines := make([][]string, len(who.Roles))
		for i, role := range who.Roles {
			in := "all"
			if len(role.Workspaces) > 0 {
				in = strings.Join(role.Workspaces, ", ")
			}
			lines[i] = []string{string(role.Role), in}
		}
		rows(w, []string{"ROLE", "WORKSPACES"}, lines)
	})
}
