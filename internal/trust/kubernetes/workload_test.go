package kubernetes

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// seedPod is the pod of the article on decentralised IAM.
const seedPod = `apiVersion: v1
kind: Pod
metadata:
  name: bq-writer-app
  namespace: data-ingest
spec:
  serviceAccountName: bq-writer
  containers:
  - name: app
    image: my-registry/bq-writer:v1.2.0
    env:
    - name: GOOGLE_APPLICATION_CREDENTIALS
      value: /var/run/secrets/google/credentials.json
    volumeMounts:
    - name: google-cloud-key
      mountPath: /var/run/secrets/google
    - name: k8s-token
      mountPath: /var/run/secrets/tokens
  volumes:
  - name: google-cloud-key
    configMap:
      name: workload-identity-config
  - name: k8s-token
    projected:
      sources:
      - serviceAccountToken:
          path: oidc-token
          expirationSeconds: 3600
          audience: sts.amazonaws.com # Or your GCP audience
`

const (
	provider = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
	subject  = "system:serviceaccount:data-ingest:bq-writer"
)

func seedConfig(file string) string {
	return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: workload-identity-config, namespace: data-ingest}\ndata:\n  credentials.json: |\n" +
		"    {\"type\": \"external_account\", \"audience\": \"" + provider + "\",\n     \"credential_source\": {\"file\": \"" + file + "\"}}\n"
}

const tokenFile = "/var/run/secrets/tokens/oidc-token"

// cloud returns a trust of a cloud that accepts the subject with an audience.
func cloud(kind trust.Kind, audiences ...string) trust.Trust {
	return trust.Trust{
		Name: "t", Kind: kind, Issuer: "https://oidc.example", At: trust.Position{File: "t.json", Line: 7}, Audiences: audiences, Subjects: []string{subject},
		Accepts: func(t trust.Token) trust.Decision {
			return trust.Decision{Accepted: t.Text("sub") == subject && slices.Contains(audiences, t.Texts("aud")[0])}
		},
	}
}

func withAudience(audience string) string {
	return strings.ReplaceAll(seedPod, "sts.amazonaws.com # Or your GCP audience", audience)
}

func TestRelate_Audiences(t *testing.T) {
	t.Parallel()
	google, amazon := cloud(trust.GCPBinding, provider), cloud(trust.AWSRole, "sts.amazonaws.com")
	explicit := strings.ReplaceAll(seedPod, "    env:\n", "    env:\n    - {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: "+tokenFile+"}\n")
	tests := []struct {
		reason, text string
		trusts       []trust.Trust
		want         []string
		message      string
	}{
		{"the article's pod alone", seedPod, nil, []string{"K01"}, "authenticates to Google Cloud"},
		{"the article's pod with its configuration", seedPod + seedConfig(tokenFile), nil, []string{"K01"}, "it is that of AWS"},
		{"the article's pod with the provider", seedPod + seedConfig(tokenFile), []trust.Trust{google}, []string{"K01"}, "the provider does not accept it"},
		{"the article's pod where the provider gave in", seedPod + seedConfig(tokenFile), []trust.Trust{cloud(trust.GCPProvider, provider, "sts.amazonaws.com"), amazon}, []string{"K01"}, "accepted by Google Cloud and AWS"},
		{"the right audience", withAudience(provider) + seedConfig(tokenFile), nil, nil, ""},
		{"the right audience with https", withAudience("https:"+provider) + seedConfig(tokenFile), nil, nil, ""},
		{"the right audience with the provider", withAudience(provider) + seedConfig(tokenFile), []trust.Trust{google}, nil, ""},
		{"an audience of one's own", withAudience("gcp") + seedConfig(tokenFile), nil, []string{"K01"}, "only if its allowed audiences list it"},
		{"an audience of one's own that the provider lists", withAudience("gcp") + seedConfig(tokenFile), []trust.Trust{cloud(trust.GCPProvider, provider, "gcp")}, nil, ""},
		{"the audience of the API server", withAudience("\"\"") + seedConfig(tokenFile), nil, []string{"K01"}, "it is that of the API server"},
		{"a trust that no token serves", withAudience("gcp"), []trust.Trust{google}, []string{"K01"}, "t (t.json:7) trusts this workload"},
		{"a trust of another workload", strings.ReplaceAll(withAudience("vault"), "bq-writer", "other"), []trust.Trust{google}, nil, ""},
		{"AWS may inject its token", withAudience("vault"), []trust.Trust{amazon}, nil, ""},
		{"two clouds read one file", explicit + seedConfig(tokenFile), nil, []string{"K01", "K01"}, "AWS"},
		{"the path is another", withAudience(provider) + seedConfig("/var/run/token"), nil, []string{"C04"}, "the container's tokens are at " + tokenFile},
		{"no token is read", withAudience(provider) + seedConfig(""), nil, nil, ""},
		{"a configuration of another namespace", withAudience(provider) + strings.ReplaceAll(seedConfig("/x"), "data-ingest", "other"), nil, nil, ""},
		{"the webhook's path", strings.ReplaceAll(explicit, tokenFile, "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"), nil, []string{"K01"}, "authenticates to Google Cloud"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			findings := Relate([]Manifests{m}, test.trusts)
			if got := rules(append(m.Findings, findings...)); !slices.Equal(got, test.want) {
				t.Fatalf("rules = %v, want %v: %+v", got, test.want, findings)
			}
			for _, f := range findings {
				if !strings.Contains(f.Message, test.message) || f.File != "f.yaml" || f.Line == 0 || f.Fix == "" {
					t.Errorf("finding = %+v, want message %q", f, test.message)
				}
			}
		})
	}
}

