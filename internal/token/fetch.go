package token

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// fetchTimeout bounds one update of an issuer's keys: discovery and JWKS together.
	fetchTimeout = 10 * time.Second
	dialTimeout  = 5 * time.Second
	// maxBody is how long a discovery document or a JWKS may be, in bytes.
	maxBody = 1 << 20
	// maxResponseHeader is how long the header of an answer may be, in bytes.
	maxResponseHeader = 64 << 10
	maxRedirects      = 3
	// minFresh and maxFresh bound how long an answer is fresh, whatever its Cache-Control says.
	minFresh = 5 * time.Minute
	maxFresh = 24 * time.Hour
)

// fetcher reads an issuer's keys over HTTPS.
type fetcher struct {
	issuer string
	// jwksURL is where the keys are; empty for the address in the discovery document.
	jwksURL string
	client  *http.Client
}

// newFetcher returns a fetcher that trusts the certificates in caFile, or those of the
// system if there is none.
func newFetcher(issuer, jwksURL, caFile string) (*fetcher, error) {
	for _, address := range []string{issuer, jwksURL} {
		if address == "" {
			continue
		}
		if err := checkURL(address); err != nil {
			return nil, err
		}
	}
	var roots *x509.CertPool
	if caFile != "" {
		text, err := os.ReadFile(caFile) //nolint:gosec // The operator names the file.
		if err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("CA file %s: it has no PEM certificate", caFile)
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: checkAddress}
	return &fetcher{issuer: issuer, jwksURL: jwksURL, client: &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  fetchTimeout,
			MaxResponseHeaderBytes: maxResponseHeader,
			ForceAttemptHTTP2:      true,
			// Fetches are minutes apart.
			DisableKeepAlives: true,
		},
		CheckRedirect: checkRedirect,
	}}, nil
}

// fetch returns the issuer's JWKS, and how long it is fresh.
func (f *fetcher) fetch(ctx context.Context) (body []byte, fresh time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	address := f.jwksURL
	if address == "" {
		if address, err = f.jwksURI(ctx); err != nil {
			return nil, 0, err
		}
	}
	body, header, err := f.get(ctx, address)
	if err != nil {
		return nil, 0, err
	}
	return body, freshness(header), nil
}

// jwksURI returns the jwks_uri of the issuer's discovery document (OpenID Connect
// Discovery 1.0, 4.1).
func (f *fetcher) jwksURI(ctx context.Context) (string, error) {
	body, _, err := f.get(ctx, strings.TrimSuffix(f.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", errors.New("the discovery document is not JSON: check the issuer's URL")
	}
	if document.Issuer != f.issuer {
		return "", errors.New("the discovery document is about another issuer: configure the URL as its field issuer writes it, " +
			"also a slash at the end")
	}
	if err := checkURL(document.JWKSURI); err != nil {
		return "", fmt.Errorf("jwks_uri of the discovery document: %w", err)
	}
	return document.JWKSURI, nil
}

// get reads an answer. Errors do not have its text.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	request.Header.Set("User-Agent", "rollcall")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("GET %s: %w", address, err)
	}
	if len(body) > maxBody {
		return nil, nil, fmt.Errorf("GET %s: the answer has more than 1 MiB", address)
	}
	return body, response.Header, nil
}

// freshness is how long an answer is fresh: max-age of its Cache-Control less its Age, as
// RFC 9111 says, within the bounds.
func freshness(header http.Header) time.Duration {
	var seconds int64
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(header.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 64); err == nil {
				seconds = min(max(n, 0), int64(maxFresh/time.Second))
			}
		}
	}
	if age, err := strconv.ParseInt(header.Get("Age"), 10, 64); err == nil && age > 0 {
		seconds -= min(age, seconds)
	}
	return min(max(time.Duration(seconds)*time.Second, minFresh), maxFresh)
}

// checkURL accepts https URLs of hosts that are no metadata service.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return errors.New("the address is no https URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("the address has a user or a fragment")
	case strings.EqualFold(u.Hostname(), "metadata.google.internal"):
		return errors.New("the address is a metadata service")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !isAllowed(ip) {
		return errors.New("the address is link-local, multicast or a metadata service")
	}
	return nil
}

// checkRedirect follows few redirects, and only within one origin.
func checkRedirect(request *http.Request, previous []*http.Request) error {
	switch {
	case len(previous) > maxRedirects:
		return errors.New("too many redirects")
	case request.URL.Scheme != "https" || request.URL.Host != previous[0].URL.Host:
		return errors.New("a redirect leads to another origin: configure the address that it leads to")
	default:
		return nil
	}
}

// checkAddress refuses addresses after names are resolved, also that of a proxy.
func checkAddress(_, address string, _ syscall.RawConn) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if !isAllowed(host.Addr()) {
		return errors.New("the name resolves to an address that is link-local, multicast or a metadata service")
	}
	return nil
}

// isAllowed refuses the metadata services of clouds, which answer on link-local addresses,
// Alibaba Cloud's on 100.100.100.200 and AWS's also on fd00:ec2::254. Private networks are
// allowed: issuers of clusters are there.
func isAllowed(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified():
		return false
	case ip == netip.AddrFrom4([4]byte{100, 100, 100, 200}):
		return false
	default:
		return ip != netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54})
	}
}
