package gcp_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// settings are the world's with another auth.
func (w *world) settings(auth map[string]any, more map[string]any) map[string]any {
	s := map[string]any{"domain": domain, "customerId": customer, "endpoint": w.proxy.URL(), "auth": auth}
	maps.Copy(s, more)
	return s
}

func file(path string) map[string]any { return map[string]any{"file": path} }

func environment() map[string]any {
	return map[string]any{"environment": map[string]any{"prefix": "GOOGLE"}}
}

// works asks for somebody and for a project, which is every API.
func works(t *testing.T, d *gcp.Driver) {
	t.Helper()
	got, err := d.Resolve(t.Context(), []string{"ada@" + domain})
	if err != nil || got[0].Found != access.Yes {
		t.Errorf("Resolve = %v, %v", got, err)
	}
	seen, err := d.Observe(t.Context(), []driver.Scope{{ID: "laws-open", Groups: []access.Group{{Name: "nobodys"}}}})
	if err != nil || seen[0].Missing {
		t.Errorf("Observe = %+v, %v", seen, err)
	}
}

// opened is a world with what works asks for.
func opened(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, calm())
	w.user("ada@" + domain)
	w.project("open")
	return w
}

func TestWaysToSignIn(t *testing.T) {
	w := opened(t)
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	static := w.server.Token(google.Account{Email: robot, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", w.file) // where Google's own libraries look for the worker's identity
	cases := map[string]struct {
		auth    map[string]any
		environ map[string]string
	}{
		"File":             {file(w.file), nil},
		"FileOfVariable":   {environment(), map[string]string{"GOOGLE_CREDENTIALS_FILE": w.file}},
		"JSON":             {environment(), map[string]string{"GOOGLE_CREDENTIALS_JSON": string(text)}},
		"Token":            {environment(), map[string]string{"GOOGLE_TOKEN": static}},
		"WorkloadIdentity": {map[string]any{"workloadIdentity": map[string]any{}}, nil},
		"Federation":       {file(w.federation(t, "rollcall")), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, err := tryOpen(t, w.settings(c.auth, nil), c.environ)
			if err != nil {
				t.Fatal(err)
			}
			works(t, d)
		})
	}
}

const pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"

// federation makes a provider that trusts an issuer, and the configuration of an
// external account with a token of the issuer's for that subject.
func (w *world) federation(t *testing.T, subject string) string {
	t.Helper()
	return w.federationAs(t, subject, google.Account{Email: "principal", GroupsAdmin: true, UsersReader: true, PolicyAdmin: true}, "")
}

// federationAs is the same for a provider whose subjects are that account; with an
// address they become the service account that is there.
func (w *world) federationAs(t *testing.T, subject string, account google.Account, address string) string {
	t.Helper()
	pair, err := key()
	if err != nil {
		t.Fatal(err)
	}
	w.server.AddProvider(google.Provider{
		Audience: pool, Issuer: "https://issuer.example.com", TokenAudience: "rollcall", PublicKey: pair.Public, Subject: "rollcall",
		Account: account,
	})
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write(t, token, issued(t, pair.Signer, subject))
	fields := map[string]any{
		"type": "external_account", "audience": pool, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": "https://sts.googleapis.com/v1/token", "credential_source": map[string]any{"file": token},
	}
	if address != "" {
		fields["service_account_impersonation_url"] = address
	}
	config, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "external.json")
	write(t, path, string(config))
	return path
}

