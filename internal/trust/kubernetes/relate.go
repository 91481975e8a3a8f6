package kubernetes

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// set is what the manifests of all files say together.
type set struct {
	workloads []workload
	objects   map[source][]object
	roles     []role
	bindings  []binding
	trusts    []trust.Trust
	// bySubject are the trusts that name a subject, byAccount those that name a service
	// account in any namespace, and byAudience those that have an audience by themselves, by
	// index.
	bySubject, byAccount, byAudience map[string][]int
}

// Relate judges manifests of all files together, and with the trusts of the clouds, which
// may be none: tokens whose audience no cloud takes or two take (K01), configurations
// that read a token where none is (C04), and roles that may create tokens (K05).
func Relate(manifests []Manifests, trusts []trust.Trust) []trust.Finding {
	s := newSet(trusts)
	for _, m := range manifests {
		s.workloads = append(s.workloads, m.workloads...)
		s.roles = append(s.roles, m.roles...)
		s.bindings = append(s.bindings, m.bindings...)
		for _, o := range m.objects {
			key := source{kind: o.kind, name: o.name}
			s.objects[key] = append(s.objects[key], o)
		}
	}
	var findings []trust.Finding
	for _, w := range s.workloads {
		findings = append(findings, s.workload(w)...)
	}
	return append(findings, s.tokenCreators()...)
}

// newSet returns a set with only trusts.
func newSet(trusts []trust.Trust) set {
	s := set{
		objects: map[source][]object{}, trusts: trusts,
		bySubject: map[string][]int{}, byAccount: map[string][]int{}, byAudience: map[string][]int{},
	}
	add := func(index map[string][]int, key string, i int) {
		if all := index[key]; len(all) == 0 || all[len(all)-1] != i {
			index[key] = append(all, i)
		}
	}
	for i := range trusts {
		for _, subject := range subjectsOf(&trusts[i]) {
			add(s.bySubject, subject, i)
			if rest, ok := strings.CutPrefix(subject, "system:serviceaccount:"); ok {
				_, account, _ := strings.Cut(rest, ":")
				add(s.byAccount, account, i)
			}
		}
		for _, audience := range trusts[i].Audiences {
			add(s.byAudience, strings.TrimPrefix(audience, "https:"), i)
		}
	}
	return s
}

// naming returns the trusts that name a workload as their subject. A workload without
// namespace may be in any.
func (s set) naming(w workload) []trust.Trust {
	found := s.byAccount[w.account]
	if subject := w.subject(); subject != "" {
		found = s.bySubject[subject]
	}
	trusts := make([]trust.Trust, 0, len(found))
	for _, i := range found {
		trusts = append(trusts, s.trusts[i])
	}
	return trusts
}

// workload judges a workload that has tokens.
func (s set) workload(w workload) []trust.Finding {
	var findings []trust.Finding
	for _, c := range w.containers {
		findings = append(findings, s.container(w, c)...)
	}
	findings = append(findings, s.sharedAudiences(w)...)
	if !slices.ContainsFunc(findings, func(f trust.Finding) bool { return f.Rule == "K01" }) {
		findings = append(findings, s.unserved(w)...)
	}
	return distinct(findings)
}

