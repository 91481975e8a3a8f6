package aws_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/fault"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// signsIn makes a call that needs nothing but credentials.
func signsIn(t testing.TB, d *aws.Driver) error {
	t.Helper()
	_, err := d.Resolve(t.Context(), []string{"ada@example.com"})
	return err
}

// credentialsFile returns the connection's auth for a file.
func credentialsFile(path string) map[string]any {
	return map[string]any{"auth": map[string]any{"file": path}}
}

// write writes the credential file. Its modification time is always the same, so
// only its content can tell that it changed.
func write(t testing.TB, path string, values map[string]string) {
	t.Helper()
	body, err := json.Marshal(values)
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err == nil {
		err = os.Chtimes(path, written, written)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// written is the modification time of all credential files.
var written = time.Now().Add(-time.Hour)

// TestOpen_ReadsChangedCredentialFile: the driver notices new content in a file whose
// modification time and size stay the same. A wrong secret alone does not make the
// driver read the file again, so only the new content can.
func TestOpen_ReadsChangedCredentialFile(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	path := filepath.Join(t.TempDir(), "aws.json")
	if _, err := tryOpen(t, w.address, nil, credentialsFile(path), nil); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("without the file: got the error %v, want ErrDenied", err)
	}
	wrong := strings.Repeat("x", len(secretKey))
	write(t, path, map[string]string{"access_key_id": accessKey, "secret_access_key": wrong})
	before := stat(t, path)
	d := openWith(t, w.address, nil, credentialsFile(path))
	err := signsIn(t, d)
	if !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with a wrong secret: got the error %v, want ErrDenied", err)
	}
	write(t, path, map[string]string{"access_key_id": accessKey, "secret_access_key": secretKey})
	if after := stat(t, path); !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Fatalf("the file's time or size changed: %v, %d bytes; before %v, %d bytes",
			after.ModTime(), after.Size(), before.ModTime(), before.Size())
	}
	if err := signsIn(t, d); err != nil {
		t.Errorf("after the file was corrected: %v", err)
	}
}

// stat describes a file.
func stat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestOpen_RefusesFile: a credential file is regular, of limited size, and a JSON
// object of texts.
func TestOpen_RefusesFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := map[string]struct {
		reason, path string
		want         error
	}{
		"Directory": {"a directory holds no values", dir, fault.ErrDenied},
		"Device":    {"a device may never end", "/dev/zero", fault.ErrDenied},
		"Large":     {"a credential file has at most 1 MiB", file("large", strings.Repeat("hidden", 1<<18)), fault.ErrDenied},
		"Text":      {"the file's own text is not shown", file("text", "hidden"), fault.ErrInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, "https://aws.example.com", nil, credentialsFile(c.path), nil)
			if !errors.Is(err, c.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
		})
	}
}

