package openstack_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// without is the environment but for one variable.
func without(environment map[string]string, name string) map[string]string {
	rest := maps.Clone(environment)
	delete(rest, name)
	return rest
}

func TestOpen(t *testing.T) {
	const secret = "not-for-errors"
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"password": `+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := `"auth":{"environment":{"prefix":"CLOUD"}}`
	complete := map[string]string{"CLOUD_USERNAME": "rollcall", "CLOUD_PASSWORD": secret, "CLOUD_PROJECT_NAME": "admin"}
	cases := map[string]struct {
		reason, settings string
		environment      map[string]string
		want             error
		says             string
	}{
		"Complete":   {"nothing is missing", `{"url":"https://cloud.example.com:5000",` + environment + `}`, complete, nil, ""},
		"WithV3":     {"the path may be given", `{"url":"https://cloud.example.com/identity/v3/",` + environment + `}`, complete, nil, ""},
		"NoURL":      {"a driver needs an address", `{` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"OtherURL":   {"files are no Keystone", `{"url":"file:///etc",` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"URLSecret":  {"credentials are never in addresses", `{"url":"https://u:` + secret + `@cloud.example.com",` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"TwoDomains": {"which one?", `{"url":"https://cloud.example.com","domainId":"a","domainName":"b",` + environment + `}`, complete, fault.ErrInvalid, "domain"},
		"NoSource":   {"credentials are somewhere", `{"url":"https://cloud.example.com"}`, complete, fault.ErrInvalid, "auth"},
		"InDocument": {"a document names no credentials", `{"url":"https://cloud.example.com","replication":{"credentials":{"environment":{"prefix":"CLOUD"}}}}`, complete, fault.ErrInvalid, "auth"},
		"OldForm":    {"the file of old documents is an object", `{"url":"https://cloud.example.com","auth":{"file":{"path":"/no/such"}}}`, nil, fault.ErrInvalid, "file"},
		"Identity":   {"Keystone knows no workloads", `{"url":"https://cloud.example.com","auth":{"workloadIdentity":{}}}`, nil, fault.ErrUnsupported, "workload identity"},
		"TokenFile":  {"a token cannot be renewed", `{"url":"https://cloud.example.com","auth":{"tokenFile":"/no/such"}}`, nil, fault.ErrUnsupported, "file or environment"},
		"Plain":      {"a password would be readable on the way", `{"url":"http://cloud.example.com:5000",` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"PlainNet":   {"a private network is not this machine", `{"url":"http://10.0.0.1:5000/v3",` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"PlainNear":  {"a name that begins alike is another machine", `{"url":"http://localhost.example.com",` + environment + `}`, complete, fault.ErrInvalid, "url"},
		"PlainHere":  {"nothing leaves this machine", `{"url":"http://localhost:5000/v3",` + environment + `}`, complete, nil, ""},
		"PlainHere4": {"nothing leaves this machine", `{"url":"http://127.0.0.1:5000",` + environment + `}`, complete, nil, ""},
		"PlainHere6": {"nothing leaves this machine", `{"url":"http://[::1]:5000",` + environment + `}`, complete, nil, ""},
		"Device":     {"an endless device is not a file", `{"url":"https://cloud.example.com","auth":{"file":"/dev/zero"}}`, nil, fault.ErrDenied, "/dev/zero"},
		"NoUser":     {"the variable is named", `{"url":"https://cloud.example.com",` + environment + `}`, without(complete, "CLOUD_USERNAME"), fault.ErrDenied, "CLOUD_USERNAME"},
		"NoPassword": {"the variable is named", `{"url":"https://cloud.example.com",` + environment + `}`, without(complete, "CLOUD_PASSWORD"), fault.ErrDenied, "CLOUD_PASSWORD"},
		"NoScope":    {"a token without a scope may nothing", `{"url":"https://cloud.example.com",` + environment + `}`, without(complete, "CLOUD_PROJECT_NAME"), fault.ErrDenied, "CLOUD_PROJECT_NAME"},
		"HalfApplication": {
			"an id without its secret", `{"url":"https://cloud.example.com",` + environment + `}`,
			map[string]string{"CLOUD_APPLICATION_CREDENTIAL_ID": "x"}, fault.ErrDenied, "CLOUD_APPLICATION_CREDENTIAL_SECRET",
		},
		"NoFile":     {"the file is named", `{"url":"https://cloud.example.com","auth":{"file":"/no/such"}}`, nil, fault.ErrDenied, "/no/such"},
		"BrokenFile": {"what is in it is not", `{"url":"https://cloud.example.com","auth":{"file":"` + broken + `"}}`, nil, fault.ErrInvalid, "broken.json"},
		"NotJSON":    {"checked before, and yet", `{`, complete, fault.ErrInvalid, "connection"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := openstack.Open(t.Context(), drivertest.Config("openstack.test", []byte(c.settings), nil,
				func(name string) string { return c.environment[name] }))
			if !errors.Is(err, c.want) {
				t.Fatalf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error is %v: want it to say %q, and no secret", c.reason, err, c.says)
			}
		})
	}
}

// TestOpen_RelativeFile starts from the connections' directory, not from the worker's.
func TestOpen_RelativeFile(t *testing.T) {
	dir := t.TempDir()
	text := []byte(`{"username":"rollcall","password":"hush","project_name":"admin"}`)
	if err := os.WriteFile(filepath.Join(dir, "credentials.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	config := drivertest.Config("openstack.test", []byte(`{"url":"https://cloud.example.com","auth":{"file":"credentials.json"}}`), nil, nil)
	for at, want := range map[string]error{dir: nil, "": fault.ErrDenied} {
		config.Connection.Dir = at
		if _, err := openstack.Open(t.Context(), config); !errors.Is(err, want) {
			t.Errorf("with the directory %q Open = %v, want %v", at, err, want)
		}
	}
}
