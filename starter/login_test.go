package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/engines/openid"
	"github.com/rollcall-iam/rollcall/internal/login"
)

// signInFixture is a server whose callers sign in at a real OpenID provider, and the directory
// with the logins of one user.
type signInFixture struct {
	*openid.Provider

	t         *testing.T
	server    *apiServer
	dir       string
	transport http.RoundTripper
}

func newSignIn(t *testing.T) *signInFixture {
	t.Helper()
	p := openid.ForTest(t)
	transport, err := p.Transport()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	dir := t.TempDir()
	ca, issuers := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "issuers.yaml")
	text := "issuers:\n  - {url: " + p.Issuer + ", caFile: " + ca + ", rules: [{kind: user, audiences: [" + p.ClientID +
		"]}], login: {clientID: " + p.ClientID + "}}\n"
	for name, content := range map[string]string{ca: p.CA, issuers: text} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := database(t)
	must(t, db, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: company}, spec: {rules: [
		{callers: {issuer: "`+p.Issuer+`", subject: `+p.Subject+`}, roles: [editor], workspaces: [marketing]},
		{callers: {issuer: "`+p.Issuer+`", subject: another}, roles: [admin]}]}}`, "apply", "-")
	return &signInFixture{Provider: p, t: t, server: serveDatabase(t, db, issuers), dir: filepath.Join(dir, "logins"), transport: transport}
}

// run runs a command of the user. Each line that it prints for the user goes to watch.
func (s *signInFixture) run(watch func(line string), args ...string) outcome {
	s.t.Helper()
	var out, errs bytes.Buffer
	lines, in := io.Pipe()
	read := make(chan struct{})
	go func() {
		defer close(read)
		scanner := bufio.NewScanner(lines)
		for scanner.Scan() {
			errs.WriteString(scanner.Text() + "\n")
			if watch != nil {
				watch(strings.TrimSpace(scanner.Text()))
			}
		}
	}()
	c := &cli{
		in: strings.NewReader(""), out: &out, err: in, transport: s.transport, logins: &login.Store{Dir: s.dir},
		getenv: environment(map[string]string{"ROLLCALL_SERVER": s.server.address}),
	}
	code := execute(s.t.Context(), c, args)
	_ = in.Close()
	<-read
	return outcome{code, out.String(), errs.String()}
}

// visit opens a page as a browser, and returns where the provider leads back to.
func (s *signInFixture) visit(page, decision string) string {
	browser := &http.Client{Transport: s.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 5 {
		response, err := browser.Get(page)
		if err != nil {
			s.t.Error(err)
			return ""
		}
		_ = response.Body.Close()
		next, err := response.Location()
		if err != nil {
			s.t.Errorf("%s: %s, %v", page, response.Status, err)
			return ""
		}
		if next.Scheme == "http" {
			return next.String()
		}
		if page = next.String(); strings.Contains(page, "/login/") {
			page += decision
		}
	}
	s.t.Errorf("too many redirects: %s", page)
	return ""
}

// open opens an address and returns the status.
func (s *signInFixture) open(address string) int {
	response, err := http.Get(address)
	if err != nil {
		s.t.Error(err)
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// browser plays a user with a browser who signs in, or refuses.
func (s *signInFixture) browser(decision string) func(string) {
	return func(line string) {
		if strings.HasPrefix(line, s.Issuer) {
			s.open(s.visit(line, decision))
		}
	}
}

// expire lets the access token end now.
func (s *signInFixture) expire() {
	s.t.Helper()
	store := &login.Store{Dir: s.dir}
	l, err := store.Get(s.server.address)
	if err != nil {
		s.t.Fatal(err)
	}
	l.Expires = time.Now()
	if _, err := store.Put(l); err != nil {
		s.t.Fatal(err)
	}
}

// TestLogin: a user signs in with a browser, commands use and renew the login, and logout ends it.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSignIn(t)
	s.run(nil, "get").ends(t, "nobody is signed in", exitInvalid, "rollcall login")

	in := s.run(s.browser(""), "login")
	in.ends(t, "a user signs in", exitDone, "Signed in")
	for _, want := range []string{"user:" + s.Issuer + "#" + s.Subject, "editor", "marketing"} {
		if !strings.Contains(in.out, want) {
			t.Errorf("login does not show %q:\n%s", want, in.out)
		}
	}
	l, err := (&login.Store{Dir: s.dir}).Get(s.server.address)
	if err != nil || l.RefreshToken == "" {
		t.Fatalf("the stored login lacks a refresh token, or %v", err)
	}
	for _, secret := range []string{l.AccessToken, l.RefreshToken} {
		if strings.Contains(in.out+in.errs, secret) {
			t.Error("login prints a token")
		}
	}
	s.run(nil, "get").ends(t, "a command uses the login", exitDone)
	var who api.Whoami
	if err := json.Unmarshal([]byte(s.run(nil, "whoami", "-o", "json").out), &who); err != nil || who.Subject != s.Subject || who.Expires.IsZero() {
		t.Errorf("whoami: %+v, %v", who, err)
	}

	s.expire()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { s.run(nil, "get").ends(t, "commands at one time renew the login once", exitDone) })
	}
	group.Wait()
	next, err := (&login.Store{Dir: s.dir}).Get(s.server.address)
	if err != nil || next.RefreshToken == l.RefreshToken || next.AccessToken == l.AccessToken {
		t.Errorf("the login was not renewed, or %v", err)
	}

	s.run(nil, "logout").ends(t, "the login ends", exitDone, "revoked at "+s.Issuer)
	client := &login.Client{Transport: s.transport}
	if _, err := client.Refresh(t.Context(), next); err == nil {
		t.Error("the provider refreshes a login that was revoked")
	}
	s.run(nil, "get").ends(t, "the login has ended", exitInvalid, "rollcall login")
	s.run(nil, "logout").ends(t, "a second logout", exitDone, "No login")
}

// TestToken: a file comes before the variable, and both before a login.
func TestToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stored := &login.Store{Dir: filepath.Join(t.TempDir(), "logins")}
	if _, err := stored.Put(login.Login{Server: "https://a.example.com", AccessToken: "of the login"}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason, server string
		variables      map[string]string
		logins         *login.Store
		want           string
	}{
		{"all", "https://a.example.com", map[string]string{"ROLLCALL_TOKEN_FILE": file, "ROLLCALL_TOKEN": "of the variable"}, stored, "of the file"},
		{"no file", "https://a.example.com", map[string]string{"ROLLCALL_TOKEN": "of the variable"}, stored, "of the variable"},
		{"the login alone", "https://a.example.com", nil, stored, "of the login"},
		{"the login at another server", "https://b.example.com", nil, stored, ""},
		{"no place for logins", "https://a.example.com", nil, nil, ""},
	} {
		variables := map[string]string{"ROLLCALL_SERVER": test.server}
		maps.Copy(variables, test.variables)
		c := &cli{getenv: environment(variables), logins: test.logins}
		if err := c.useServer(); err != nil {
			t.Fatal(err)
		}
		if got, err := c.token(t.Context()); got != test.want || err != nil {
			t.Errorf("%s: token = %q, %v, want %q", test.reason, got, err, test.want)
		}
	}
}

// TestLogin_ChecksAnswers: an answer that another page or another provider sends gives no login.
func TestLogin_ChecksAnswers(t *testing.T) {
	t.Parallel()
	s := newSignIn(t)
	replace := func(address, name, value string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return ""
		}
		query := u.Query()
		query.Set(name, value)
		u.RawQuery = query.Encode()
		return u.String()
	}
	s.run(func(line string) {
		if strings.HasPrefix(line, s.Issuer) {
			back := s.visit(line, "")
			if status := s.open(replace(back, "state", "another")); status != http.StatusBadRequest {
				t.Errorf("another state: status %d", status)
			}
			if status := s.open(back + "&state=another"); status != http.StatusBadRequest {
				t.Errorf("two states: status %d", status)
			}
			s.open(back)
		}
	}, "login").ends(t, "answers with a wrong state do not end the sign-in", exitDone, "Signed in")
	s.run(nil, "logout").ends(t, "logout", exitDone)
	s.run(func(line string) {
		if strings.HasPrefix(line, s.Issuer) {
			s.open(replace(s.visit(line, ""), "iss", "https://other.example.com"))
		}
	}, "login").ends(t, "the answer names another issuer", exitFailed, "https://other.example.com")
	s.run(func(line string) {
		if strings.HasPrefix(line, s.Issuer) {
			s.open(replace(s.visit(line, ""), "code", "stolen"))
		}
	}, "login").ends(t, "a code that the provider does not know", exitFailed, "refuses")
	s.run(s.browser("&deny=1"), "login").ends(t, "the user refuses", exitFailed, "access_denied", "The user refused.")
	s.run(nil, "login", "--issuer", "https://other.example.com").ends(t, "an issuer that the server does not name", exitInvalid, s.Issuer)
	s.run(nil, "get").ends(t, "no login is stored", exitInvalid, "rollcall login")
}

// TestLogin_Device: a user signs in on another machine.
func TestLogin_Device(t *testing.T) {
	t.Parallel()
	s := newSignIn(t)
	code := regexp.MustCompile(`^[A-Z]{4}-[A-Z]{4}$`)
	decide := func(decision url.Values) func(string) {
		return func(line string) {
			if !code.MatchString(line) {
				return
			}
			decision.Set("user_code", line)
			response, err := (&http.Client{Transport: s.transport}).PostForm(s.Issuer+"/device/decide", decision)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("decide: %v", err)
			}
		}
	}
	s.run(decide(url.Values{"deny": {"1"}}), "login", "--device").ends(t, "the user refuses", exitFailed, "access_denied")
	s.run(decide(url.Values{}), "login", "--device").ends(t, "the user enters the code", exitDone, "Signed in")
	s.run(nil, "get").ends(t, "a command uses the login", exitDone)
}
