package keystone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// moduleName is the generated Python module that gunicorn serves.
const moduleName = "rollcall_keystone"

// module loads Keystone's application, which reads the process's arguments as
// its own and refuses gunicorn's. It loads the policy too: left to the first
// requests, threads race for it and some are refused with 403. And it leaves
// logging its own locks: oslo.log, as it sees eventlet loaded, would put in green
// ones, on which the threads of this server wait for each other for ever.
//
// A worker keeps what it found out about the caller's token for two seconds, as
// deployments do for minutes with a cache: four fifths of the server's time went into
// the 58 statements that validate the same token again. Only the caller's own roles can be
// that old; everything that a request reads is fresh. A revocation at one worker ends
// what all workers keep: it changes a file beside the module, of which each request reads
// the time.
const module = `import copy
import os
import pathlib
import sys
import time

sys.argv = sys.argv[:1]

import oslo_log.log  # noqa: E402
from keystone.common import render_token as rendering  # noqa: E402
from keystone.common.rbac_enforcer.enforcer import RBACEnforcer  # noqa: E402
from keystone.models.token_model import TokenModel  # noqa: E402
from keystone.revoke import core as revocation  # noqa: E402
from keystone.server.flask.request_processing.middleware import auth_context  # noqa: E402
from keystone.server.wsgi import initialize_public_application  # noqa: E402

KEPT_SECONDS = 2
REVOKED = pathlib.Path(__file__).with_name("revoked")
REVOKED.touch()
kept = {}  # (token, options, time of the last revocation): (until, model, rendered)
fetch_token = auth_context.AuthContextMiddleware.fetch_token
find_roles = TokenModel.roles.fget


def fetch_kept(self, token, **options):
    key = (token, str(options), REVOKED.stat().st_mtime_ns)
    now = time.monotonic()
    found = kept.get(key)
    if found is None or found[0] < now:
        for old in [k for k, v in list(kept.items()) if v[0] < now]:
            kept.pop(old, None)
        rendered = fetch_token(self, token, **options)
        model = self.token
        model.rendered = rendered
        found = kept[key] = (now + KEPT_SECONDS, model, rendered)
    self.token = found[1]
    return copy.deepcopy(found[2])


def render_kept(token, include_catalog=True):
    if include_catalog and hasattr(token, "rendered"):
        return copy.deepcopy(token.rendered)
    return render(token, include_catalog)


def roles_kept(self):
    if not hasattr(self, "found_roles"):
        self.found_roles = find_roles(self)
    return self.found_roles


def revoke_at_once(self, event):
    revoke(self, event)
    os.utime(REVOKED, ns=(time.time_ns(), time.time_ns()))


revoke = revocation.Manager.revoke
setattr(revocation.Manager, "revoke", revoke_at_once)
render = rendering.render_token_response_from_model
TokenModel.roles = property(roles_kept)
rendering.render_token_response_from_model = render_kept
auth_context.AuthContextMiddleware.fetch_token = fetch_kept
oslo_log.log._fix_eventlet_logging = lambda: None
application = initialize_public_application()
RBACEnforcer()._enforcer.load_rules()
`

// The names that keystone-manage bootstrap gives.
const (
	adminUser    = "admin"
	adminProject = "admin"
	defaultName  = "Default"
)

// region is where the catalog says that this Keystone is.
const region = "RegionOne"

// prepare writes the configuration and, unless that was done before for this
// version and database, makes keys, tables and the admin.
func (s *Server) prepare(ctx context.Context, installed string) error {
	connection, database, err := sqlalchemy(s.options.DatabaseURL)
	if err != nil {
		return err
	}
	password, err := s.password()
	if err != nil {
		return err
	}
	s.admin = Credentials{
		Username: adminUser, Password: password, UserDomainName: defaultName,
		ProjectName: adminProject, ProjectDomainName: defaultName,
	}
	if err := errors.Join(s.write(s.configName(), s.configuration(connection)), s.write(moduleName+".py", module)); err != nil {
		return err
	}
	done := installed + " " + database
	if text, err := os.ReadFile(s.path("prepared")); err == nil && string(text) == done {
		if filled, err := s.filled(ctx); filled || err != nil {
			return err
		}
	}
	if err := s.initialise(ctx, password); err != nil {
		return err
	}
	return s.write("prepared", done)
}