func issued(t *testing.T, with *rsa.PrivateKey, subject string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": "https://issuer.example.com", "aud": "rollcall", "sub": subject, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(with)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWaysNotToSignIn names the class of each, and nothing of what was read.
func TestWaysNotToSignIn(t *testing.T) {
	w := opened(t)
	bad := filepath.Join(t.TempDir(), "bad.json")
	write(t, bad, `{"type":"service_account","client_email":"hunter2@example.com","private_key":"hunter2","token_uri":"x"}`)
	person := filepath.Join(t.TempDir(), "person.json")
	write(t, person, `{"type":"authorized_user","refresh_token":"hunter2"}`)
	program := filepath.Join(t.TempDir(), "program.json")
	write(t, program, `{"type":"external_account","credential_source":{"executable":{"command":"hunter2"}}}`)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason  string
		auth    map[string]any
		environ map[string]string
		more    map[string]any
		want    error
	}{
		"NoFile":        {"the file is missing", file(bad + "x"), nil, nil, fault.ErrDenied},
		"NoVariable":    {"the variable is missing", environment(), nil, nil, fault.ErrDenied},
		"NoJSON":        {"the variable is no JSON", environment(), map[string]string{"GOOGLE_CREDENTIALS_JSON": "hunter2"}, nil, fault.ErrInvalid},
		"NoKey":         {"the key is none", file(bad), nil, nil, fault.ErrInvalid},
		"Person":        {"a person's own credentials are not for a machine", file(person), nil, nil, fault.ErrInvalid},
		"Program":       {"nothing is run", file(program), nil, nil, fault.ErrInvalid},
		"WrongSubject":  {"the issuer's token is somebody else's", file(w.federation(t, "eve")), nil, nil, fault.ErrDenied},
		"WrongToken":    {"a token that nobody knows", environment(), map[string]string{"GOOGLE_TOKEN": "hunter2"}, nil, fault.ErrDenied},
		"NoDelegation":  {"the account may not act for users", file(w.file), nil, map[string]any{"impersonate": "ada@" + domain}, fault.ErrDenied},
		"TokenDelegate": {"a token cannot act for users", environment(), map[string]string{"GOOGLE_TOKEN": "hunter2"}, map[string]any{"impersonate": "ada@" + domain}, fault.ErrInvalid},
		"None":          {"no place is named", map[string]any{}, nil, nil, fault.ErrInvalid},
		"Two":           {"two places are named", map[string]any{"file": w.file, "workloadIdentity": map[string]any{}}, nil, nil, fault.ErrInvalid},
		"OldForm":       {"the file of old documents is an object", map[string]any{"file": map[string]any{"path": w.file}}, nil, nil, fault.ErrInvalid},
		"TokenFile":     {"Google's tokens are not read from files", map[string]any{"tokenFile": w.file}, nil, nil, fault.ErrUnsupported},
		"Directory":     {"a directory is not a file", file(t.TempDir()), nil, nil, fault.ErrDenied},
		"Device":        {"an endless device is not a file", file("/dev/zero"), nil, nil, fault.ErrDenied},
		"Pipe":          {"a pipe is not a file", file(pipe), nil, nil, fault.ErrDenied},
		"PipeVariable":  {"nor is one that a variable names", environment(), map[string]string{"GOOGLE_CREDENTIALS_FILE": pipe}, nil, fault.ErrDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, err := tryOpen(t, w.settings(c.auth, c.more), c.environ)
			if err == nil {
				_, err = d.Resolve(t.Context(), []string{"ada@" + domain})
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("%s: the error is %v, want %v", c.reason, err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("%s: the error shows a secret: %v", c.reason, err)
			}
		})
	}
}

// TestSettingsThatAreRefused are those that the schema would let through, or that
// would send a token to somewhere.
func TestSettingsThatAreRefused(t *testing.T) {
	w := opened(t)
	for name, more := range map[string]map[string]any{
		"Domain":   {"domain": "Example.com"},
		"Customer": {"customerId": "my_customer"},
		"PlainURL": {"endpoint": "http://google.example.com"},
		"Metadata": {"endpoint": "http://169.254.169.254"},
		"NearHost": {"endpoint": "http://localhost.example.com"},
		"Password": {"endpoint": "https://user:hunter2@google.example.com"},
		"Query":    {"endpoint": "https://google.example.com?x=hunter2"},
		"OneOfAll": {"endpoints": map[string]any{"directory": "ftp://x"}},
		"Token":    {"endpoints": map[string]any{"token": "http://10.0.0.1/token"}},
		"Strategy": {"replication": map[string]any{"userLookUpStrategy": "name"}},
		"Shape":    {"domain": 7},
	} {
		if _, err := tryOpen(t, w.settings(file(w.file), more), nil); !errors.Is(err, fault.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error is %v, want invalid and without secrets", name, err)
		}
	}
}

