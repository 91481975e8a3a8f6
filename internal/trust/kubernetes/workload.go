package kubernetes

import (
	"path"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// workload is a pod, or an object that makes pods.
type workload struct {
	id
	at         trust.Position
	account    string // the service account
	accountAt  int
	tokens     []*token
	containers []container
}

// token is a projected service account token.
type token struct {
	line     int
	path     string // inside its volume
	audience string // empty for that of the API server
	seconds  int64
	badTTL   bool // expirationSeconds is no integer
}

// defaultSeconds is the lifetime of a token without expirationSeconds.
const defaultSeconds = 3600

// container is a container, with what it sees of volumes and environment.
type container struct {
	name   string
	env    []variable
	script []line
	files  []mounted
}

// variable is a variable of the environment with a literal value.
type variable struct {
	name, value string
	line        int
}

// line is a text with its place.
type line struct {
	text string
	line int
}

// mounted is a file, or all files of an object, in a container.
type mounted struct {
	path    string // a file, or a directory for all keys of an object
	line    int
	subPath bool
	token   *token
	from    source
}

// source is a ConfigMap or Secret, or one key of it.
type source struct{ kind, name, key string }

// entry is a file, or all files of an object, in a volume.
type entry struct {
	path  string
	token *token
	from  source
}

// subject returns the sub of the workload's tokens, empty if the namespace is not known.
func (w workload) subject() string {
	if w.namespace == "" {
		return ""
	}
	return "system:serviceaccount:" + w.namespace + ":" + w.account
}

// template returns the pod template of an object, whatever its kind, nil if there is none.
func template(v *manifest.Value) *manifest.Value {
	for _, at := range [][]string{{}, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}, {"template"}} {
		if pod := v.Get(at...); pod.Get("spec", "containers").Exists() {
			return pod
		}
	}
	return nil
}

// workload reads an object that is a pod or makes pods.
func (p *parser) workload(v *manifest.Value) {
	pod := template(v)
	if pod == nil {
		return
	}
	spec := pod.Get("spec")
	w := workload{id: idOf(v), at: p.at(v, 0), account: spec.Get("serviceAccountName").Text()}
	w.accountAt = spec.Get("serviceAccountName").LineOr(spec.Line)
	if w.account == "" {
		w.account = spec.Get("serviceAccount").Text() // the deprecated alias
	}
	if w.account == "" {
		w.account = "default"
	}
	volumes := map[string][]entry{}
	for _, volume := range spec.Get("volumes").List() {
		entries := volumeEntries(volume)
		volumes[volume.Get("name").Text()] = entries
		for _, e := range entries {
			if e.token != nil {
				w.tokens = append(w.tokens, e.token)
			}
		}
	}
	for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range spec.Get(field).List() {
			w.containers = append(w.containers, readContainer(c, volumes))
		}
	}
	p.workloads = append(p.workloads, w)
	p.Findings = append(p.Findings, w.inspect()...)
}

// volumeEntries returns the files of a volume.
func volumeEntries(v *manifest.Value) []entry {
	var files []entry
	files = append(files, objectEntries(v.Get("configMap"), "ConfigMap", "name")...)
	files = append(files, objectEntries(v.Get("secret"), "Secret", "secretName")...)
	for _, s := range v.Get("projected", "sources").List() {
		files = append(files, objectEntries(s.Get("configMap"), "ConfigMap", "name")...)
		files = append(files, objectEntries(s.Get("secret"), "Secret", "name")...)
		if projected := s.Get("serviceAccountToken"); projected.Exists() {
			t := readToken(projected)
			files = append(files, entry{path: t.path, token: t})
		}
	}
	return files
}

func readToken(v *manifest.Value) *token {
	t := &token{line: v.Line, path: v.Get("path").Text(), audience: v.Get("audience").Text(), seconds: defaultSeconds}
	if seconds := v.Get("expirationSeconds"); seconds.Exists() {
		n, ok := seconds.Int()
		t.seconds, t.badTTL, t.line = n, !ok, seconds.Line
	}
	if audience := v.Get("audience"); audience.Exists() {
		t.line = audience.Line
	}
	return t
}

// objectEntries returns the files of a ConfigMap or Secret in a volume.
func objectEntries(v *manifest.Value, kind, name string) []entry {
	object := v.Get(name).Text()
	if object == "" {
		return nil
	}
	items := v.Get("items").List()
	if len(items) == 0 {
		return []entry{{from: source{kind: kind, name: object}}}
	}
	files := make([]entry, 0, len(items))
	for _, item := range items {
		files = append(files, entry{path: item.Get("path").Text(), from: source{kind: kind, name: object, key: item.Get("key").Text()}})
	}
	return files
}

func readContainer(v *manifest.Value, volumes map[string][]entry) container {
	c := container{name: v.Get("name").Text()}
	for _, env := range v.Get("env").List() {
		if value := env.Get("value"); value.Exists() {
			c.env = append(c.env, variable{name: env.Get("name").Text(), value: value.Scalar(), line: value.Line})
		}
	}
	for _, field := range []string{"command", "args"} {
		for _, text := range v.Get(field).List() {
			c.script = append(c.script, line{text: text.Text(), line: text.Line})
		}
	}
	for _, mount := range v.Get("volumeMounts").List() {
		c.files = append(c.files, mountedFiles(mount, volumes[mount.Get("name").Text()])...)
	}
	return c
}

// mountedFiles returns the files of a volume where a container sees them.
func mountedFiles(mount *manifest.Value, entries []entry) []mounted {
	directory := mount.Get("mountPath").Text()
	sub := mount.Get("subPath").Text()
	bySub := sub != "" || mount.Get("subPathExpr").Text() != ""
	var files []mounted
	for _, e := range entries {
		f := mounted{path: path.Join(directory, e.path), line: mount.Line, subPath: bySub, token: e.token, from: e.from}
		switch {
		case sub == "":
		case e.path == sub:
			f.path = path.Clean(directory)
		case e.path == "": // one key of an object
			f.path, f.from.key = path.Clean(directory), sub
		default:
			rest, inside := strings.CutPrefix(e.path, strings.TrimSuffix(sub, "/")+"/")
			if !inside {
				continue
			}
			f.path = path.Join(directory, rest)
		}
		files = append(files, f)
	}
	return files
}

// tokenAt returns the token that a container sees at a path, nil if there is none.
func (c container) tokenAt(file string) *token {
	for _, f := range c.files {
		if f.token != nil && f.path == path.Clean(file) {
			return f.token
		}
	}
	return nil
}

// value returns the literal value of a variable of the environment.
func (c container) value(name string) (variable, bool) {
	for _, v := range c.env {
		if v.name == name {
			return v, true
		}
	}
	return variable{}, false
}