func TestRelate_NamesLineOfAudience(t *testing.T) {
	t.Parallel()
	findings := Relate([]Manifests{parsed(t, seedPod)}, nil)
	if findings[0].Line != 29 || findings[0].Trust != "Pod data-ingest/bq-writer-app" {
		t.Errorf("finding = %+v, want line 29", findings[0])
	}
}

func TestRelate_JoinsFiles(t *testing.T) {
	t.Parallel()
	pod, config := parsed(t, withAudience(provider)), parsed(t, seedConfig("/elsewhere"))
	if findings := Relate([]Manifests{pod, config}, nil); !slices.Equal(rules(findings), []string{"C04"}) {
		t.Errorf("findings = %+v", findings)
	}
}

func TestParse_HandsOutConfigurations(t *testing.T) {
	t.Parallel()
	json := `{"type": "external_account", "audience": "a", "credential_source": {"file": "/x"}}`
	text := seedConfig(tokenFile) + "---\nkind: Secret\nmetadata: {name: s}\ndata:\n  c: " + base64.StdEncoding.EncodeToString([]byte(json)) +
		"\nstringData:\n  d: '" + json + "'\n---\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  config: |\n    [default]\n    web_identity_token_file = /x/y\n  other: x\n"
	m := parsed(t, text)
	var got []string
	for _, c := range m.Configurations {
		got = append(got, fmt.Sprintf("%s:%d", c.Name, c.At.Line))
	}
	want := []string{"ConfigMap data-ingest/workload-identity-config, credentials.json:6", "Secret s, c:13", "Secret s, d:15", "ConfigMap p, config:20"}
	if !slices.Equal(got, want) || string(m.Configurations[1].Text) != json {
		t.Errorf("configurations = %q, want %q", got, want)
	}
}

// pod returns a pod with one token.
func pod(token, container, spec string) string {
	return "kind: Pod\nmetadata: {name: p, namespace: n}\nspec:\n  " + spec + "\n  containers:\n  - name: c\n    " + container +
		"\n  volumes:\n  - name: v\n    projected: {sources: [{serviceAccountToken: {" + token + "}}]}\n"
}

func TestParse_FindsInWorkloads(t *testing.T) {
	t.Parallel()
	mount := "volumeMounts: [{name: v, mountPath: /t}]"
	account := "serviceAccountName: a"
	sound := "path: token, audience: x"
	tests := []struct {
		reason, text string
		want         []string
	}{
		{"a sound pod", pod(sound, mount, account), nil},
		{"too short", pod(sound+", expirationSeconds: 599", mount, account), []string{"K02"}},
		{"the least", pod(sound+", expirationSeconds: 600", mount, account), nil},
		{"too long", pod(sound+", expirationSeconds: 86400", mount, account), []string{"K02"}},
		{"long for the API server", pod("path: token, expirationSeconds: 86400", mount, account), nil},
		{"no number", pod(sound+", expirationSeconds: 1h", mount, account), []string{"K02"}},
		{"short for azidentity", pod("path: token, audience: api://AzureADTokenExchange, expirationSeconds: 600", mount, account), []string{"K02"}},
		{"by subPath", pod(sound, "volumeMounts: [{name: v, mountPath: /t/token, subPath: token}]", account), []string{"K03"}},
		{"a variable of a shell", pod(sound, mount+"\n    args: ['export T=$(cat /t/token); run']", account), []string{"K03"}},
		{"a variable in backquotes", pod(sound, mount+"\n    command: [sh, -c, 'T=`cat /t/token` run']", account), []string{"K03"}},
		{"a variable with <", pod(sound, mount+"\n    command: [sh, -c, 'T=\"$(< /t/token)\"; run']", account), []string{"K03"}},
		{"the default token", pod(sound, mount+"\n    args: ['T=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)']", account), []string{"K03"}},
		{"another file", pod(sound, mount+"\n    args: ['T=$(cat /etc/hostname)']", account), nil},
		{"read for each request", pod(sound, mount+"\n    args: ['curl -H \"Authorization: Bearer $(cat /t/token)\" x']", account), nil},
		{"a command in the environment", pod(sound, mount+"\n    env: [{name: T, value: $(cat /t/token)}]", account), []string{"K03"}},
		{"no service account", pod(sound, mount, "hostNetwork: false"), []string{"K04"}},
		{"service account default", pod(sound, mount, "serviceAccountName: default"), []string{"K04"}},
		{"service account default for the API server", pod("path: token", mount, "hostNetwork: false"), nil},
		{"the deprecated field", pod(sound, mount, "serviceAccount: a"), nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			if got := rules(m.Findings); !slices.Equal(got, test.want) {
				t.Errorf("rules = %v, want %v: %+v", got, test.want, m.Findings)
			}
			for _, f := range m.Findings {
				if f.Trust != "Pod n/p" || f.Line == 0 || f.Fix == "" {
					t.Errorf("an incomplete finding: %+v", f)
				}
			}
		})
	}
}

