package archtest

import (
	"strconv"
	"strings"
	"testing"
)

// TestImports holds every file to the table of imports in .golangci.yml.
func TestImports(t *testing.T) {
	table := readImportTable(t)
	unnamed := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test && !table.named(s.name) && !unnamed[s.dir] {
			unnamed[s.dir] = true
			t.Errorf("%s: no rule says what this package may import: add one to depguard's in .golangci.yml", s.dir)
		}
		for _, spec := range s.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", s.at(spec), err)
			}
			for _, refusal := range table.refusals(s.name, imported) {
				t.Errorf("%s: %s", s.at(spec), refusal)
			}
		}
	}
}

// TestTheRulesBite: a rule that allowed everything would pass unnoticed.
func TestTheRulesBite(t *testing.T) {
	cases := map[string]struct {
		reason   string
		dir      string
		imported string
		want     bool
	}{
		"StandardLibrary": {
			reason: "every package may use the standard library", dir: "internal/access", imported: "net/http", want: true,
		},
		"PlanImportsAccess": {
			reason: "the planner speaks in nouns", dir: "internal/plan", imported: module + "/internal/access", want: true,
		},
		"AccessImportsPlan": {
			reason: "imports point one way", dir: "internal/access", imported: module + "/internal/plan",
		},
		"OracleImportsPlan": {
			reason: "the frozen copy of the planner must not follow it", dir: "internal/plan/oracle", imported: module + "/internal/plan",
		},
		"OracleImportsAccess": {
			reason: "the frozen copy has nouns of its own", dir: "internal/plan/oracle", imported: module + "/internal/access",
		},
		"PlanImportsOracle": {
			reason: "only tests compare with the oracle", dir: "internal/plan", imported: module + "/internal/plan/oracle",
		},
		"PlanImportsTemporal": {
			reason: "the planner is pure", dir: "internal/plan", imported: "go.temporal.io/sdk/workflow",
		},
		"DriverImportsDriver": {
			reason: "drivers do not know each other", dir: "internal/driver/openstack", imported: module + "/internal/driver/memory",
		},
		"DriverImportsStore": {
			reason: "drivers do not diff and do not store", dir: "internal/driver/memory", imported: module + "/internal/store",
		},
		"DriverImportsItsSDK": {
			reason: "that is where an SDK belongs", dir: "internal/driver/openstack",
			imported: "github.com/gophercloud/gophercloud/v2/openstack", want: true,
		},
		"RulesImportSDK": {
			reason: "names are checked without a cloud", dir: "internal/driver/openstack/rules",
			imported: "github.com/gophercloud/gophercloud/v2",
		},
		"WorkflowImportsStore": {
			reason: "workflows do no I/O", dir: "workflows", imported: module + "/internal/store",
		},
		"ActivityImportsDriverOfPlatform": {
			reason: "activities know the driver interface only", dir: "activities", imported: module + "/internal/driver/openstack",
		},
		"StoreImportsPgx": {
			reason: "the store speaks SQL", dir: "internal/store", imported: "github.com/jackc/pgx/v5/pgxpool", want: true,
		},
		"WorkerImportsPgx": {
			reason: "nobody but the store speaks SQL", dir: "worker", imported: "github.com/jackc/pgx/v5/pgxpool",
		},
		"WorkflowImportsNet": {
			reason: "workflows do no I/O", dir: "workflows", imported: "net/http",
		},
		"WorkerImportsDriver": {
			reason: "the worker opens every driver", dir: "worker", imported: module + "/internal/driver/kubernetes", want: true,
		},
		"WorkerImportsServers": {
			reason: "only tests start servers", dir: "worker", imported: module + "/internal/engines/postgres",
		},
		"WorkerImportsConformanceTests": {
			reason: "only tests use test helpers", dir: "worker", imported: module + "/internal/driver/drivertest",
		},
		"DriverImportsItsRules": {
			reason: "a driver knows its own packages", dir: "internal/driver/openstack", imported: module + "/internal/driver/openstack/rules", want: true,
		},
		"DriverImportsSDKOfAnother": {
			reason: "an SDK belongs in its driver", dir: "internal/driver/openstack", imported: "github.com/aws/aws-sdk-go-v2/aws",
		},
		"RulesImportRules": {
			reason: "AKS has the rules of two platforms", dir: "internal/driver/aks/rules", imported: module + "/internal/driver/azure/rules", want: true,
		},
		"RulesImportDriver": {
			reason: "names are checked without a cloud", dir: "internal/driver/aks/rules", imported: module + "/internal/driver/azure",
		},
		"AKSImportsAzure": {
			reason: "AKS is Entra groups and a cluster", dir: "internal/driver/aks", imported: module + "/internal/driver/azure", want: true,
		},
		"MarketplaceImportsKubernetes": {
			reason: "service brokers have no cluster", dir: "internal/driver/marketplace", imported: module + "/internal/driver/kubernetes",
		},
		"NewDriverImportsItsRules": {
			reason: "a new platform needs no rule", dir: "internal/driver/new", imported: module + "/internal/driver/new/rules", want: true,
		},
		"NewDriverImportsDriver": {
			reason: "drivers do not know each other", dir: "internal/driver/new", imported: module + "/internal/driver/azure",
		},
		"DriverImportsNewDriver": {
			reason: "drivers do not know each other", dir: "internal/driver/aks", imported: module + "/internal/driver/new",
		},
		"TypesImportRules": {
			reason: "the list of platform types holds their rules", dir: "internal/driver/types",
			imported: module + "/internal/driver/azure/rules", want: true,
		},
		"TypesImportDriver": {
			reason: "documents are checked without a cloud", dir: "internal/driver/types", imported: module + "/internal/driver/azure",
		},
		"DocumentImportsTypes": {
			reason: "the types of platforms check their documents", dir: "internal/document",
			imported: module + "/internal/driver/types", want: true,
		},
		"ConnectionImportsDriverOfPlatform": {
			reason: "a connection knows the driver interface only", dir: "internal/connection", imported: module + "/internal/driver/azure",
		},
	}
	table := readImportTable(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			file := tc.dir + "/file.go"
			if !table.named(file) {
				t.Fatalf("no rule for %s", tc.dir)
			}
			refusals := table.refusals(file, tc.imported)
			if got := len(refusals) == 0; got != tc.want {
				t.Errorf("%s imports %s: allowed = %v, want %v: %s\n%s", tc.dir, tc.imported, got, tc.want, tc.reason, strings.Join(refusals, "\n"))
			}
		})
	}
}