// TestSessionTokenExpires has temporary credentials that an operator renews in the
// file while the driver runs.
func TestSessionTokenExpires(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	w.cloud.Key("ASIATEMPORARY0000001", "secret-one", "token-one", time.Now().Add(time.Hour))
	w.cloud.Key("ASIATEMPORARY0000002", "secret-two", "token-two", time.Now().Add(3*time.Hour))
	path := filepath.Join(t.TempDir(), "aws.json")
	temporary := func(n string) map[string]string {
		return map[string]string{
			"access_key_id":     "ASIATEMPORARY000000" + map[string]string{"one": "1", "two": "2"}[n],
			"secret_access_key": "secret-" + n, "session_token": "token-" + n,
		}
	}
	write(t, path, temporary("one"))
	d := openWith(t, w.address, nil, credentialsFile(path))
	if err := signsIn(t, d); err != nil {
		t.Fatal(err)
	}
	w.cloud.Expire()
	if err := signsIn(t, d); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with an expired token: got the error %v, want ErrDenied", err)
	}
	w.cloud.Key("ASIATEMPORARY0000002", "secret-two", "token-two", time.Now().Add(3*time.Hour))
	write(t, path, temporary("two"))
	if err := signsIn(t, d); err != nil {
		t.Errorf("after the token was renewed: %v", err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	w.cloud.Key("ASIATEMPORARY0000001", "secret", "token", time.Now().Add(time.Hour))
	for reason, environment := range map[string]map[string]string{
		"an unknown key":        {"CLOUD_ACCESS_KEY_ID": "AKIANOBODYKNOWSTHIS0", "CLOUD_SECRET_ACCESS_KEY": secretKey},
		"a wrong secret":        {"CLOUD_ACCESS_KEY_ID": accessKey, "CLOUD_SECRET_ACCESS_KEY": "other"},
		"a token that is not":   {"CLOUD_ACCESS_KEY_ID": accessKey, "CLOUD_SECRET_ACCESS_KEY": secretKey, "CLOUD_SESSION_TOKEN": "x"},
		"a token that is amiss": {"CLOUD_ACCESS_KEY_ID": "ASIATEMPORARY0000001", "CLOUD_SECRET_ACCESS_KEY": "secret"},
	} {
		if err := signsIn(t, openWith(t, w.address, environment, nil)); !errors.Is(err, fault.ErrDenied) {
			t.Errorf("%s: got the error %v, want ErrDenied", reason, err)
		}
	}
}

func TestClockIsOff(t *testing.T) {
	w := newWorld(t, simulated.Options{Clock: func() time.Time { return time.Now().Add(6 * time.Minute) }})
	if err := signsIn(t, w.open(t)); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with a clock that is six minutes late: got the error %v, want ErrDenied", err)
	}
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	const role = "arn:aws:iam::111122223333:role/identity-center-administrator"
	w.cloud.Role(role, "rollcall-test")
	as := func(role map[string]any) map[string]any { return map[string]any{"assumeRole": role} }
	for reason, settings := range map[string]map[string]any{
		"an unknown role":     as(map[string]any{"roleArn": role + "s", "externalId": "rollcall-test"}),
		"without external id": as(map[string]any{"roleArn": role}),
		"another external id": as(map[string]any{"roleArn": role, "externalId": "other"}),
	} {
		if err := signsIn(t, openWith(t, w.address, environment(), settings)); !errors.Is(err, fault.ErrDenied) {
			t.Errorf("%s: got the error %v, want ErrDenied", reason, err)
		}
	}
	d := openWith(t, w.address, environment(), as(map[string]any{"roleArn": role, "externalId": "rollcall-test"}))
	if err := signsIn(t, d); err != nil {
		t.Fatal(err)
	}
	w.cloud.Expire()
	if err := signsIn(t, d); err != nil {
		t.Errorf("after the role's session expired: %v", err)
	}
	if got := w.cloud.Control().Calls()["sts.AssumeRole"]; got != 3+2 {
		t.Errorf("the role was assumed %d times, want twice and three refusals", got)
	}
}

// TestOwnIdentity is what a pod of a cluster with IRSA has: a token in a file that
// is renewed, and a role.
func TestOwnIdentity(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	const role, issuer = "arn:aws:iam::111122223333:role/rollcall", "https://oidc.example.com/cluster"
	w.cloud.WebRole(role, issuer, "sts.amazonaws.com", "system:serviceaccount:rollcall:worker")
	path := filepath.Join(t.TempDir(), "token")
	for name, value := range map[string]string{
		"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	token := func(subject string, expires time.Duration) {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
			Issuer: issuer, Subject: subject, Audience: jwt.ClaimStrings{"sts.amazonaws.com"},
			ExpiresAt: jwt.NewNumericDate(time.Now().Add(expires)),
		}).SignedString([]byte("nobody checks"))
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	own := map[string]any{"auth": map[string]any{"workloadIdentity": map[string]any{}}}
	d := openWith(t, w.address, nil, own)
	token("system:serviceaccount:other:worker", time.Hour)
	if err := signsIn(t, d); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with somebody else's token: got the error %v, want ErrDenied", err)
	}
	token("system:serviceaccount:rollcall:worker", -time.Hour)
	if err := signsIn(t, d); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with an expired token: got the error %v, want ErrDenied", err)
	}
	token("system:serviceaccount:rollcall:worker", time.Hour)
	if err := signsIn(t, d); err != nil {
		t.Errorf("with a good token: %v", err)
	}
	w.cloud.Expire()
	if err := signsIn(t, d); err != nil {
		t.Errorf("after the session expired: %v", err)
	}
}