func TestParse_ReadsEachKindOfWorkload(t *testing.T) {
	t.Parallel()
	spec := "{containers: [{name: c}], volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t, audience: x}}]}}]}"
	template := "{template: {spec: " + spec + "}}"
	tests := map[string]string{
		"Pod":         "kind: Pod\nspec: " + spec,
		"Deployment":  "kind: Deployment\nspec: " + template,
		"StatefulSet": "kind: StatefulSet\nspec: " + template,
		"DaemonSet":   "kind: DaemonSet\nspec: " + template,
		"Job":         "kind: Job\nspec: " + template,
		"CronJob":     "kind: CronJob\nspec: {jobTemplate: {spec: " + template + "}}",
		"PodTemplate": "kind: PodTemplate\ntemplate: {spec: " + spec + "}",
		"a List":      "kind: List\nitems: [{kind: Pod, spec: " + spec + "}]",
		"documents":   "kind: Namespace\n---\nkind: Pod\nspec: " + spec,
		"JSON":        `{"kind": "Pod", "spec": {"containers": [{"name": "c"}], "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "x"}}]}}]}}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if m := parsed(t, text); !slices.Equal(rules(m.Findings), []string{"K04"}) {
				t.Errorf("findings = %+v", m.Findings)
			}
		})
	}
}

func TestRelate_TokenCreators(t *testing.T) {
	t.Parallel()
	role := func(kind, resources, verbs, more string) string {
		return "kind: " + kind + "\nmetadata: {name: r, namespace: n" + more + "}\nrules:\n- {apiGroups: ['']" + ", resources: [" + resources + "], verbs: [" + verbs + "]}\n"
	}
	bind := func(kind, roleKind, name string) string {
		return "---\nkind: " + kind + "\nmetadata: {name: b, namespace: n}\nroleRef: {kind: " + roleKind + ", name: " + name + "}\nsubjects: [{kind: Group, name: devs}]\n"
	}
	tests := []struct {
		reason, text string
		severity     []trust.Severity
		message      string
	}{
		{"a bound role", role("Role", "serviceaccounts/token", "create", "") + bind("RoleBinding", "Role", "r"), []trust.Severity{trust.High}, "Group devs may create tokens of every service account of namespace n"},
		{"a bound role of the cluster", role("ClusterRole", "'*'", "'*'", "") + bind("ClusterRoleBinding", "ClusterRole", "r"), []trust.Severity{trust.High}, "every service account of the cluster"},
		{"a role of the cluster in a namespace", role("ClusterRole", "'*/token'", "create", "") + bind("RoleBinding", "ClusterRole", "r"), []trust.Severity{trust.High}, "of namespace n"},
		{"a role without binding", role("Role", "serviceaccounts/token", "create", ""), []trust.Severity{trust.Medium}, "no binding"},
		{"a role that reads", role("Role", "serviceaccounts/token", "get", ""), nil, ""},
		{"a role for service accounts, not tokens", role("Role", "serviceaccounts", "create", ""), nil, ""},
		{"a role of Kubernetes", role("ClusterRole", "'*'", "'*'", ", labels: {kubernetes.io/bootstrapping: rbac-defaults}"), nil, ""},
		{"edit where no workload is trusted", bind("RoleBinding", "ClusterRole", "edit"), nil, ""},
		{"edit where a workload is trusted", pod("path: t, audience: x", "image: i", "serviceAccountName: a") + bind("RoleBinding", "ClusterRole", "edit"), []trust.Severity{trust.High}, "by the built-in role edit"},
		{"edit in another namespace", pod("path: t, audience: x", "image: i", "serviceAccountName: a") + strings.ReplaceAll(bind("RoleBinding", "ClusterRole", "edit"), "namespace: n", "namespace: m"), nil, ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			var got []trust.Severity
			for _, f := range Relate([]Manifests{parsed(t, test.text)}, nil) {
				got = append(got, f.Severity)
				if f.Rule != "K05" || !strings.Contains(f.Message, test.message) || f.Line == 0 {
					t.Errorf("finding = %+v, want message %q", f, test.message)
				}
			}
			if !slices.Equal(got, test.severity) {
				t.Errorf("severities = %v, want %v", got, test.severity)
			}
		})
	}
}

func TestParse_KeepsWhatPrecedesAnError(t *testing.T) {
	t.Parallel()
	m, err := Parse("f.yaml", []byte(entryOf(prefixed)+"---\n{{ template }}: [\n"))
	if err == nil || !strings.Contains(err.Error(), "f.yaml:") || len(m.Trusts) != 1 {
		t.Errorf("err = %v, %d trusts", err, len(m.Trusts))
	}
}
