package openstack_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestOneSignInForAll revokes the token under many calls.
func TestOneSignInForAll(t *testing.T) {
	w := newWorld(t)
	ada := w.user(t, "ada@example.com")
	d := w.open(t)
	token := w.tokenOf(t, d)
	for round := range 2 {
		if err := tokens.Revoke(t.Context(), w.seed.Client, token).Err; err != nil {
			t.Fatal(err)
		}
		before := w.proxy.CountIf(func(e faultproxy.Entry) bool { return signIn(e.Path) })
		var callers sync.WaitGroup
		for range 12 {
			callers.Go(func() {
				got, err := d.Resolve(t.Context(), []string{"ada@example.com"})
				if err != nil || got[0].Found != access.Yes || got[0].Refs[0] != ada {
					t.Errorf("with an expired token: got %v, %v", got, err)
				}
			})
		}
		callers.Wait()
		after := w.proxy.CountIf(func(e faultproxy.Entry) bool { return signIn(e.Path) })
		if after-before != 1 {
			t.Errorf("round %d: 12 calls with an expired token signed in %d times, want once", round+1, after-before)
		}
		token = w.tokenOf(t, d)
	}
}

// tokenOf sees which token a driver uses.
func (w *world) tokenOf(t testing.TB, d driver.Driver) string {
	t.Helper()
	var mu sync.Mutex
	var token string
	w.proxy.Add(faultproxy.Rule{Match: func(r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if seen := r.Header.Get("X-Auth-Token"); seen != "" {
			token = seen
		}
		return false
	}})
	defer w.proxy.Clear()
	if _, err := d.Resolve(t.Context(), []string{"nobody@example.com"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return token
}

// TestWaysToSignIn tries each form of credentials on a real Keystone.
func TestWaysToSignIn(t *testing.T) {
	w := newWorld(t)
	admin := w.server.Admin()
	system := admin.Environ("CLOUD")
	delete(system, "CLOUD_PROJECT_NAME")
	system["CLOUD_SYSTEM_SCOPE"] = "all"
	wrong := admin.Environ("CLOUD")
	wrong["CLOUD_PASSWORD"] = "wrong"
	cases := map[string]struct {
		reason      string
		environment map[string]string
		want        error
	}{
		"Project":     {"the common form", admin.Environ("CLOUD"), nil},
		"System":      {"a scope without a project", system, nil},
		"Application": {"what a person makes for a program", w.application(t), nil},
		"Wrong":       {"a wrong password is no outage", wrong, fault.ErrDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := openAt(t, w.proxy.URL()+"/v3", w.name, c.environment)
			if _, err := d.Observe(t.Context(), []driver.Scope{{ID: "none"}}); !errors.Is(err, c.want) {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
		})
	}
}

// application makes an application credential of the admin's.
func (w *world) application(t testing.TB) map[string]string {
	t.Helper()
	auth, ok := w.seed.Client.GetAuthResult().(tokens.CreateResult)
	if !ok {
		t.Fatalf("the seeder signed in with %T", w.seed.Client.GetAuthResult())
	}
	admin, err := auth.ExtractUser()
	if err != nil {
		t.Fatal(err)
	}
	made, err := applicationcredentials.Create(t.Context(), w.seed.Client, admin.ID, applicationcredentials.CreateOpts{
		Name: w.name, Roles: []applicationcredentials.Role{{Name: "admin"}}, Unrestricted: true,
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"CLOUD_APPLICATION_CREDENTIAL_ID": made.ID, "CLOUD_APPLICATION_CREDENTIAL_SECRET": made.Secret,
	}
}

// TestCredentialsFileIsReadAgain changes a password the way people rotate it. The
// file's time and size stay the same: its content alone tells.
func TestCredentialsFileIsReadAgain(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "credentials.json")
	right, at := w.server.Admin().Password, time.Now().Add(-time.Hour)
	wrong := strings.Repeat("x", len(right))
	write := func(password string) {
		values := map[string]string{}
		for name, value := range w.server.Admin().Environ("") {
			values[strings.ToLower(strings.TrimPrefix(name, "_"))] = value
		}
		values["password"] = password
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := json.Marshal(map[string]any{
		"url": w.proxy.URL(), "domainId": w.seed.Domain,
		"auth": map[string]any{"file": path},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(wrong)
	d, err := openstack.Open(t.Context(), drivertest.Config("openstack.test", settings, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Resolve(t.Context(), []string{"nobody@example.com"}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with a wrong password: got the error %v, want ErrDenied", err)
	}
	write(right)
	if _, err := d.Resolve(t.Context(), []string{"nobody@example.com"}); err != nil {
		t.Errorf("after the file was put right: %v", err)
	}
	write(wrong)
	if _, err := d.Resolve(t.Context(), []string{"nobody@example.com"}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("after the file was changed again: got the error %v, want ErrDenied", err)
	}
}
