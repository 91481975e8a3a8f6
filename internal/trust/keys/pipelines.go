package keys

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// Commands that authenticate with a key, and references to one.
var (
	awsLogin = regexp.MustCompile(
		`aws\s+configure\s+set\s+(?:profile\.\S+\.|\S+\.)?aws_secret_access_key|export\s+AWS_SECRET_ACCESS_KEY=`)
	googleLogin = regexp.MustCompile(`gcloud\s+auth\s+activate-service-account`)
	azureLogin  = regexp.MustCompile(`az\s+login\b[^\n;|&]*--service-principal\b[^\n;|&]*(?:\s-p\b|\s--password\b)`)
	// secretReference is a secret or variable of a repository, in GitHub's language.
	secretReference = regexp.MustCompile(`\$\{\{[^}]*\b(?:secrets|vars)\b`)
)

// workflow judges a workflow or a composite action of GitHub.
func (r *reader) workflow(v *manifest.Value) {
	federated := requestsToken(v)
	r.environment(v.Get("env"), "The workflow", "workflow", federated)
	for _, job := range v.Get("jobs").Fields() {
		name := "job " + safe(job.Name)
		beside := federated || requestsToken(job.Value)
		r.environment(job.Value.Get("env"), capital(name), name, beside)
		r.environment(job.Value.Get("container", "env"), capital(name), name, beside)
		r.steps(job.Value.Get("steps"), name, beside)
	}
	r.steps(v.Get("runs", "steps"), "action", federated)
}

// requestsToken reports whether a workflow or a job may request a token of GitHub.
func requestsToken(v *manifest.Value) bool {
	permissions := v.Get("permissions")
	return permissions.Get("id-token").Text() == "write" || permissions.Text() == "write-all"
}

func (r *reader) steps(steps *manifest.Value, job string, federated bool) {
	for i, step := range steps.List() {
		label := step.Get("name").Text()
		if label == "" {
			label = step.Get("id").Text()
		}
		where := fmt.Sprintf("Step %d of %s", i+1, job)
		if label != "" {
			where = fmt.Sprintf("Step %q of %s", safe(label), job)
		}
		r.environment(step.Get("env"), where, job, federated)
		r.inputs(step, where, job, federated)
		r.script(step.Get("run"), where, job, federated)
	}
}

// environment judges the variables of one place.
func (r *reader) environment(env *manifest.Value, where, name string, federated bool) {
	var literals []value
	seen := map[cloud]bool{}
	for _, f := range env.Fields() {
		text := f.Value.Scalar()
		if f.Value.Get("value").Exists() { // the long form of GitLab
			text = f.Value.Get("value").Scalar()
		}
		role, ok := roleOf(f.Name)
		if ok && !seen[role.cloud] && role.secret && refersToSecret(text) {
			seen[role.cloud] = true
			r.used(role.cloud, f.Line, where, name, federated)
			continue
		}
		literals = append(literals, value{name: f.Name, text: text, line: f.Line})
	}
	r.values(literals, where)
}

// refersToSecret reports whether a value is a stored secret of the pipeline. An output of
// a step is none: a step that federates has such outputs.
func refersToSecret(text string) bool {
	if secretReference.MatchString(text) {
		return true
	}
	return strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "${{")
}

// inputs judges the inputs of an action.
func (r *reader) inputs(step *manifest.Value, where, job string, federated bool) {
	var literals []value
	seen := map[cloud]bool{}
	action, _, _ := strings.Cut(step.Get("uses").Text(), "@")
	for _, f := range step.Get("with").Fields() {
		text := f.Value.Scalar()
		c, ok := inputOf(action, f.Name)
		switch {
		case ok && seen[c]:
		case ok && refersToSecret(text):
			r.used(c, f.Line, where, job, federated)
			seen[c] = true
		case ok && genuine(text):
			r.stored(c, f.Line, where, job)
			seen[c] = true
		default:
			literals = append(literals, value{name: f.Name, text: text, line: f.Line})
		}
	}
	r.values(literals, where)
}

// inputOf returns the cloud of an input that is a key.
// Sources: the action.yml of each action.
func inputOf(action, input string) (cloud, bool) {
	switch strings.ToLower(action) + " " + input {
	case "aws-actions/configure-aws-credentials aws-secret-access-key":
		return aws, true
	case "google-github-actions/auth credentials_json", "google-github-actions/setup-gcloud service_account_key":
		return google, true
	case "azure/login creds":
		return azure, true
	default:
		return "", false
	}
}

// script judges commands.
func (r *reader) script(v *manifest.Value, where, name string, federated bool) {
	text := v.Text()
	for _, c := range detect(text) {
		r.stored(c, v.Line, where, name)
	}
	for _, login := range []struct {
		cloud   cloud
		pattern *regexp.Regexp
	}{{aws, awsLogin}, {google, googleLogin}, {azure, azureLogin}} {
		if login.pattern.MatchString(text) {
			r.used(login.cloud, v.Line, where, name, federated)
		}
	}
}

// isPipeline reports whether a document is a pipeline of GitLab.
func isPipeline(v *manifest.Value) bool {
	for _, f := range v.Fields() {
		if f.Value.Get("script").Exists() {
			return true
		}
	}
	return false
}

// pipeline judges a pipeline of GitLab.
func (r *reader) pipeline(v *manifest.Value) {
	r.environment(v.Get("variables"), "The pipeline", "pipeline", false)
	for _, job := range v.Fields() {
		if !isMap(job.Value) || job.Name == "variables" {
			continue
		}
		name := "job " + safe(job.Name)
		federated := job.Value.Get("id_tokens").Exists()
		r.environment(job.Value.Get("variables"), capital(name), name, federated)
		for _, field := range []string{"before_script", "script", "after_script"} {
			commands := job.Value.Get(field)
			r.script(commands, capital(name), name, federated)
			for _, command := range commands.List() {
				r.script(command, capital(name), name, federated)
			}
		}
	}
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
