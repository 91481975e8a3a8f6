package trust

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// judgeIssuer looks for issuers that are not the one meant: URLs that no token has, hosts
// that look like a known one, and tokens of other issuers that the trust accepts.
func (j *judge) judgeIssuer() {
	if j.trust.Issuer == "" {
		return
	}
	message := j.wording.mistakeInIssuer()
	if message == "" && len(j.options.Issuers) > 0 && !slices.Contains(j.options.Issuers, j.trust.Issuer) {
		message = "its issuer " + j.trust.Issuer + " is not on the list of issuers that may be trusted."
	}
	if message != "" {
		j.findings = append(j.findings, j.finding(ruleIssuer, High,
			j.wording.name()+" may trust another issuer than the one meant: "+message,
			"Write the issuer exactly as its discovery document does: "+j.wording.expectedIssuer()+"."))
		return
	}
	if !slices.ContainsFunc(j.trust.Comparisons, func(c Comparison) bool { return len(c.Claim) == 1 && c.Claim[0] == "iss" }) {
		return
	}
	e := j.search(j.generator.otherIssuers)
	if e != nil && e.undecided == "" {
		fix := func() string { return "Compare iss with " + j.trust.Issuer + " as a whole." }
		j.report(ruleIssuer, High, e, j.wording.describeIssuer, fix)
	}
}

// IsShared reports whether everybody can become a tenant of an issuer and get its tokens.
func IsShared(issuer string) bool {
	p, _ := findProfile(issuer, nil)
	return p.Shared
}

// otherIssuers yields intended tokens that other issuers have signed.
func (g generator) otherIssuers(yield func(*probe) bool) {
	host := strings.TrimPrefix(g.issuer, "https://")
	for _, in := range g.intents {
		for p := range g.intended(in) {
			for _, issuer := range []string{
				"https://issuer.attacker.example", g.issuer + ".attacker.example",
				"https://attacker.example/" + host, g.issuer + "/attacker",
			} {
				if p.issuer = issuer; !yield(p) {
					return
				}
			}
			p.issuer = ""
		}
	}
}

// expectedIssuer returns the URL that is probably meant.
func (w wording) expectedIssuer() string {
	normal := normalIssuer(w.trust.Issuer)
	for _, url := range []string{normal, normal + "/"} {
		if _, ok := w.profile.reads(url); ok {
			return url
		}
	}
	if known := imitationHost(hostOf(normal)); known != "" {
		return "https://" + known
	}
	return normal
}

// mistakeInIssuer returns what is wrong with the issuer's URL; "" if nothing is.
func (w wording) mistakeInIssuer() string {
	issuer := w.trust.Issuer
	if strings.TrimSpace(issuer) != issuer {
		return "the URL has a blank at its beginning or end, which no iss claim has."
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return "\"" + issuer + "\" is not a URL."
	}
	if message := mistakeInURL(u, issuer); message != "" {
		return message
	}
	if _, ok := w.profile.reads(issuer); ok {
		return ""
	}
	for _, url := range []string{normalIssuer(issuer), normalIssuer(issuer) + "/"} {
		if _, ok := w.profile.reads(url); ok {
			return "tokens have the iss " + url + ", which differs from " + issuer + "."
		}
	}
	if known := imitationHost(u.Hostname()); known != "" {
		return "the host " + u.Hostname() + " looks like " + known + "."
	}
	return ""
}

// mistakeInURL returns what no issuer's URL should have.
func mistakeInURL(u *url.URL, issuer string) string {
	_, notIP := netip.ParseAddr(u.Hostname())
	switch {
	case u.Scheme != "https":
		return "the scheme is " + u.Scheme + "; without https anyone on the way can serve keys."
	case u.User != nil:
		return "the URL has user information, so that its host is " + u.Hostname() + "."
	case u.Port() != "":
		return "the URL has a port, which AWS does not take and others rarely mean."
	case notIP == nil:
		return "the host is an IP address, which others can get later."
	case u.RawQuery != "" || u.Fragment != "":
		return "the URL has a query or fragment, which no iss claim has."
	case strings.ToLower(u.Host) != u.Host:
		return "the host of " + issuer + " is not in lower case; iss is compared exactly."
	case strings.HasPrefix(u.Host, "xn--") || strings.Contains(u.Host, ".xn--") || !isASCII(u.Host):
		return "the host " + u.Host + " has letters outside ASCII, which may look like others."
	default:
		return ""
	}
}

// isASCII reports whether a text has only ASCII characters.
func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 127 })
}

// hostOf returns the host of a URL.
func hostOf(issuer string) string {
	rest := strings.TrimPrefix(issuer, "https://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// imitationHost returns the host of a known issuer that another host imitates; "" if it
// imitates none: at most two characters differ, or the known host is a part of it.
func imitationHost(host string) string {
	for _, p := range profiles() {
		for _, url := range p.URLs {
			if known := imitated(host, hostOf(url)); known != "" {
				return known
			}
		}
	}
	return ""
}

// imitated returns the host that another one imitates of a known host or form of hosts; ""
// if it imitates none.
func imitated(host, known string) string {
	switch {
	case strings.Contains(known, "{"):
		return imitationPattern(host, known)
	case host == known || strings.HasSuffix(host, "."+known):
		return ""
	case strings.Contains(host, known) || len(known) > 8 && near(host, known, 2):
		return known
	default:
		return ""
	}
}

// imitationPattern compares a host with a known form of hosts with variable labels:
// "oidc.eks.{region}.amazonaws.com".
func imitationPattern(host, known string) string {
	labels, parts := strings.Split(host, "."), strings.Split(known, ".")
	if len(labels) != len(parts) {
		return ""
	}
	var expected []string
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			part = labels[i]
		}
		expected = append(expected, part)
	}
	same := strings.Join(expected, ".")
	fixed := 0
	for _, part := range parts {
		if !strings.HasPrefix(part, "{") {
			fixed++
		}
	}
	if same == host || fixed < 3 || !near(host, same, 2) {
		return ""
	}
	return same
}

// near reports whether two texts differ by at most so many insertions, removals and
// replacements of bytes.
func near(a, b string, most int) bool {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return false
	}
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for k := range len(b) {
			cost := diagonal
			if a[i] != b[k] {
				cost++
			}
			diagonal = row[k+1]
			row[k+1] = min(cost, row[k]+1, diagonal+1)
		}
	}
	return row[len(b)] <= most
}