// TestPlainAddressesOfThisMachine: without TLS a secret may only stay here.
func TestPlainAddressesOfThisMachine(t *testing.T) {
	w := opened(t)
	for _, address := range []string{"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		for _, more := range []map[string]any{{"endpoint": address}, {"endpoints": map[string]any{"token": address + "/token"}}} {
			if _, err := tryOpen(t, w.settings(file(w.file), more), nil); err != nil {
				t.Errorf("with %v: %v", more, err)
			}
		}
	}
}

// TestAddressesInDocumentsCountForNothing: only the operator says where secrets go.
func TestAddressesInDocumentsCountForNothing(t *testing.T) {
	w := opened(t)
	connection, err := json.Marshal(w.settings(file(w.file), nil))
	if err != nil {
		t.Fatal(err)
	}
	config := drivertest.Config("gcp.test", connection, budget.New(budget.Limits{}), func(string) string { return "" })
	config.Settings = json.RawMessage(`{"endpoint":"https://evil.example.com","domain":"evil.example.com","impersonate":"eve@example.com",
		"auth":{"file":"/nonexistent"},"replication":{"credentials":{"file":{"path":"/nonexistent"}}}}`)
	d, err := gcp.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	works(t, d.(*gcp.Driver))
}

// TestRelativeFiles start from the connections' directory, not from the worker's.
func TestRelativeFiles(t *testing.T) {
	w := opened(t)
	name := filepath.Base(w.file)
	for reason, c := range map[string]struct {
		auth    map[string]any
		environ map[string]string
	}{
		"the connection names it": {file(name), nil},
		"a variable names it":     {environment(), map[string]string{"GOOGLE_CREDENTIALS_FILE": name}},
	} {
		text, err := json.Marshal(w.settings(c.auth, nil))
		if err != nil {
			t.Fatal(err)
		}
		config := drivertest.Config("gcp.test", text, budget.New(budget.Limits{}), func(name string) string { return c.environ[name] })
		if _, err := gcp.Open(t.Context(), config); !errors.Is(err, fault.ErrDenied) {
			t.Errorf("%s, without a directory: %v, want ErrDenied", reason, err)
		}
		config.Connection.Dir = filepath.Dir(w.file)
		d, err := gcp.Open(t.Context(), config)
		if err != nil {
			t.Errorf("%s: %v", reason, err)
			continue
		}
		works(t, d.(*gcp.Driver))
	}
}

// TestImpersonation reads groups and users as an administrator, and policies as
// the account itself.
func TestImpersonation(t *testing.T) {
	w := opened(t)
	pair, err := key()
	if err != nil {
		t.Fatal(err)
	}
	w.server.AddAccount(google.Account{Email: robot, PublicKey: pair.Public, PolicyAdmin: true, Delegated: true})
	w.server.AddUser(google.User{PrimaryEmail: "admin@" + domain, Admin: true})
	works(t, w.openWith(t, map[string]any{"impersonate": "admin@" + domain}))
}

// TestFederatedWorkloadsBecomeAServiceAccount which alone may do anything.
func TestFederatedWorkloadsBecomeAServiceAccount(t *testing.T) {
	w := opened(t)
	address := w.proxy.URL() + "/v1/projects/-/serviceAccounts/" + robot + ":generateAccessToken"
	for _, c := range []struct {
		becomes string
		want    error
	}{{robot, nil}, {"another@rollcall.iam.gserviceaccount.com", fault.ErrDenied}} {
		d, err := tryOpen(t, w.settings(file(w.federationAs(t, "rollcall", google.Account{Email: "principal", Becomes: c.becomes}, address)), nil), nil)
		if err == nil {
			_, err = d.Resolve(t.Context(), []string{"ada@" + domain})
		}
		if !errors.Is(err, c.want) {
			t.Errorf("a workload that may become %s: %v, want %v", c.becomes, err, c.want)
		}
		if c.want == nil {
			works(t, d)
		}
	}
}

// TestAnExpiredTokenIsRenewedOnce however many calls find it expired.
func TestAnExpiredTokenIsRenewedOnce(t *testing.T) {
	w := opened(t)
	d := w.open(t)
	works(t, d)
	w.server.Revoke()
	got := w.counted(func() {
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() { works(t, d) })
		}
		running.Wait()
	})
	if n := got["oauth2.token"]; n != 1 {
		t.Errorf("eight callers signed in %d times, want once", n)
	}
}

