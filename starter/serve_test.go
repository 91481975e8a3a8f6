package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// provider is an OpenID provider with one key.
type provider struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(value); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token returns an access token of a user.
func (p *provider) token(t *testing.T, subject string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType("at+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{
		"iss": p.URL, "sub": subject, "aud": "rollcall", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// issuers writes the file with the provider.
func (p *provider) issuers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	certificate := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(p.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	file := filepath.Join(dir, "issuers.yaml")
	text := "issuers:\n  - {url: " + p.URL + ", caFile: " + ca + ", rules: [{kind: user, audiences: [rollcall]}]}\n"
	for name, content := range map[string]string{ca: certificate, file: text} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// apiServer is a server of a database, which ends with the test.
type apiServer struct {
	t       *testing.T
	address string
	// printed is what the server printed before it served.
	printed string
}

func serveDatabase(t *testing.T, url, issuers string) *apiServer {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		c := &cli{in: strings.NewReader(""), out: io.Discard, err: in, getenv: environment(map[string]string{"ROLLCALL_DATABASE_URL": url})}
		ended <- execute(ctx, c, []string{"serve", "--issuers", issuers, "--listen", "127.0.0.1:0"})
		_ = in.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("serve ended with %d", code)
		}
	})
	found := make(chan [2]string, 1)
	go func() {
		var printed strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "Serving "); ok {
				found <- [2]string{address, printed.String()}
			}
			printed.WriteString(lines.Text() + "\n")
		}
	}()
	serving := <-found
	return &apiServer{t: t, address: serving[0], printed: serving[1]}
}

// as runs a command with a token.
func (s *apiServer) as(token, input string, args ...string) outcome {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return runWith(s.t, environment(map[string]string{"ROLLCALL_SERVER": s.address, "ROLLCALL_TOKEN_FILE": file}), input, args...)
}

// storePending stores a plan with steps that wait for an approval.
func storePending(t *testing.T, url string) {
	t.Helper()
	s := opened(t, url)
	p := waitingPlan()
	digest, err := s.PutPlan(t.Context(), p, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutStatus(t.Context(), store.Status{Tenant: p.Tenant, Outcome: "waiting", RunID: "r-1", Digest: digest, Held: len(p.Held)}); err != nil {
		t.Fatal(err)
	}
}

// TestServe_MeshObjects: the server has the meshObject API, and a user whose token has the euid of
// a meshUser has the rights of workspace bindings there.
func TestServe_MeshObjects(t *testing.T) {
	t.Parallel()
	db, p := database(t), newProvider(t)
	s := serveDatabase(t, db, p.issuers(t))
	must(t, db, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: users}, spec: {users: [{issuer: "`+p.URL+`", euidClaim: oid}]}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: manager}, spec: {euid: o-1}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: m}, roleRef: {name: Workspace Manager}, targetRef: {name: marketing}, subject: {name: manager}}
`, "apply", "-")
	put := func(token, workspace string) string {
		t.Helper()
		body := `{"apiVersion": "v2", "kind": "meshProject", "metadata": {"name": "new", "ownedByWorkspace": "` + workspace + `"}}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.address+"/api/meshobjects", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/vnd.meshcloud.api.meshobjects.v1+json")
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	manager := p.token(t, "m", map[string]any{"oid": "o-1"})
	if got := put(manager, "marketing"); !strings.Contains(got, "SUCCESS") {
		t.Errorf("a manager imports into the workspace: %s", got)
	}
	if got := put(manager, "sales"); !strings.Contains(got, "FAILED") {
		t.Errorf("and into no other: %s", got)
	}
	if got := put(p.token(t, "e", map[string]any{"oid": "o-2", "email": "m@example.com"}), "marketing"); !strings.Contains(got, `"status":403`) {
		t.Errorf("a user without bindings: %s", got)
	}
}