// distinct removes findings of the same rule at the same line: containers of a pod often
// mount the same.
func distinct(findings []trust.Finding) []trust.Finding {
	type key struct {
		rule string
		line int
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(findings, func(f trust.Finding) bool {
		k := key{f.Rule, f.Line}
		twice := seen[k]
		seen[k] = true
		return twice
	})
}

// reader is a client that a container configures: for which cloud it reads which file.
type reader struct {
	config
	line int // of the workload
	what string
}

// readers returns the clients that a container configures.
func (s set) readers(w workload, c container) []reader {
	var readers []reader
	for _, one := range s.mounts(w, c) {
		readers = append(readers, reader{config: one, line: w.at.Line, what: one.String()})
	}
	for _, known := range []struct{ name, cloud string }{{"AWS_WEB_IDENTITY_TOKEN_FILE", aws}, {"AZURE_FEDERATED_TOKEN_FILE", azure}} {
		if v, ok := c.value(known.name); ok && !injected(v.value) {
			readers = append(readers, reader{
				config: config{cloud: known.cloud, file: path.Clean(v.value)},
				line:   v.line, what: "variable " + v.name,
			})
		}
	}
	return readers
}

// injected reports whether a webhook of a cloud mounts the token at a path.
func injected(file string) bool {
	return strings.HasPrefix(file, "/var/run/secrets/eks.amazonaws.com/") || strings.HasPrefix(file, "/var/run/secrets/azure/tokens/")
}

// container judges what a container reads.
func (s set) container(w workload, c container) []trust.Finding {
	var findings []trust.Finding
	clouds := map[string]string{} // by file
	readers := s.readers(w, c)
	for _, r := range readers {
		if r.file == "" {
			continue
		}
		if other, shared := clouds[r.file]; shared && other != r.cloud {
			findings = append(findings, w.finding(r.line, "K01", trust.High,
				fmt.Sprintf("%s and %s get the same token, at %s: each can present it to the other.", other, r.cloud, r.file),
				"Project one token for each cloud, each with its own audience and path."))
		}
		clouds[r.file] = r.cloud
		t := c.tokenAt(r.file)
		if t == nil {
			findings = append(findings, w.missing(c, r))
			continue
		}
		if f, found := s.audience(w, r, t); found {
			findings = append(findings, f)
		}
	}
	if len(readers) == 0 {
		findings = append(findings, w.foreignTokens(c)...)
	}
	return findings
}

// missing returns the finding that no token is where a client reads one (C04).
func (w workload) missing(c container, r reader) trust.Finding {
	var paths []string
	for _, f := range c.files {
		if f.token != nil {
			paths = append(paths, f.path)
		}
	}
	there := "the container mounts no projected token"
	if len(paths) > 0 {
		there = "the container's tokens are at " + strings.Join(paths, ", ")
	}
	f := w.finding(r.line, "C04", trust.Medium,
		fmt.Sprintf("%s reads a token from %s, where none is: %s.", capital(r.what), r.file, there),
		"Make the path in the configuration equal to mountPath and path of the projected token.")
	return f
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// audience judges whether the token that a client reads has the audience that its cloud
// takes (K01).
func (s set) audience(w workload, r reader, t *token) (trust.Finding, bool) {
	cloud := cloudOf(t.audience)
	fix := "Set audience of the projected token to " + wanted(r) + "; give each cloud a token of its own."
	foreign := fmt.Sprintf("%s reads a token for %s, whose audience is %q: ", capital(r.what), r.cloud, t.audience)
	switch known, accepted := s.provider(w, r.audience, t.audience); {
	case accepted:
		return trust.Finding{}, false
	case known:
		return w.finding(t.line, "K01", trust.High, foreign+"the provider does not accept it.", fix), true
	case cloud != "" && cloud != r.cloud:
		return w.finding(t.line, "K01", trust.High, foreign+"it is that of "+cloud+".", fix), true
	case t.audience == "":
		return w.finding(t.line, "K01", trust.High, foreign+"it is that of the API server, to which the cloud could "+
			"present it.", fix), true
	case r.cloud == gcp && r.audience != "" && t.audience != r.audience && t.audience != "https:"+r.audience:
		return w.finding(t.line, "K01", trust.Medium, foreign+"the provider accepts it only if its allowed audiences list it.", fix), true
	default:
		return trust.Finding{}, false
	}
}

// wanted names the audience that a client needs.
func wanted(r reader) string {
	switch {
	case r.cloud == aws:
		return "sts.amazonaws.com"
	case r.cloud == azure:
		return "api://AzureADTokenExchange"
	case r.audience != "":
		return r.audience
	default:
		return "the full name of the provider (//iam.googleapis.com/projects/...)"
	}
}

// provider reports whether a provider of the name is among the trusts, and whether one
// accepts the workload's token with an audience. A provider that refuses the workload
// with its own name as audience, too, does not tell.
func (s set) provider(w workload, name, audience string) (known, accepted bool) {
	if name == "" {
		return false, false
	}
	for _, i := range s.byAudience[strings.TrimPrefix(name, "https:")] {
		t := s.trusts[i]
		switch {
		case t.Accepts(w.token(t.Issuer, audience)).Accepted:
			return true, true
		case t.Accepts(w.token(t.Issuer, name)).Accepted || t.Accepts(w.token(t.Issuer, "https:"+name)).Accepted:
			known = true
		}
	}
	return known, false
}

// token returns the token that the workload has for an audience.
func (w workload) token(issuer, audience string) trust.Token {
	namespace := w.namespace
	if namespace == "" {
		namespace = "default"
	}
	return trust.Token{
		"iss": issuer, "aud": []any{audience}, "sub": "system:serviceaccount:" + namespace + ":" + w.account,
		"kubernetes.io": map[string]any{
			"namespace":      namespace,
			"serviceaccount": map[string]any{"name": w.account, "uid": "00000000-0000-0000-0000-000000000001"},
			"pod":            map[string]any{"name": w.name, "uid": "00000000-0000-0000-0000-000000000002"},
		},
	}
}

// foreignTokens finds a client of Google whose configuration is not in the manifests, in
// a pod whose tokens are all for other clouds (K01).
func (w workload) foreignTokens(c container) []trust.Finding {
	v, ok := c.value("GOOGLE_APPLICATION_CREDENTIALS")
	if !ok {
		return nil
	}
	var foreign *token
	for _, f := range c.files {
		if f.token == nil {
			continue
		}
		if cloud := cloudOf(f.token.audience); cloud == "" || cloud == gcp {
			return nil
		}
		foreign = f.token
	}
	if foreign == nil {
		return nil
	}
	return []trust.Finding{w.finding(foreign.line, "K01", trust.High,
		fmt.Sprintf("The container authenticates to Google Cloud (%s), but its only token has the audience %q, which "+
			"is that of %s: the exchange fails.",
			v.name, foreign.audience, cloudOf(foreign.audience)),
		"Set the audience to the full name of the provider (//iam.googleapis.com/projects/...), and use a second token for "+
			cloudOf(foreign.audience)+"; do not add this audience to the provider.")}
}
