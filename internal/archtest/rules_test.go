package archtest

import (
	"path"
	"strings"
)

// rule says what the packages of one group may import beside the standard
// library. A path ends in "/..." where everything below it is meant too.
type rule struct {
	packages []string
	// ours are packages of this module.
	ours []string
	// others are packages of other modules.
	others []string
	reason string
}

// Groups of packages that several rules name.
const (
	temporalSDK = "go.temporal.io/..."
	pgx         = "github.com/jackc/pgx/v5/..."
	goose       = "github.com/pressly/goose/v3/..."
	xText       = "golang.org/x/text/..."
	xSync       = "golang.org/x/sync/..."
	xSys        = "golang.org/x/sys/..."
	xTime       = "golang.org/x/time/..."
	goCmp       = "github.com/google/go-cmp/..."
	rapid       = "pgregory.net/rapid"
	yaml        = "go.yaml.in/yaml/v3"
	jsonschema  = "github.com/santhosh-tekuri/jsonschema/v6/..."
)

// importRules is the whole table. The first rule whose packages match a
// package applies; one that no rule names fails the test, so that nobody adds a
// package without saying where it stands.
func importRules() []rule {
	port := []string{
		"internal/access", "internal/plan", "internal/fault", "internal/budget", "internal/driver", "internal/credential",
		"internal/calls",
	}
	kubernetes := []string{"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/...", "k8s.io/klog/v2"}
	return []rule{
		{
			packages: []string{"internal/access", "internal/fault", "internal/euid", "internal/naming"},
			others:   []string{xText},
			reason:   "the nouns, the classes of failure and the two patterns stand on nothing",
		}, {
			packages: []string{"internal/plan"},
			ours:     []string{"internal/access"},
			reason:   "the planner is pure: it touches no platform, no clock, no database",
		}, {
			packages: []string{"internal/plan/oracle/..."},
			ours:     []string{"internal/plan/oracle/access"},
			reason:   "the oracle is a frozen copy: the planner and its nouns may change without it",
		}, {
			packages: []string{"internal/budget"},
			ours:     []string{"internal/fault"},
			others:   []string{xSync, xTime},
			reason:   "a budget bounds calls and knows no platform",
		}, {
			packages: []string{"internal/driver"},
			ours:     []string{"internal/access", "internal/plan", "internal/fault", "internal/budget"},
			reason:   "the port is words only: it names no platform",
		}, {
			packages: []string{"internal/calls"},
			ours:     []string{"internal/access"},
			others:   []string{xSync},
			reason:   "how to call is the same for every platform",
		}, {
			packages: []string{"internal/credential"},
			ours:     []string{"internal/fault"},
			reason:   "where credentials are found is the same for every platform",
		}, {
			packages: []string{"internal/simulate/..."},
			ours:     []string{"internal/simulate/..."},
			others:   []string{"github.com/google/uuid", "github.com/golang-jwt/jwt/v5"},
			reason:   "a simulated cloud knows nothing of Rollcall, nor of the vendor's client",
		}, {
			packages: []string{"internal/driver/*/rules"},
			ours:     append([]string{"internal/driver/*/rules"}, port...),
			others:   []string{xText},
			reason:   "names are checked without a cloud, so without its SDK",
		}, {
			packages: []string{"internal/driver/drivertest/..."},
			ours:     append([]string{"internal/driver/drivertest/..."}, port...),
			others:   []string{xSync, goCmp, rapid},
			reason:   "the laws know the port and no platform",
		}, {
			packages: []string{"internal/driver/memory/memorytest"},
			ours:     append([]string{"internal/driver/memory", "internal/driver/drivertest"}, port...),
			reason:   "what brings a driver before the laws knows that driver alone",
		}, {
			packages: []string{"internal/driver/openstack/..."},
			ours:     append([]string{"internal/driver/openstack/..."}, port...),
			others:   []string{"github.com/gophercloud/gophercloud/v2/...", xSync, xTime},
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/kubernetes/..."},
			ours:     append([]string{"internal/driver/kubernetes/..."}, port...),
			others:   kubernetes,
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/aws/..."},
			ours:     append([]string{"internal/driver/aws/..."}, port...),
			others:   []string{"github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/...", xSync, xTime},
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/azure/..."},
			ours:     append([]string{"internal/driver/azure/..."}, port...),
			others:   []string{"github.com/Azure/azure-sdk-for-go/sdk/...", "github.com/microsoftgraph/...", "github.com/microsoft/...", "github.com/google/uuid/...", xSync, xTime},
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/aks/..."},
			ours:     append([]string{"internal/driver/aks/...", "internal/driver/azure/...", "internal/driver/kubernetes/..."}, port...),
			others:   []string{"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/...", xSync, xTime},
			reason:   "AKS is Entra groups and a cluster: it composes two drivers",
		}, {
			packages: []string{"internal/driver/marketplace/..."},
			ours:     append([]string{"internal/driver/marketplace/...", "internal/driver/azure/..."}, port...),
			others:   []string{xSync, xTime},
			reason:   "service brokers look at Entra groups, so it is the Azure driver with less",
		}, {
			packages: []string{"internal/driver/gcp/..."},
			ours:     append([]string{"internal/driver/gcp/..."}, port...),
			others:   []string{"google.golang.org/api/...", "golang.org/x/oauth2/...", "cloud.google.com/go/auth/...", xSync, xTime},
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/openshift/..."},
			ours:     append([]string{"internal/driver/openshift/...", "internal/driver/kubernetes/..."}, port...),
			others:   []string{"github.com/openshift/api/...", "k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/...", xSync, xTime},
			reason:   "OpenShift is Kubernetes with groups",
		}, {
			packages: []string{"internal/driver/cloudfoundry/..."},
			ours:     append([]string{"internal/driver/cloudfoundry/..."}, port...),
			others:   []string{"github.com/cloudfoundry/go-cfclient/v3/...", "golang.org/x/oauth2/...", xSync, xTime},
			reason:   "a driver knows the port and its own SDK, and no other driver",
		}, {
			packages: []string{"internal/driver/memory/..."},
			ours:     append([]string{"internal/driver/memory/..."}, port...),
			others:   []string{xSys},
			reason:   "the reference driver needs no SDK; its file's lock is the system's",
		}, {
			packages: []string{"internal/document/..."},
			ours:     []string{"internal/access", "internal/euid", "internal/naming", "internal/document/..."},
			others:   []string{yaml, jsonschema, xText},
			reason:   "documents are decoded and checked before anything acts on them",
		}, {
			packages: []string{"internal/desired"},
			ours:     []string{"internal/access", "internal/document", "internal/euid", "internal/naming", "internal/plan"},
			others:   []string{xText},
			reason:   "what is wanted follows from the documents alone",
		}, {
			packages: []string{"internal/store/storetest"},
			ours:     []string{"internal/store", "internal/engines/postgres"},
			reason:   "tests of the database run on a real one",
		}, {
			packages: []string{"internal/store/..."},
			ours:     []string{"internal/access", "internal/document", "internal/plan", "internal/store/..."},
			others:   []string{pgx, goose},
			reason:   "the one place that speaks SQL",
		}, {
			packages: []string{"internal/ledger"},
			ours:     []string{"internal/access", "internal/plan", "internal/store"},
			others:   []string{pgx},
			reason:   "what was done, kept by the store",
		}, {
			packages: []string{"internal/engines/*"},
			ours:     []string{"internal/engines/*"},
			others:   append([]string{pgx, "github.com/gophercloud/gophercloud/v2/...", "go.temporal.io/api/...", xSys}, kubernetes...),
			reason:   "real servers for tests and the one-command stack, which know nothing of Rollcall",
		}, {
			packages: []string{"internal/engine/..."},
			ours:     []string{"internal/access", "internal/fault"},
			others:   []string{temporalSDK, xSync, "google.golang.org/protobuf/proto"},
			reason:   "how we talk to Temporal, and the only internal package that does",
		}, {
			packages: []string{"workflows/..."},
			ours:     []string{"internal/access", "internal/plan", "internal/fault", "internal/engine", "activities", "workflows/..."},
			others:   []string{temporalSDK},
			reason:   "workflows tell the story: no I/O, no database, no platform",
		}, {
			packages: []string{"activities/..."},
			ours: append([]string{
				"internal/document", "internal/desired", "internal/euid", "internal/naming",
				"internal/store", "internal/ledger", "internal/engine", "activities/...",
			}, port...),
			others: []string{temporalSDK, xSync},
			reason: "activities do the work through the port, whatever the platform",
		}, {
			packages: []string{"worker"},
			ours:     []string{"internal/...", "workflows/...", "activities/..."},
			others: []string{
				temporalSDK, "github.com/spf13/cobra", "go.opentelemetry.io/otel/...", "github.com/prometheus/client_golang/...",
			},
			reason: "the worker wires everything together and shows how it does",
		}, {
			packages: []string{"starter/..."},
			ours:     []string{"internal/...", "workflows/...", "activities/...", "starter/..."},
			others: []string{
				temporalSDK, xSync, yaml, "golang.org/x/term", "github.com/spf13/cobra/...", "github.com/spf13/pflag",
				"github.com/fatih/color", "github.com/schollz/progressbar/v3", "github.com/mattn/go-isatty",
			},
			reason: "the CLI speaks to people, to the store and to Temporal",
		}, {
			packages: []string{"internal/archtest"},
			reason:   "it reads files",
		},
	}
}

// matches reports whether a package is what the pattern names: "*" stands for
// any text without a slash, a final "/..." for the package itself and everything
// below it.
func matches(pattern, dir string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	if deep {
		elements := strings.Split(dir, "/")
		depth := min(strings.Count(prefix, "/")+1, len(elements))
		dir = strings.Join(elements[:depth], "/")
	}
	ok, err := path.Match(prefix, dir)
	return ok && err == nil
}

func matchesAny(patterns []string, dir string) bool {
	for _, pattern := range patterns {
		if matches(pattern, dir) {
			return true
		}
	}
	return false
}