// TestServe: commands call a server with the rights that policies give to a token.
func TestServe(t *testing.T) {
	t.Parallel()
	db, p := database(t), newProvider(t)
	s := serveDatabase(t, db, p.issuers(t))
	admin, editor := p.token(t, "ada", nil), p.token(t, "ben", map[string]any{"groups": []string{"web-team"}})

	s.as("", "", "get").ends(t, "a call without a token", exitInvalid, "ROLLCALL_TOKEN_FILE")
	s.as(admin[:len(admin)-8]+"AAAAAAAA", "", "get").ends(t, "a forged token", exitInvalid, "bad-signature")
	s.as(p.token(t, "ada", map[string]any{"aud": "another"}), "", "get").ends(t, "a token for another system", exitInvalid, "wrong-audience")
	s.as(admin, "", "get").ends(t, "no policy names the caller", exitInvalid, "AccessPolicy")

	must(t, db, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: company}, spec: {rules: [
		{callers: {issuer: "`+p.URL+`", subject: ada}, roles: [admin]},
		{callers: {issuer: "`+p.URL+`", claims: {groups: [web-team]}}, roles: [editor], workspaces: [marketing]}]}}`, "apply", "-")

	all := s.as(admin, "", "export")
	all.ends(t, "an administrator exports", exitDone)
	if diff := cmp.Diff(must(t, db, "", "export"), all.out); diff != "" {
		t.Errorf("the export of the server (-database +server):\n%s", diff)
	}
	s.as(editor, "", "export").ends(t, "an editor of a workspace may not export", exitInvalid, "security or admin")
	if out := s.as(editor, "", "get", "user", "jane", "-o", "yaml"); strings.Contains(out.out, "@example.com") || !strings.Contains(out.out, "name: jane") {
		t.Errorf("an editor sees of a user the name alone:\n%s%s", out.out, out.errs)
	}
	const group = "{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: marketing}, spec: {displayName: Crew, members: [jane]}}"
	s.as(editor, group, "apply", "-").ends(t, "an editor changes the workspace", exitDone)
	s.as(editor, strings.ReplaceAll(group, "marketing", "sales"), "apply", "-").ends(t, "but no other", exitInvalid, "sales")
	const ownerRole = "{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Cloud Owner, rank: 1}}"
	s.as(editor, ownerRole, "apply", "-").ends(t, "roles are the administrators'", exitInvalid, "meshProjectRole", "admin")
	s.as(editor, "", "delete", "user", "jane", "--yes").ends(t, "users are the operators'", exitInvalid)
	s.as(editor, "", "status", "--all").ends(t, "the tenants of the workspace", exitDone)
	storePending(t, db)
	s.as(admin, "", "approve").ends(t, "a pending removal is listed", exitDone)
	if out := s.as(editor, "", "approve").out; !strings.Contains(out, "marketing.web") {
		t.Errorf("an editor sees what waits in the workspace:\n%s", out)
	}
	s.as(editor, "", "revoke", "jane", "--reason", "left", "--as", "hr").ends(t, "a revocation needs the role security", exitInvalid, "security")
	if out := must(t, db, "", "get"); !strings.Contains(out, "marketing.crew") {
		t.Errorf("the group of the editor is not stored:\n%s", out)
	}

	must(t, db, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: company}, spec: {rules: [
		{callers: {issuer: "`+p.URL+`", subject: ada}, roles: [admin]}]}}`, "apply", "-")
	s.as(editor, "", "get").ends(t, "a right ends with the commit that takes it", exitInvalid, "AccessPolicy")
}

func TestServe_RefusesPlainText(t *testing.T) {
	t.Parallel()
	issuers := newProvider(t).issuers(t)
	run(t, database(t), "", "serve", "--issuers", issuers, "--listen", "0.0.0.0:0").
		ends(t, "a token would be readable on the way", exitInvalid, "--tls-cert")
}

// withLogin returns a file with one issuer, of users or workloads, and its section login.
func withLogin(kind, section string) string {
	return "issuers: [{url: https://a.example.com, rules: [{kind: " + kind + ", audiences: [b]}], login: " + section + "}]"
}