// sqlalchemy returns the URL as Python's SQLAlchemy writes it, and the
// database's name.
func sqlalchemy(raw string) (connection, database string, err error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// url.Parse's error holds the URL, and that may hold a password.
		return "", "", errors.New("keystone: DatabaseURL is not a PostgreSQL URL: write postgres://user@host:port/database")
	}
	u.Scheme = "postgresql+psycopg2"
	return u.String(), strings.TrimPrefix(u.Path, "/"), nil
}

// configName tells servers apart that share a directory.
func (s *Server) configName() string { return "keystone-" + strconv.Itoa(s.port) + ".conf" }

func (s *Server) config() string { return s.path(s.configName()) }

// configuration returns keystone.conf. Every value is set here: Debian's own
// file in /etc is not read. The null cache, Keystone's own default, forgets
// everything at the end of a request; with no cache at all Keystone would look
// up the same domain for every row of a list.
func (s *Server) configuration(connection string) string {
	var limit string
	if s.options.ListLimit > 0 {
		limit = "list_limit = " + strconv.Itoa(s.options.ListLimit) + "\n"
	}
	// A dollar sign starts a substitution.
	quote := func(text string) string { return strings.ReplaceAll(text, "$", "$$") }
	return "[DEFAULT]\npublic_endpoint = " + s.root() + "\n" + limit +
		"\n[database]\nconnection = " + quote(connection) + "\n" +
		"\n[fernet_tokens]\nkey_repository = " + quote(s.path("fernet-keys")) + "\n" +
		"\n[credential]\nkey_repository = " + quote(s.path("credential-keys")) + "\n" +
		"\n[token]\nprovider = fernet\n" +
		"\n[cache]\nenabled = true\nbackend = dogpile.cache.null\n" +
		"\n[identity]\npassword_hash_algorithm = bcrypt\npassword_hash_rounds = 4\n" +
		"\n[oslo_policy]\npolicy_dirs = " + quote(s.path("policy.d")) + "\n"
}

// password returns the admin's password, drawn at the first start.
func (s *Server) password() (string, error) {
	text, err := os.ReadFile(s.path("admin-password"))
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("keystone: %w", err)
	}
	password := rand.Text()
	return password, s.write("admin-password", password)
}

// filled reports whether the database holds a Keystone's tables: the marker in
// the directory may be older than the database.
func (s *Server) filled(ctx context.Context) (bool, error) {
	conn, err := pgx.Connect(ctx, s.options.DatabaseURL)
	if err != nil {
		return false, fmt.Errorf("keystone: the database does not answer: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the query's own error says more
	var filled bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('public.project') IS NOT NULL").Scan(&filled); err != nil {
		return false, fmt.Errorf("keystone: %w", err)
	}
	return filled, nil
}

// initialise makes keys, tables, the admin and the catalog. All of it may be
// done again.
func (s *Server) initialise(ctx context.Context, password string) error {
	for _, dir := range []string{"fernet-keys", "credential-keys", "policy.d"} {
		if err := os.MkdirAll(s.path(dir), 0o700); err != nil {
			return fmt.Errorf("keystone: %w", err)
		}
		if err := s.owner.Give(s.path(dir)); err != nil {
			return fmt.Errorf("keystone: %w", err)
		}
	}
	// The catalog names whatever port the server has at the time.
	const endpoint = "$(public_endpoint)s/v3"
	for _, args := range [][]string{
		{"db_sync"},
		{"fernet_setup"},
		{"credential_setup"},
		{"bootstrap", "--bootstrap-region-id", region, "--bootstrap-public-url", endpoint},
	} {
		if err := s.manage(ctx, password, args); err != nil {
			return err
		}
	}
	return nil
}

// manage runs keystone-manage. The password is in the environment, where only
// the server's user can read it, not among the arguments, which all can.
func (s *Server) manage(ctx context.Context, password string, args []string) error {
	cmd := s.command(ctx, append([]string{manage, "--config-file", s.config()}, args...)...)
	cmd.Env = append(cmd.Env, "OS_BOOTSTRAP_PASSWORD="+password)
	cmd.Stdout, cmd.Stderr = s.options.Log, s.options.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("keystone: keystone-manage %s failed, see the server's log: %w", args[0], err)
	}
	return nil
}

// write writes a file that only the server's user can read.
func (s *Server) write(name, text string) error {
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	if err := s.owner.Give(s.path(name)); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	return nil
}
