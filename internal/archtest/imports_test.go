package archtest

import (
	"strconv"
	"strings"
	"testing"
)

// TestImports holds every package to its rule. Tests may import what they need,
// from wherever it is.
func TestImports(t *testing.T) {
	rules := importRules()
	unnamed := map[string]bool{}
	for _, s := range sources(t) {
		r, ok := ruleOf(rules, s.dir)
		if !ok && !unnamed[s.dir] {
			unnamed[s.dir] = true
			t.Errorf("%s: no rule says what this package may import: add it to importRules and to .golangci.yml", s.dir)
		}
		if !ok || s.test {
			continue
		}
		for _, spec := range s.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", s.at(spec), err)
			}
			if !allowed(r, imported) {
				t.Errorf("%s: %s may not import %s: %s", s.at(spec), s.dir, imported, r.reason)
			}
		}
	}
}

func ruleOf(rules []rule, dir string) (rule, bool) {
	for _, r := range rules {
		if matchesAny(r.packages, dir) {
			return r, true
		}
	}
	return rule{}, false
}

func allowed(r rule, imported string) bool {
	ours, inModule := strings.CutPrefix(imported, module+"/")
	if inModule {
		return matchesAny(r.ours, ours)
	}
	first, _, _ := strings.Cut(imported, "/")
	standard := !strings.Contains(first, ".")
	return standard || matchesAny(r.others, imported)
}

// TestHelpersServeTestsOnly: what people run starts no servers of its own and
// carries no test.
func TestHelpersServeTestsOnly(t *testing.T) {
	helpers := []string{
		"internal/engines/...", "internal/store/storetest", "internal/driver/drivertest/...", "internal/driver/*/*test/...",
		"internal/plan/oracle/...",
	}
	for _, s := range sources(t) {
		if s.test || matchesAny(helpers, s.dir) {
			continue
		}
		for _, spec := range s.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", s.at(spec), err)
			}
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && matchesAny(helpers, ours) {
				t.Errorf("%s: only tests and deploy/dev use %s", s.at(spec), ours)
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
			reason: "activities know the port only", dir: "activities", imported: module + "/internal/driver/openstack",
		},
		"StoreImportsPgx": {
			reason: "the store speaks SQL", dir: "internal/store", imported: "github.com/jackc/pgx/v5/pgxpool", want: true,
		},
		"WorkerImportsPgx": {
			reason: "nobody but the store speaks SQL", dir: "worker", imported: "github.com/jackc/pgx/v5/pgxpool",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, ok := ruleOf(importRules(), tc.dir)
			if !ok {
				t.Fatalf("no rule for %s", tc.dir)
			}
			if got := allowed(r, tc.imported); got != tc.want {
				t.Errorf("%s imports %s: allowed = %v, want %v: %s", tc.dir, tc.imported, got, tc.want, tc.reason)
			}
		})
	}
}
