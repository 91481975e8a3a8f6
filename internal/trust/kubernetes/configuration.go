package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// object is a ConfigMap or Secret, with the credential configurations that it holds.
type object struct {
	id
	keys    map[string]bool
	configs []config
}

// config is a credential configuration: which token it reads for which cloud.
type config struct {
	at    trust.Position
	of    id
	key   string
	cloud string
	// audience is what the cloud expects of the token; empty if the configuration does
	// not say.
	audience string
	// file is the path of the token; empty if it comes from elsewhere.
	file string
}

// maxConfiguration is the size of the largest credential configuration, in bytes.
const maxConfiguration = 256 << 10

// webIdentityFile finds the path of a token in a profile of AWS.
var webIdentityFile = regexp.MustCompile(`(?m)^\s*web_identity_token_file\s*=\s*(\S+)`)

// holder reads a ConfigMap or Secret.
func (p *parser) holder(v *manifest.Value) {
	o := object{id: idOf(v), keys: map[string]bool{}}
	for _, field := range []string{"data", "stringData", "binaryData"} {
		for _, f := range v.Get(field).Fields() {
			o.keys[f.Name] = true
			text := []byte(f.Value.Text())
			if field == "data" && o.kind == "Secret" {
				text = decode(f.Value.Text())
			}
			if field != "binaryData" {
				p.configuration(&o, f, text)
			}
		}
	}
	p.objects = append(p.objects, o)
}

// decode returns what base64 holds; nil if it is too large or no base64.
func decode(text string) []byte {
	if len(text) > 2*maxConfiguration {
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil
	}
	return decoded
}

// configuration adds a value of an object that is a credential configuration.
func (p *parser) configuration(o *object, f manifest.Field, text []byte) {
	c, ok := readConfig(text)
	if !ok {
		return
	}
	c.at, c.of, c.key = trust.Position{File: p.file, Line: f.Value.LineOr(f.Line)}, o.id, f.Name
	o.configs = append(o.configs, c)
	p.Configurations = append(p.Configurations, Configuration{At: c.at, Name: c.String(), Text: text})
}

// String names the configuration.
func (c config) String() string { return fmt.Sprintf("%s, %s", c.of, c.key) }

// readConfig reads a credential configuration, and reports whether it is one.
func readConfig(text []byte) (config, bool) {
	if len(text) > maxConfiguration {
		return config{}, false
	}
	if found := webIdentityFile.FindSubmatch(text); found != nil {
		return config{cloud: aws, file: path.Clean(string(found[1]))}, true
	}
	if !strings.Contains(string(text), "external_account") {
		return config{}, false
	}
	var account struct {
		Type     string `json:"type"`
		Audience string `json:"audience"`
		Source   struct {
			File string `json:"file"`
		} `json:"credential_source"`
	}
	if err := json.Unmarshal(text, &account); err != nil || account.Type != "external_account" {
		return config{}, false
	}
	c := config{cloud: gcp, audience: account.Audience}
	if account.Source.File != "" {
		c.file = path.Clean(account.Source.File)
	}
	return c, true
}

// mounts returns the credential configurations that a container reads, by the volumes
// that it mounts.
func (s set) mounts(w workload, c container) []config {
	var found []config
	for _, f := range c.files {
		for _, o := range s.objects[source{kind: f.from.kind, name: f.from.name}] {
			if sameNamespace(o.namespace, w.namespace) {
				found = append(found, o.config(f.from.key)...)
			}
		}
	}
	return found
}

// config returns the configurations of an object with a key, or all if it is empty.
func (o object) config(key string) []config {
	return slices.DeleteFunc(slices.Clone(o.configs), func(c config) bool { return key != "" && key != c.key })
}
