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

// credentialsFile is the place of the credentials in the settings.
func credentialsFile(path string) map[string]any {
	return map[string]any{"replication": map[string]any{"credentials": map[string]any{"file": map[string]any{"path": path}}}}
}

// write fills the credentials' file, with a time of its own.
func write(t testing.TB, path string, at time.Time, values map[string]string) {
	t.Helper()
	body, err := json.Marshal(values)
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err == nil {
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsFile(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	path := filepath.Join(t.TempDir(), "aws.json")
	if _, err := tryOpen(t, w.address, nil, credentialsFile(path), nil); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("without the file: got the error %v, want ErrDenied", err)
	}
	began := time.Now().Add(-time.Hour)
	write(t, path, began, map[string]string{"access_key_id": accessKey, "secret_access_key": "wrong-" + secretKey})
	d := openWith(t, w.address, nil, credentialsFile(path))
	err := signsIn(t, d)
	if !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with a wrong secret: got the error %v, want ErrDenied", err)
	}
	write(t, path, began.Add(time.Minute), map[string]string{"access_key_id": accessKey, "secret_access_key": secretKey})
	if err := signsIn(t, d); err != nil {
		t.Errorf("after the file was corrected: %v", err)
	}
}

// TestSessionTokenExpires has temporary credentials that somebody renews in the
// file while the driver runs, without the file's time moving.
func TestSessionTokenExpires(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	w.cloud.Key("ASIATEMPORARY0000001", "secret-one", "token-one", time.Now().Add(time.Hour))
	w.cloud.Key("ASIATEMPORARY0000002", "secret-two", "token-two", time.Now().Add(3*time.Hour))
	path, began := filepath.Join(t.TempDir(), "aws.json"), time.Now().Add(-time.Hour)
	temporary := func(n string) map[string]string {
		return map[string]string{
			"access_key_id":     "ASIATEMPORARY000000" + map[string]string{"one": "1", "two": "2"}[n],
			"secret_access_key": "secret-" + n, "session_token": "token-" + n,
		}
	}
	write(t, path, began, temporary("one"))
	d := openWith(t, w.address, nil, credentialsFile(path))
	if err := signsIn(t, d); err != nil {
		t.Fatal(err)
	}
	w.cloud.Expire()
	if err := signsIn(t, d); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with an expired token: got the error %v, want ErrDenied", err)
	}
	w.cloud.Key("ASIATEMPORARY0000002", "secret-two", "token-two", time.Now().Add(3*time.Hour))
	write(t, path, began, temporary("two"))
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
	own := map[string]any{"replication": map[string]any{"credentials": map[string]any{"workloadIdentity": map[string]any{}}}}
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

func TestSettingsThatCannotWork(t *testing.T) {
	full := environment()
	cases := map[string]struct {
		reason string
		more   map[string]any
		values map[string]string
		want   error
	}{
		"NoRegion":   {"somewhere it has to be", map[string]any{"region": ""}, full, fault.ErrInvalid},
		"NoSecret":   {"half a key is none", nil, map[string]string{"CLOUD_ACCESS_KEY_ID": accessKey}, fault.ErrDenied},
		"NoPlace":    {"credentials are somewhere", map[string]any{"replication": map[string]any{}}, full, fault.ErrInvalid},
		"PlainHTTP":  {"keys' signatures go over the network", map[string]any{"endpoint": "http://aws.example.com"}, full, fault.ErrInvalid},
		"Password":   {"an address holds no secrets", map[string]any{"endpoint": "https://u:p@aws.example.com"}, full, fault.ErrInvalid},
		"NoAddress":  {"it is one", map[string]any{"endpoint": "aws.example.com"}, full, fault.ErrInvalid},
		"NoRole":     {"a role has an ARN", map[string]any{"assumeRole": map[string]any{"externalId": "x"}}, full, fault.ErrInvalid},
		"WrongShape": {"settings are an object of texts", map[string]any{"region": 7}, full, fault.ErrInvalid},
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

// TestIdentityCenter is found, or named by the settings.
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
