package kubernetes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Bounds of expirationSeconds. Source: ServiceAccountTokenProjection in k8s.io/api/core/v1.
const (
	minSeconds  = 600
	longSeconds = 3600
)

// assigned finds a variable that a shell sets to the content of a file.
var assigned = regexp.MustCompile(
	"(?:^|[\\s;&|(])(?:export\\s+)?[A-Za-z_]\\w*=[\"']?(?:\\$\\(\\s*(?:cat\\s+|<\\s*)|`\\s*cat\\s+)[\"']?([^\\s\"'`)]+)")

// accountToken is the path of the token that each pod gets without asking.
const accountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // the path of a token, not a token

func (w workload) finding(line int, rule string, severity trust.Severity, message, fix string) trust.Finding {
	return trust.Finding{File: w.at.File, Line: line, Trust: w.id.String(), Rule: rule, Severity: severity, Message: message, Fix: fix}
}

// inspect finds what a workload shows alone.
func (w workload) inspect() []trust.Finding {
	var findings []trust.Finding
	federated := false
	for _, t := range w.tokens {
		federated = federated || t.external()
		if f, found := w.lifetime(t); found {
			findings = append(findings, f)
		}
	}
	for _, c := range w.containers {
		findings = append(findings, w.copied(c)...)
	}
	if federated && w.account == "default" {
		findings = append(findings, w.finding(w.accountAt, "K04", trust.High,
			"The workload proves itself to another system as service account default, which every pod of the "+
				"namespace is that names none.",
			"Create a service account for this workload only, and set serviceAccountName."))
	}
	return findings
}

// external reports whether a token is for another system than the API server.
func (t *token) external() bool {
	switch {
	case t.audience == "", t.audience == "api",
		strings.HasPrefix(strings.TrimPrefix(t.audience, "https://"), "kubernetes.default"):
		return false
	default:
		return true
	}
}

// lifetime judges expirationSeconds (K02).
func (w workload) lifetime(t *token) (trust.Finding, bool) {
	switch {
	case t.badTTL:
		return w.finding(t.line, "K02", trust.Medium, "expirationSeconds is no integer: the API server refuses the object.",
			"Write a number of seconds, at least 600."), true
	case t.seconds < minSeconds:
		return w.finding(t.line, "K02", trust.Medium,
			fmt.Sprintf("expirationSeconds is %d: the API server refuses less than %d.", t.seconds, minSeconds),
			"Write at least 600."), true
	case t.external() && t.seconds > longSeconds:
		return w.finding(t.line, "K02", trust.Low,
			fmt.Sprintf("The token lives %d seconds: a copy of it is good for that long.", t.seconds),
			"Write 3600 or less; the kubelet renews the file at 80 % of the time."), true
	case cloudOf(t.audience) == azure && t.seconds < longSeconds:
		return w.finding(t.line, "K02", trust.Low,
			fmt.Sprintf("The token lives %d seconds; azidentity for Go keeps it for 10 minutes, and takes it for one "+
				"that lives an hour.", t.seconds),
			"Write 3600."), true
	default:
		return trust.Finding{}, false
	}
}

// copied finds tokens that a container does not see renewed (K03): mounted by subPath, or
// read once into a variable.
func (w workload) copied(c container) []trust.Finding {
	var findings []trust.Finding
	for _, f := range c.files {
		if f.token != nil && f.subPath {
			findings = append(findings, w.finding(f.line, "K03", trust.Medium,
				fmt.Sprintf("Container %s mounts the token at %s by subPath: the file is not renewed, and expires.", c.name, f.path),
				"Mount the volume's directory without subPath."))
		}
	}
	for _, s := range c.script {
		for _, match := range assigned.FindAllStringSubmatch(s.text, -1) {
			if match[1] == accountToken || c.tokenAt(match[1]) != nil {
				findings = append(findings, w.finding(s.line, "K03", trust.Medium,
					fmt.Sprintf("Container %s copies the token at %s into a variable once: the copy expires, and "+
						"processes and logs can show it.", c.name, match[1]),
					"Give the program the path of the file, and read it for each request."))
			}
		}
	}
	for _, v := range c.env {
		if strings.Contains(v.value, "$(cat ") {
			findings = append(findings, w.finding(v.line, "K03", trust.Medium,
				fmt.Sprintf("Variable %s of container %s names a command, which Kubernetes does not run.", v.name, c.name),
				"Give the program the path of the file, and read it for each request."))
		}
	}
	return findings
}
