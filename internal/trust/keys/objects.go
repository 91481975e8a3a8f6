package keys

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// value is a named text with its line.
type value struct {
	name, text string
	line       int
}

// nameOf names a Kubernetes object.
func nameOf(v *manifest.Value) string {
	name := safe(v.Get("metadata", "name").Text())
	if namespace := v.Get("metadata", "namespace").Text(); namespace != "" {
		name = safe(namespace) + "/" + name
	}
	return safe(v.Get("kind").Text()) + " " + name
}

// object judges a Secret or a ConfigMap.
func (r *reader) object(v *manifest.Value) {
	if v.Get("type").Text() == "kubernetes.io/service-account-token" {
		r.stored(cluster, v.Line, nameOf(v), nameOf(v))
	}
	encoded := v.Get("kind").Text() == "Secret"
	var values []value
	for _, field := range []string{"data", "stringData"} {
		for _, f := range v.Get(field).Fields() {
			one := value{name: f.Name, text: f.Value.Text(), line: f.Value.LineOr(f.Line)}
			if plain, ok := decoded(one.text); ok && encoded && field == "data" {
				one.text = plain
			}
			values = append(values, one)
		}
	}
	r.values(values, nameOf(v))
	for _, one := range values {
		r.nested(one, nameOf(v))
	}
}

// values judges named texts that belong together.
func (r *reader) values(values []value, name string) {
	for _, c := range []cloud{aws, google, azure} {
		i := slices.IndexFunc(values, func(one value) bool { return one.holds(c) })
		if i < 0 {
			i = together(values, c)
		}
		if i >= 0 {
			r.stored(c, values[i].line, fmt.Sprintf("%s, %s,", name, safe(values[i].name)), name)
		}
	}
}

// holds reports whether a value is a key for a cloud, by its form or its name.
func (v value) holds(c cloud) bool {
	if slices.Contains(detectDeep(v.text), c) {
		return true
	}
	role, ok := roleOf(v.name)
	return ok && role.secret && role.cloud == c && role.fits(v.text)
}

// together returns the index of a value that is a key for a cloud with what stands beside
// it, else -1: the ID of an access key with a secret, a client secret with a tenant.
func together(values []value, c cloud) int {
	switch {
	case c == aws && slices.ContainsFunc(values, func(v value) bool { return hasSecretKey(v.text) }):
		return slices.IndexFunc(values, func(v value) bool { return hasAccessKey(v.text) })
	case c == azure && slices.ContainsFunc(values, func(v value) bool { return isTenant(v.name) }):
		return slices.IndexFunc(values, func(v value) bool { return isClientSecret(v.name) && genuine(v.text) })
	default:
		return -1
	}
}

// fits reports whether a text may be the secret that its name says.
func (r role) fits(text string) bool {
	switch r.cloud {
	case aws:
		return len(strings.TrimSpace(text)) == secretKeyLength && genuine(text)
	case google:
		return serviceKey.MatchString(text)
	default:
		return genuine(text)
	}
}

// detectDeep detects keys in a text, or in the base64 that it is.
func detectDeep(text string) []cloud {
	if found := detect(text); len(found) > 0 {
		return found
	}
	if plain, ok := decoded(text); ok {
		return detect(plain)
	}
	return nil
}

// nested judges a value that is a kubeconfig.
func (r *reader) nested(one value, name string) {
	if len(one.text) > maxDecoded || !strings.Contains(one.text, "Config") || !strings.Contains(one.text, "users") {
		return
	}
	documents, err := manifest.Read("", []byte(one.text))
	if err != nil {
		return
	}
	for _, d := range documents {
		if _, found := staticUser(d); found && d.Get("kind").Text() == "Config" {
			r.stored(cluster, one.line, fmt.Sprintf("%s, %s,", name, safe(one.name)), name)
			return
		}
	}
}

// kubeconfig judges the users of a kubeconfig.
func (r *reader) kubeconfig(v *manifest.Value) {
	if secret, found := staticUser(v); found {
		r.stored(cluster, secret.Line, "The kubeconfig", "kubeconfig")
	}
}

// staticUser returns the first credential of a kubeconfig that does not expire by itself.
func staticUser(v *manifest.Value) (*manifest.Value, bool) {
	for _, u := range v.Get("users").List() {
		for _, field := range []string{"token", "password", "client-key-data"} {
			if secret := u.Get("user", field); genuine(secret.Scalar()) {
				return secret, true
			}
		}
	}
	return nil, false
}

// isKeyFile reports whether a document is a key file of Google or Azure.
func isKeyFile(v *manifest.Value) bool {
	return v.Get("private_key").Exists() || v.Get("clientSecret").Exists() && v.Get("tenantId").Exists()
}

// keyFile judges a key file.
func (r *reader) keyFile(v *manifest.Value) {
	switch {
	case strings.Contains(v.Get("private_key").Text(), "PRIVATE KEY-----") && v.Get("type").Text() == "service_account":
		r.stored(google, v.Get("private_key").Line, "The key file", "service account key")
	case genuine(v.Get("clientSecret").Text()):
		r.stored(azure, v.Get("clientSecret").Line, "The key file", "client secret")
	}
}

// workload judges the environment of the containers of a pod, or of an object that makes
// pods.
func (r *reader) workload(v *manifest.Value) {
	for _, at := range [][]string{{"spec"}, {"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}} {
		spec := v.Get(at...)
		federated := projectsToken(spec)
		for _, field := range []string{"initContainers", "containers"} {
			for _, c := range spec.Get(field).List() {
				r.container(c, nameOf(v), federated)
			}
		}
	}
}

// projectsToken reports whether a pod has a token for another system.
func projectsToken(spec *manifest.Value) bool {
	for _, volume := range spec.Get("volumes").List() {
		for _, s := range volume.Get("projected", "sources").List() {
			if s.Get("serviceAccountToken", "audience").Text() != "" {
				return true
			}
		}
	}
	return false
}

func (r *reader) container(c *manifest.Value, name string, federated bool) {
	var literals []value
	seen := map[cloud]bool{}
	for _, env := range c.Get("env").List() {
		variable := env.Get("name").Text()
		if literal := env.Get("value"); literal.Exists() {
			literals = append(literals, value{name: variable, text: literal.Scalar(), line: literal.Line})
			continue
		}
		role, ok := roleOf(variable)
		if !ok || !role.secret || seen[role.cloud] || !env.Get("valueFrom", "secretKeyRef").Exists() {
			continue
		}
		seen[role.cloud] = true
		r.used(role.cloud, env.Line, fmt.Sprintf("Container %s of %s", safe(c.Get("name").Text()), name), name, federated)
	}
	r.values(literals, name)
}
