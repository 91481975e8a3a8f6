package google

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The most principals that the bindings of one policy may name, and groups among
// them, each as often as it is named (discovery document, Policy.bindings).
const (
	maxPrincipals = 1500
	maxGroups     = 250
)

var (
	predefined = regexp.MustCompile(`^roles/[a-zA-Z]+(\.[a-zA-Z]+)?$`)
	custom     = regexp.MustCompile(`^(projects/[a-z0-9:.-]+|organizations/[0-9]+)/roles/[a-zA-Z0-9_.]{3,64}$`)
)

// etag returns one that was never given before. The caller holds the lock.
func (s *Server) etag() string {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(s.next())+0x05f8_0000_0000_0000) //nolint:gosec // a counter from zero
	return base64.StdEncoding.EncodeToString(number[:])
}

func (p policy) clone() policy {
	p.Bindings = slices.Clone(p.Bindings)
	for i, b := range p.Bindings {
		p.Bindings[i].Members = slices.Clone(b.Members)
	}
	return p
}

// json is the policy as callers of that version see it: before version 3 the
// conditions are cut, and a role under one is spelled so that nobody takes it for
// the role.
func (p policy) json(version int) map[string]any {
	conditional := false
	bindings := make([]any, len(p.Bindings))
	for i, b := range p.Bindings {
		shown := map[string]any{"role": b.Role, "members": asAny(b.Members)}
		for name, value := range b.Extra {
			shown[name] = value
		}
		if b.Condition != nil {
			conditional = true
			if version < 3 {
				shown["role"] = fmt.Sprintf("%s_withcond_%x", b.Role, b.Condition.hash())
			} else {
				shown["condition"] = b.Condition
			}
		}
		bindings[i] = shown
	}
	answer := map[string]any{"version": 1, "etag": p.Etag, "bindings": bindings}
	if conditional && version >= 3 {
		answer["version"] = 3
	}
	if len(p.Audit) > 0 {
		answer["auditConfigs"] = p.Audit
	}
	for name, value := range p.Extra {
		answer[name] = value
	}
	return object(answer)
}

func (c condition) hash() []byte {
	sum := sha256.Sum256([]byte(c.Expression + "\x00" + c.Title + "\x00" + c.Description))
	return sum[:10]
}

