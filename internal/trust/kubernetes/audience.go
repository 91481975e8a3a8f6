package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// isSubject reports whether a text is the sub of a workload's tokens. A workload without
// namespace may be in any.
func isSubject(text string, w workload) bool {
	if subject := w.subject(); subject != "" {
		return text == subject
	}
	namespaced, ok := strings.CutPrefix(text, "system:serviceaccount:")
	_, account, found := strings.Cut(namespaced, ":")
	return ok && found && account == w.account
}

// cloudOfTrust returns the cloud that decides; empty for a cluster.
func cloudOfTrust(t trust.Trust) string {
	switch t.Kind {
	case trust.AWSRole:
		return aws
	case trust.GCPProvider, trust.GCPBinding:
		return gcp
	case trust.EntraCredential:
		return azure
	default:
		return ""
	}
}

// inNamespaceOf returns the workload in the namespace of the subject that a trust names,
// if it has none of its own.
func (w workload) inNamespaceOf(t trust.Trust) workload {
	if w.namespace != "" {
		return w
	}
	subjects := slices.Clone(t.Subjects)
	for _, c := range t.Comparisons {
		subjects = append(subjects, c.Values...)
	}
	for _, subject := range subjects {
		if isSubject(subject, w) {
			w.namespace, _, _ = strings.Cut(strings.TrimPrefix(subject, "system:serviceaccount:"), ":")
			return w
		}
	}
	return w
}

// accepts reports whether a trust accepts a workload's token, and returns it.
func (w workload) accepts(t trust.Trust, audience string) (trust.Token, bool) {
	presented := w.inNamespaceOf(t).token(t.Issuer, audience)
	return presented, t.Accepts(presented).Accepted
}

// sharedAudiences finds a token that two clouds accept (K01): each can present it to the
// other.
func (s set) sharedAudiences(w workload) []trust.Finding {
	var findings []trust.Finding
	naming := s.naming(w)
	for _, token := range w.tokens {
		if !token.external() {
			continue
		}
		by := map[string]trust.Token{}
		var clouds []string
		for _, t := range naming {
			cloud := cloudOfTrust(t)
			if _, counted := by[cloud]; cloud == "" || counted {
				continue
			}
			if presented, accepted := w.accepts(t, token.audience); accepted {
				by[cloud] = presented
				clouds = append(clouds, cloud)
			}
		}
		if len(clouds) < 2 {
			continue
		}
		f := w.finding(token.line, "K01", trust.High,
			fmt.Sprintf("One token, with audience %q, is accepted by %s: each can present it to the "+
				"other.", token.audience, strings.Join(clouds, " and ")),
			"Project one token for each cloud, each with the audience of that cloud only.")
		f.AcceptedToken = by[clouds[1]]
		findings = append(findings, f)
	}
	return findings
}

// unserved finds a trust that names the workload and accepts none of its tokens for their
// audience (K01).
func (s set) unserved(w workload) []trust.Finding {
	external := slices.DeleteFunc(slices.Clone(w.tokens), func(t *token) bool { return !t.external() })
	if len(external) == 0 {
		return nil
	}
	for _, t := range s.naming(w) {
		if cloudOfTrust(t) == "" || w.injects(t) {
			continue
		}
		if slices.ContainsFunc(external, func(one *token) bool { _, ok := w.accepts(t, one.audience); return ok }) {
			continue
		}
		audience, ok := w.acceptedAudience(t)
		if !ok {
			continue // the audience is not what keeps the workload out
		}
		return []trust.Finding{w.finding(external[0].line, "K01", trust.High,
			fmt.Sprintf("%s (%s:%d) trusts this workload and accepts the audience %q; the workload's tokens have %s.",
				t.Name, t.At.File, t.At.Line, audience, audiences(external)),
			fmt.Sprintf("Project a token with audience %s.", audience))}
	}
	return nil
}

// injects reports whether a webhook may mount the token for a cloud: then the manifest
// does not show it.
func (w workload) injects(t trust.Trust) bool {
	variable := map[string]string{aws: "AWS_WEB_IDENTITY_TOKEN_FILE", azure: "AZURE_FEDERATED_TOKEN_FILE"}[cloudOfTrust(t)]
	if variable == "" {
		return false
	}
	return !slices.ContainsFunc(w.containers, func(c container) bool { _, ok := c.value(variable); return ok })
}

// acceptedAudience returns an audience with which a trust accepts the workload.
func (w workload) acceptedAudience(t trust.Trust) (string, bool) {
	candidates := slices.Clone(t.Audiences)
	for _, c := range t.Comparisons {
		if len(c.Claim) == 1 && c.Claim[0] == "aud" {
			candidates = append(candidates, c.Values...)
		}
	}
	for _, audience := range candidates {
		if _, ok := w.accepts(t, audience); ok {
			return audience, true
		}
	}
	return "", false
}

func audiences(tokens []*token) string {
	var quoted []string
	for _, t := range tokens {
		quoted = append(quoted, fmt.Sprintf("%q", t.audience))
	}
	return strings.Join(quoted, ", ")
}