// TestWorkloadIdentity_RunsNoProgram: a profile's credential_process would run as the
// worker.
func TestWorkloadIdentity_RunsNoProgram(t *testing.T) {
	dir := t.TempDir()
	ran, profiles := filepath.Join(dir, "ran"), filepath.Join(dir, "config")
	text := "[default]\ncredential_process = /bin/touch " + ran + "\n[profile other]\ncredential_process = /bin/touch " + ran + "\n"
	if err := os.WriteFile(profiles, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, simulated.Options{})
	for _, profile := range []string{"", "other"} {
		t.Setenv("AWS_CONFIG_FILE", profiles)
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", profiles)
		t.Setenv("AWS_PROFILE", profile)
		t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
		d, err := tryOpen(t, w.address, nil, map[string]any{"auth": map[string]any{"workloadIdentity": map[string]any{}}}, budget.New(budget.Limits{}))
		if err == nil {
			_, err = d.Resolve(t.Context(), []string{"nobody"})
		}
		if err == nil {
			t.Errorf("the profile %q signs in", profile)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Fatalf("the profile %q ran a program", profile)
		}
	}
}

// TestOpen_RefusesConnection that cannot work, without a call.
func TestOpen_RefusesConnection(t *testing.T) {
	full := environment()
	inDocument := map[string]any{"credentials": map[string]any{"environment": map[string]any{"prefix": "CLOUD"}}}
	cases := map[string]struct {
		reason string
		more   map[string]any
		values map[string]string
		want   error
	}{
		"NoRegion": {"somewhere it has to be", map[string]any{"region": ""}, full, fault.ErrInvalid},
		"NoSecret": {"half a key is none", nil, map[string]string{"CLOUD_ACCESS_KEY_ID": accessKey}, fault.ErrDenied},
		"NoAuth":   {"credentials are somewhere", map[string]any{"auth": map[string]any{}}, full, fault.ErrInvalid},
		"TwoAuths": {
			"and in one place only",
			map[string]any{"auth": map[string]any{"file": "aws.json", "environment": map[string]any{"prefix": "CLOUD"}}}, full, fault.ErrInvalid,
		},
		"NoPrefix":   {"variables have a prefix", map[string]any{"auth": map[string]any{"environment": map[string]any{}}}, full, fault.ErrInvalid},
		"TokenFile":  {"AWS signs with keys", map[string]any{"auth": map[string]any{"tokenFile": "token"}}, full, fault.ErrUnsupported},
		"Document":   {"a document has no credentials", map[string]any{"auth": nil, "replication": inDocument}, full, fault.ErrInvalid},
		"PlainHTTP":  {"keys' signatures go over the network", map[string]any{"endpoint": "http://aws.example.com"}, full, fault.ErrInvalid},
		"Password":   {"an address holds no secrets", map[string]any{"endpoint": "https://u:p@aws.example.com"}, full, fault.ErrInvalid},
		"NoAddress":  {"it is one", map[string]any{"endpoint": "aws.example.com"}, full, fault.ErrInvalid},
		"NoRole":     {"a role has an ARN", map[string]any{"assumeRole": map[string]any{"externalId": "x"}}, full, fault.ErrInvalid},
		"WrongShape": {"a region is a text", map[string]any{"region": 7}, full, fault.ErrInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, "https://aws.example.com", c.values, c.more, budget.New(budget.Limits{}))
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "u:p") {
				t.Errorf("the error quotes a password: %v", err)
			}
		})
	}
}

// TestIdentityCenter is found, or named by the connection.
func TestIdentityCenter(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	ada := w.user(t, "ada@example.com")
	arn, store := w.cloud.InstanceARN(), w.cloud.StoreID()
	for reason, settings := range map[string]map[string]any{
		"found":             {},
		"named by ARN":      {"instanceArn": arn},
		"named by store":    {"identityStoreId": store},
		"named by both":     {"instanceArn": arn, "identityStoreId": store},
		"named with a role": {"instanceArn": arn, "assumeRole": nil},
	} {
		got, err := openWith(t, w.address, environment(), settings).Resolve(t.Context(), []string{"ada@example.com"})
		if err != nil || got[0].Found != access.Yes || got[0].Refs[0] != ada {
			t.Errorf("%s: got %v and the error %v", reason, got, err)
		}
	}
	other := map[string]any{"instanceArn": "arn:aws:sso:::instance/ssoins-0000000000000000"}
	if err := signsIn(t, openWith(t, w.address, environment(), other)); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("one that is not there: got the error %v, want ErrInvalid", err)
	}
	// A store that is not there is not one without people.
	gone := map[string]any{"instanceArn": arn, "identityStoreId": "d-0000000000"}
	if err := signsIn(t, openWith(t, w.address, environment(), gone)); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("a store that is not there: got the error %v, want ErrNotFound", err)
	}
}
