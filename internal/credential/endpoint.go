package credential

import (
	"net"
	"net/url"
	"strings"
)

// IsEndpoint reports whether secrets may be sent to an address: https with a host and
// no user, query or fragment, or http where the host is this machine.
func IsEndpoint(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(address, "#") &&
		(u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
