package credential_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/credential"
)

func TestIsEndpoint(t *testing.T) {
	for _, c := range []struct {
		address string
		want    bool
		reason  string
	}{
		{"https://api.example.com", true, "TLS to a host"},
		{"https://api.example.com/", true, "a path is allowed"},
		{"https://api.example.com:6443/identity/v3", true, "so are a port and a longer path"},
		{"HTTPS://api.example.com", true, "schemes have no case"},
		{"https://10.0.0.1", true, "an address is a host"},
		{"https://[2001:db8::1]:6443", true, "so is one of IPv6"},
		{"https://localhost", true, "TLS to this machine"},
		{"http://localhost:8080", true, "this machine by name"},
		{"http://127.0.0.1:8080/v3", true, "this machine by address"},
		{"http://127.1.2.3", true, "all of 127/8 is this machine"},
		{"http://[::1]:8080", true, "this machine by its address of IPv6"},
		{"http://[::ffff:127.0.0.1]", true, "this machine by the same address in IPv6"},

		{"http://api.example.com", false, "secrets would be readable on the way"},
		{"http://10.0.0.1", false, "a private network is not this machine"},
		{"http://169.254.169.254", false, "nor is the metadata service"},
		{"http://0.0.0.0:8080", false, "no certain machine"},
		{"http://[::]:8080", false, "no certain machine"},
		{"http://localhost.example.com", false, "another machine"},
		{"http://127.0.0.1.example.com", false, "another machine"},
		{"http://example.com#127.0.0.1", false, "a fragment is not the host"},
		{"http://127.0.0.1@example.com", false, "a user is not the host"},
		{"http://localhost:x@example.com", false, "nor is a user with a password"},
		{"https://me@api.example.com", false, "a user"},
		{"https://me:hunter2@api.example.com", false, "a password"},
		{"https://@api.example.com", false, "an empty user"},
		{"https://api.example.com?a=b", false, "a query would come before the path"},
		{"https://api.example.com?", false, "so would an empty one"},
		{"https://api.example.com/#a", false, "a fragment would swallow the path"},
		{"https://", false, "no host"},
		{"https:///path", false, "no host"},
		{"https://:443", false, "a port is no host"},
		{"https:api.example.com", false, "no host: all of it is opaque"},
		{"//api.example.com", false, "no scheme"},
		{"api.example.com", false, "no scheme"},
		{"api.example.com:443", false, "the host is not a scheme"},
		{"ftp://127.0.0.1", false, "another scheme"},
		{"file:///etc/passwd", false, "a file"},
		{"unix:///run/docker.sock", false, "a socket"},
		{"https://api.example.com:port", false, "a port is a number"},
		{"https://api example.com", false, "a space in the host"},
		{" https://api.example.com", false, "a space before it"},
		{"https://api.example.com/\r\nX: y", false, "a line's end"},
		{"https://[::1", false, "half an address"},
		{"", false, "nothing"},
	} {
		if got := credential.IsEndpoint(c.address); got != c.want {
			t.Errorf("IsEndpoint(%q) = %t, want %t: %s", c.address, got, c.want, c.reason)
		}
	}
}