// TestATokenIsRenewedBeforeItExpires so that no call is lost to it.
func TestATokenIsRenewedBeforeItExpires(t *testing.T) {
	options := calm()
	options.TokenLife = 30 * time.Second // less than the time in which it counts as old
	w := newWorld(t, options)
	w.user("ada@" + domain)
	w.project("open")
	d := w.open(t)
	works(t, d)
	if n := w.counted(func() { works(t, d) })["oauth2.token"]; n == 0 {
		t.Error("a token at its end was used again")
	}
}

// TestTheFileIsReadAgain when its content changes, without a restart. Its time, which
// stays the same, does not matter.
func TestTheFileIsReadAgain(t *testing.T) {
	for name, open := range map[string]func(*world) *gcp.Driver{
		"File": func(w *world) *gcp.Driver { return w.open(t) },
		"FileOfVariable": func(w *world) *gcp.Driver {
			d, err := tryOpen(t, w.settings(environment(), nil), map[string]string{"GOOGLE_CREDENTIALS_FILE": w.file})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := opened(t)
			testReload(t, w, open(w))
		})
	}
}

func testReload(t *testing.T, w *world, d *gcp.Driver) {
	t.Helper()
	works(t, d)
	before, err := os.Stat(w.file)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := google.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	const next = "next@rollcall.iam.gserviceaccount.com"
	w.server.AddAccount(google.Account{Email: next, PublicKey: pair.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	text, err := pair.File(next, w.proxy.URL()+"/token")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.file, string(text))
	if err := os.Chtimes(w.file, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if n := w.counted(func() { works(t, d) })["oauth2.token"]; n != 1 {
		t.Errorf("after the file changed the driver signed in %d times, want once", n)
	}
	now := time.Now().Add(time.Minute)
	if err := os.Chtimes(w.file, now, now); err != nil {
		t.Fatal(err)
	}
	if n := w.counted(func() { works(t, d) })["oauth2.token"]; n != 0 {
		t.Errorf("after only the file's time changed the driver signed in %d times, want none", n)
	}
}

// TestExternalIDs looks people up by what their company calls them.
func TestExternalIDs(t *testing.T) {
	w := newWorld(t, calm())
	for name, ids := range map[string][]string{
		"ada": {"E-1"}, "bob": {"E-2", "E-2"}, "eve": {"e-1"}, "one": {"E-9"}, "two": {"E-9"}, "off": {"E'5\\"}, "ſaziz": {"E-7"},
	} {
		w.server.AddUser(google.User{PrimaryEmail: name + "@" + domain, ExternalIDs: ids, Suspended: name == "off"})
	}
	d := w.openWith(t, map[string]any{"replication": map[string]any{"userLookUpStrategy": "externalId"}})
	got, err := d.Resolve(t.Context(), []string{"E-1", "E-2", "E-", "E-9", "E'5\\", " ", "ada@" + domain, "x' OR externalId='E-1", "E-7"})
	if err != nil {
		t.Fatal(err)
	}
	none := access.Resolution{Found: access.No}
	want := []access.Resolution{
		{Found: access.Yes, Refs: []string{"ada@" + domain}}, {Found: access.Yes, Refs: []string{"bob@" + domain}}, none,
		{Found: access.Ambiguous, Refs: []string{"one@" + domain, "two@" + domain}},
		{Found: access.Disabled, Refs: []string{"off@" + domain}}, none, none, none, none,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAliases are no match, and neither is an address elsewhere.
func TestAliases(t *testing.T) {
	w := newWorld(t, calm())
	w.server.AddUser(google.User{PrimaryEmail: "ada@" + domain, Aliases: []string{"ada.lovelace@" + domain}})
	w.server.AddUser(google.User{PrimaryEmail: "o'neil@" + domain, Archived: true})
	got, err := w.open(t).Resolve(t.Context(), []string{
		"ada.lovelace@" + domain, "Ada@Example.Com", "ada@elsewhere.example.org", "O'Neil@" + domain,
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []access.Found
	for _, r := range got {
		found = append(found, r.Found)
	}
	if want := []access.Found{access.No, access.Yes, access.No, access.Disabled}; !slices.Equal(want, found) {
		t.Errorf("Resolve = %v, want %v", found, want)
	}
}