func (s *Server) getPolicy(c *call) (any, error) {
	var body struct {
		Options struct {
			Version int `json:"requestedPolicyVersion"`
		} `json:"options"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if v := body.Options.Version; v != 0 && v != 1 && v != 3 {
		return nil, refusal("INVALID_ARGUMENT", "Invalid value for requestedPolicyVersion: %d.", v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.visible(c)
	if err != nil {
		return nil, err
	}
	held, ok := s.state.Policies.GetAt(c.now.Add(-s.options.PolicyStale), p.Number)
	if !ok {
		held, _ = s.state.Policies.Get(p.Number)
	}
	return held.json(body.Options.Version), nil
}

// policyBody is a policy as callers write it, in the raw: its fields are kept.
type policyBody struct {
	Policy map[string]json.RawMessage `json:"policy"`
	Mask   string                     `json:"updateMask"`
}

func (s *Server) setPolicy(c *call) (any, error) {
	var body policyBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.visible(c)
	if err != nil {
		return nil, err
	}
	held, _ := s.state.Policies.Get(p.Number)
	wanted, version, err := s.readPolicy(body.Policy)
	if err != nil {
		return nil, err
	}
	if wanted.Etag != "" && wanted.Etag != held.Etag {
		return nil, refusal("ABORTED",
			"There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
	}
	if err := s.checkPolicy(c, p, held, wanted, version); err != nil {
		return nil, err
	}
	next, err := held.masked(wanted, body.Mask)
	if err != nil {
		return nil, err
	}
	next.Etag = s.etag()
	s.state.Policies.Put(c.now, p.Number, next)
	return next.json(3), s.keep()
}

// masked is the policy with the fields of the mask taken from another. What no
// mask names stays.
func (p policy) masked(wanted policy, mask string) (policy, error) {
	p = p.clone()
	if mask == "" {
		mask = "bindings,etag"
	}
	for field := range strings.SplitSeq(mask, ",") {
		switch strings.TrimSpace(field) {
		case "bindings":
			p.Bindings = merged(wanted.Bindings)
		case "auditConfigs", "audit_configs":
			p.Audit = wanted.Audit
		case "etag", "version":
		default:
			return p, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: update_mask %q.", field)
		}
	}
	return p, nil
}

// readPolicy reads the fields of a policy. One that neither the discovery
// document nor NewField has is refused.
func (s *Server) readPolicy(raw map[string]json.RawMessage) (policy, int, error) {
	var p policy
	version := 0
	var rows []map[string]json.RawMessage
	for name, value := range raw {
		var err error
		switch {
		case name == "version":
			err = json.Unmarshal(value, &version)
		case name == "etag":
			err = json.Unmarshal(value, &p.Etag)
		case name == "bindings":
			err = json.Unmarshal(value, &rows)
		case name == "auditConfigs":
			p.Audit = value
		case s.state.Newer[name]: // no mask has it yet
		default:
			err = refusal("INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name %q at 'policy': Cannot find field.", name)
		}
		if err != nil {
			return p, 0, malformed(err)
		}
	}
	for _, row := range rows {
		b, err := s.readBinding(row)
		if err != nil {
			return p, 0, malformed(err)
		}
		p.Bindings = append(p.Bindings, b)
	}
	return p, version, nil
}

func (s *Server) readBinding(row map[string]json.RawMessage) (binding, error) {
	var b binding
	for name, value := range row {
		var err error
		switch {
		case name == "role":
			err = json.Unmarshal(value, &b.Role)
		case name == "members":
			err = json.Unmarshal(value, &b.Members)
		case name == "condition":
			err = json.Unmarshal(value, &b.Condition)
		case s.state.Newer[name]:
			b.Extra = put(b.Extra, name, value)
		default:
			err = refusal("INVALID_ARGUMENT",
				"Invalid JSON payload received. Unknown name %q at 'policy.bindings': Cannot find field.", name)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

func put(m map[string]json.RawMessage, name string, value json.RawMessage) map[string]json.RawMessage {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	m[name] = value
	return m
}

func malformed(err error) error {
	if f, ok := err.(*failure); ok { //nolint:errorlint // it is ours or the decoder's own
		return f
	}
	return refusal("INVALID_ARGUMENT", "Invalid JSON payload received. %s", err)
}

// checkPolicy refuses a policy that IAM would.
func (s *Server) checkPolicy(c *call, of Project, held, wanted policy, version int) error {
	if version != 0 && version != 1 && version != 3 {
		return refusal("INVALID_ARGUMENT", "Invalid policy version: %d.", version)
	}
	conditional := func(p policy) bool {
		return slices.ContainsFunc(p.Bindings, func(b binding) bool { return b.Condition != nil })
	}
	if version < 3 && (conditional(wanted) || conditional(held)) {
		return refusal("INVALID_ARGUMENT", "The policy contains conditional bindings: specify version 3, and read it as such before.")
	}
	principals, groups := 0, 0
	for _, b := range wanted.Bindings {
		if err := s.checkBinding(c, of, held, b); err != nil {
			return err
		}
		principals += len(b.Members)
		for _, m := range b.Members {
			if strings.HasPrefix(m, "group:") {
				groups++
			}
		}
	}
	if principals > maxPrincipals {
		return tooMany("members", principals, maxPrincipals)
	}
	if groups > maxGroups {
		return tooMany("groups", groups, maxGroups)
	}
	return nil
}

// tooMany is the refusal of a full policy. Google's words are known for members.
func tooMany(kind string, n, most int) error {
	return refusal("INVALID_ARGUMENT", "The number of %s in the policy (%s) is larger than the maximum allowed size %s.",
		kind, decimal(n), decimal(most))
}

// decimal writes a number as 1,503.
func decimal(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", decimal(n/1000), n%1000)
}

func (s *Server) checkBinding(c *call, of Project, held policy, b binding) error {
	known := predefined.MatchString(b.Role) && !strings.HasPrefix(b.Role, "roles/none") || custom.MatchString(b.Role)
	if !known {
		return refusal("INVALID_ARGUMENT", "Role %s is not supported for this resource.", b.Role)
	}
	if len(b.Members) == 0 {
		return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: a binding without members.")
	}
	if b.Condition != nil && b.Condition.Expression == "" {
		return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: a condition without an expression.")
	}
	if b.Condition != nil && slices.Contains([]string{"roles/owner", "roles/editor", "roles/viewer"}, b.Role) {
		return refusal("INVALID_ARGUMENT", "Binding with a condition and a basic role is not allowed.")
	}
	for _, m := range b.Members {
		if err := s.checkCustomer(c, of, held, m); err != nil {
			return err
		}
		if err := s.checkMember(c, held, m); err != nil {
			return err
		}
	}
	return nil
}

// checkCustomer refuses a new principal whose customer the organization policy does not
// permit. The customer of a group that IAM does not know yet is none that it permits.
// Source: "Restricting identities by domain".
func (s *Server) checkCustomer(c *call, of Project, held policy, member string) error {
	permitted := s.state.Permitted[of.Number]
	sort, address, _ := strings.Cut(member, ":")
	_, domain, _ := strings.Cut(address, "@")
	if len(permitted) == 0 || held.names(member) || !slices.Contains([]string{"user", "group", "serviceAccount", "domain"}, sort) {
		return nil
	}
	known := true
	if g, ok := s.groupNamed(address); ok && sort == "group" {
		known = !g.Visible.After(c.now) && c.now.Sub(g.Made) >= s.options.IAMLag
	}
	if known && slices.Contains(permitted, cmp.Or(domain, address)) {
		return nil
	}
	f := refusal("FAILED_PRECONDITION", "One or more users named in the policy do not belong to a permitted customer.")
	return f.with(map[string]any{
		"@type": "type.googleapis.com/google.rpc.PreconditionFailure",
		"violations": []any{map[string]any{
			"type": "constraints/iam.allowedPolicyMemberDomains", "description": "User " + address + " is not in permitted organization.",
			"subject": "orgpolicy:projects/" + of.ID + "?configvalue=" + url.QueryEscape(address),
		}},
	})
}

// names reports whether the policy names the principal.
func (p policy) names(member string) bool {
	return slices.ContainsFunc(p.Bindings, func(b binding) bool { return slices.Contains(b.Members, member) })
}

// checkMember refuses a principal that does not exist, as far as that can be
// known. A group is unknown to IAM for a while.
func (s *Server) checkMember(c *call, held policy, member string) error {
	there := held.names(member)
	sort, address, _ := strings.Cut(member, ":")
	_, domain, _ := strings.Cut(address, "@")
	ours := domain == s.options.Domain
	switch sort {
	case "group":
		g, ok := s.groupNamed(address)
		if ours && (!ok || g.Visible.After(c.now) || c.now.Sub(g.Made) < s.options.IAMLag && !there) {
			return refusal("INVALID_ARGUMENT", "Group %s does not exist.", address)
		}
	case "user":
		if _, ok := s.userNamed(address); ours && !ok {
			return refusal("INVALID_ARGUMENT", "User %s does not exist.", address)
		}
	case "serviceAccount", "domain", "principal", "principalSet":
	case "deleted":
		if !there {
			return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: a deleted principal.")
		}
	default: // allUsers and allAuthenticatedUsers are not for projects
		return refusal("INVALID_ARGUMENT", "Invalid value at 'policy.bindings.members': %s", member)
	}
	return nil
}

// merged brings bindings into IAM's own form: one for each role and condition,
// sorted, each principal once.
func merged(bindings []binding) []binding {
	var all []binding
	for _, b := range bindings {
		at := slices.IndexFunc(all, func(other binding) bool { return other.Role == b.Role && sameCondition(other.Condition, b.Condition) })
		if at < 0 {
			all = append(all, binding{Role: b.Role, Condition: b.Condition, Extra: b.Extra})
			at = len(all) - 1
		}
		for _, m := range b.Members {
			if !slices.Contains(all[at].Members, m) {
				all[at].Members = append(all[at].Members, m)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b binding) int { return cmp.Compare(a.Role, b.Role) })
	for _, b := range all {
		slices.Sort(b.Members)
	}
	return all
}

func sameCondition(a, b *condition) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