func TestParseIssuers_Login(t *testing.T) {
	t.Parallel()
	usual := api.LoginMethod{
		Issuer: "https://a.example.com", ClientID: "cli", Scopes: []string{"openid", "offline_access"}, Flows: []string{"code", "device"},
	}
	entra := usual
	entra.Issuer = "https://login.microsoftonline.com/6babcaad-604b-40ac-a9d7-9fd97c0b779f/v2.0"
	chosen := api.LoginMethod{Issuer: usual.Issuer, ClientID: "cli", Scopes: []string{"openid", "x"}, Audience: "b", Flows: []string{"device"}}
	for text, want := range map[string][]api.LoginMethod{
		withLogin("user", "{clientID: cli}"):                                                                         {usual},
		withLogin("user", "{clientID: cli, scopes: [openid, x], audience: b, flows: [device]}"):                      {chosen},
		"issuers: [{entra: {tenant: 6babcaad-604b-40ac-a9d7-9fd97c0b779f, audiences: [a]}, login: {clientID: cli}}]": {entra},
		"issuers: [{url: https://a.example.com, rules: [{kind: user, audiences: [b]}]}]":                             nil,
	} {
		_, got, err := parseIssuers([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestParseIssuers(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"issuers: [{url: https://a.example.com, audience: [x]}]":             "an unknown field may be a limit",
		"issuers: [{url: https://a.example.com, github: {ownerIDs: ['1']}}]": "two forms in one entry",
		"issuers: [{github: {ownerIDs: ['1'], audiences: [a]}, leeway: 1m}]": "a known issuer has its own rules",
		"issuers: [{}]":                                                "an entry without an issuer",
		"issuers: []\n---\nissuers: []":                                "a second document would not count",
		"issuers: [{url: https://a, leeway: soon}]":                    "no duration",
		withLogin("user", "{scopes: [openid]}"):                        "no client",
		withLogin("user", "{clientID: cli, clientSecret: x}"):          "a public client has no secret",
		withLogin("user", "{clientID: cli, scopes: [profile]}"):        "nothing binds the answer to the request",
		withLogin("user", "{clientID: cli, scopes: [openid profile]}"): "two scopes in one",
		withLogin("user", "{clientID: cli, flows: [implicit]}"):        "an unknown flow",
		withLogin("workload", "{clientID: cli}"):                       "no user's token would be accepted",
	} {
		if issuers, _, err := parseIssuers([]byte(text)); err == nil {
			t.Errorf("%s: %s: %+v, want an error", text, reason, issuers)
		}
	}
	known, _, err := parseIssuers([]byte("issuers: [{entra: {tenant: 6babcaad-604b-40ac-a9d7-9fd97c0b779f, audiences: [a]}}, {url: https://a.example.com, rules: [{kind: user, audiences: [b]}]}]"))
	if err != nil || len(known) != 3 {
		t.Errorf("%d issuers, %v; an Entra tenant has two, and one follows", len(known), err)
	}
}

// TestServe_Bootstrap: the first policy comes with the token that the server prints, which counts
// no more afterwards.
func TestServe_Bootstrap(t *testing.T) {
	t.Parallel()
	db, p := emptyDatabase(t), newProvider(t)
	s := serveDatabase(t, db, p.issuers(t))
	token := regexp.MustCompile(bootstrapPrefix + `[A-Z2-7]{26}`).FindString(s.printed)
	s.as(token[:len(token)-1]+"x", "", "get").ends(t, "another text", exitInvalid, "does not count any more")
	s.as(token, "", "export").ends(t, "all rights", exitDone)
	policy := `{apiVersion: v1, kind: AccessPolicy, metadata: {name: company}, spec: {rules: [
		{callers: {issuer: "` + p.URL + `", subject: ada}, roles: [ROLE]}]}}`
	s.as(token, strings.ReplaceAll(policy, "ROLE", "viewer"), "apply", "-").
		ends(t, "the first policy gives the role admin", exitInvalid, "admin")
	s.as(token, strings.ReplaceAll(policy, "ROLE", "admin"), "apply", "-").ends(t, "the first policy", exitDone)
	s.as(token, "", "get").ends(t, "a policy is stored", exitInvalid, "does not count any more")
	s.as(p.token(t, "ada", nil), "", "export").ends(t, "the administrator", exitDone)
	if again := serveDatabase(t, db, p.issuers(t)); strings.Contains(again.printed, bootstrapPrefix) {
		t.Errorf("a server with a policy prints a token:\n%s", again.printed)
	}
}

// TestDirectMode: commands that use the database are refused once callers sign in.
func TestDirectMode(t *testing.T) {
	t.Parallel()
	db := database(t)
	run(t, db, "", "database", "direct-mode", "off").ends(t, "a decision needs a reason", exitInvalid, "--reason")
	run(t, db, "", "database", "direct-mode", "never").ends(t, "an unknown word", exitInvalid, "on or off")
	run(t, db, "", "database", "direct-mode").ends(t, "by default", exitDone)
	run(t, db, "", "get").ends(t, "by default", exitDone)
	must(t, db, "", "database", "direct-mode", "off", "--reason", "all callers sign in")
	for _, args := range [][]string{
		{"get"}, {"export"}, {"status", "--all"}, {"approve"}, {"revoke", "jane", "--reason", "left"}, {"delete", "user", "jane", "--yes"},
		{"plan", "--all"}, {"replicate", "--all"}, {"connection", "list"},
	} {
		run(t, db, "", args...).ends(t, "direct mode is off", exitFailed, "direct mode is off", "all callers sign in", "ROLLCALL_SERVER")
	}
	s := serveDatabase(t, db, newProvider(t).issuers(t))
	s.as("x", "", "get").ends(t, "a server goes on", exitInvalid, "token")
	run(t, db, "", "migrate").ends(t, "migrate goes on", exitDone)
	must(t, db, "", "database", "direct-mode", "on", "--reason", "INC-7")
	run(t, db, "", "get").ends(t, "glass is broken", exitDone)
}

func TestDatabaseGrant_NamesUnknownRoles(t *testing.T) {
	t.Parallel()
	db := database(t)
	run(t, db, "", "database", "grant").ends(t, "no role", exitInvalid, "--writer")
	run(t, db, "", "database", "grant", "--reader", "no such role").ends(t, "an unknown role", exitFailed, "no such role")
}

// TestServe_Audit: calls are recorded with the caller of the token, and only the security
// officers see them.
func TestServe_Audit(t *testing.T) {
	t.Parallel()
	db, p := database(t), newProvider(t)
	s := serveDatabase(t, db, p.issuers(t))
	must(t, db, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: company}, spec: {rules: [
		{callers: {issuer: "`+p.URL+`", subject: ada}, roles: [security, admin]},
		{callers: {issuer: "`+p.URL+`", subject: ben}, roles: [operator]}]}}`, "apply", "-")
	ada, ben := p.token(t, "ada", nil), p.token(t, "ben", nil)
	s.as(ben, "", "audit").ends(t, "an operator", exitInvalid, "security")
	s.as(ben, "", "delete", "user", "jane", "--yes").ends(t, "jane has bindings", exitInvalid)
	s.as(ada, "{apiVersion: v1, kind: meshWorkspace, metadata: {name: lab}, spec: {displayName: Lab}}", "apply", "-").ends(t, "a change", exitDone)
	out := s.as(ada, "", "audit", "-o", "json")
	out.ends(t, "the audit", exitDone)
	for _, want := range []string{`"by": "user:` + p.URL + `#ben"`, `"meshUser"`, `"forbidden"`, `"conflict"`, `"meshWorkspace lab"`, `"revision"`, `"127.0.0.1"`} {
		if !strings.Contains(out.out, want) {
			t.Errorf("the audit lacks %s:\n%s", want, out.out)
		}
	}
	for _, secret := range []string{ada, ben, "displayName"} {
		if strings.Contains(out.out, secret) {
			t.Errorf("the audit has a token or the body of a document")
		}
	}
	if out := s.as(ada, "", "audit", "--code", "forbidden").out; !strings.Contains(out, "ListCalls") || strings.Contains(out, "Delete") {
		t.Errorf("refused calls alone:\n%s", out)
	}
}
