package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// BenchmarkApply runs rollcall apply on an empty database with ROLLCALL_BENCH_DOCUMENTS
// documents: in a directory of YAML files, in one YAML file, and in one JSON list. It reports
// what the process took from the system at most. That includes what ran before in the process:
// run one case at a time.
func BenchmarkApply(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("ROLLCALL_BENCH_DOCUMENTS"))
	if err != nil {
		n = 10_000
	}
	for _, tc := range []struct {
		name    string
		perFile int
		suffix  string
	}{
		{"Directory", 1000, ".yaml"},
		{"OneFile", n, ".yaml"},
		{"OneList", n, ".json"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			dir := b.TempDir()
			for from := 0; from < n; from += tc.perFile {
				writeFixture(b, filepath.Join(dir, fmt.Sprintf("%06d", from)+tc.suffix), from, min(from+tc.perFile, n), n)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				url := storetest.URL(b)
				var errs strings.Builder
				c := &cli{in: strings.NewReader(""), out: io.Discard, err: &errs, getenv: func(name string) string {
					if name == store.URLVariable {
						return url
					}
					return ""
				}}
				b.StartTimer()
				if code := execute(b.Context(), c, []string{"apply", dir}); code != exitDone {
					b.Fatalf("rollcall apply ended with %d: %s", code, errs.String())
				}
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
		})
	}
}

// writeFixture writes the documents from one number to another, of n: as a list in JSON, as a
// stream in YAML.
func writeFixture(b *testing.B, file string, from, to, n int) {
	b.Helper()
	out, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	w := bufio.NewWriter(out)
	for i := from; i < to; i++ {
		if filepath.Ext(file) == ".json" {
			_, err = fmt.Fprintf(w, "%c%s\n", "[,"[min(i-from, 1)], fixtureDocument(i, n))
		} else {
			_, _ = w.WriteString("---\n")
			err = document.Encode(w, []document.Document{{Body: []byte(fixtureDocument(i, n))}})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if filepath.Ext(file) == ".json" {
		_, _ = w.WriteString("]\n")
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
}

// fixtureDocument returns a document of n: a fifth are users, a tenth projects and as many
// tenants, the rest bindings.
func fixtureDocument(i, n int) string {
	users, projects := n/5, n/10
	first := []string{
		`{"apiVersion":"v2","kind":"meshWorkspace","metadata":{"name":"big"},"spec":{"displayName":"Big"}}`,
		`{"apiVersion":"v1","kind":"meshProjectRole","metadata":{"name":"admin"},"spec":{"name":"Admin","rank":1}}`,
		`{"apiVersion":"v1","kind":"meshPlatform","metadata":{"name":"lab"},"spec":{"config":{"memory":{` +
			`"replication":{"groupNamePattern":"#{projectIdentifier}-#{platformGroupAlias}","roleMappings":[{"projectRoleRef":{"name":"admin"},"roles":["owner"]}]}}},` +
			`"displayName":"Lab","locationRef":{"name":"here"}}}`,
	}
	if i < len(first) {
		return first[i]
	}
	i -= len(first)
	if i < users {
		return fmt.Sprintf(`{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"user-%d"},"spec":{"email":"user-%[1]d@example.com",`+
			`"euid":"euid-%[1]d","firstName":"First","lastName":"Last"}}`, i)
	}
	i -= users
	if i < projects {
		return fmt.Sprintf(`{"apiVersion":"v2","kind":"meshProject","metadata":{"name":"p-%d","ownedByWorkspace":"big"},`+
			`"spec":{"displayName":"P","tags":{"stage":["test"]}}}`, i)
	}
	i -= projects
	if i < projects {
		return fmt.Sprintf(`{"apiVersion":"v3","kind":"meshTenant","metadata":{"ownedByProject":"p-%d","ownedByWorkspace":"big",`+
			`"platformIdentifier":"lab.here"},"spec":{"localId":"id-%[1]d"}}`, i)
	}
	i -= projects
	return fmt.Sprintf(`{"apiVersion":"v3","kind":"meshProjectUserBinding","metadata":{"name":"b-%d"},"roleRef":{"name":"admin"},`+
		`"subject":{"name":"user-%d"},"targetRef":{"name":"p-%d","ownedByWorkspace":"big"}}`, i, i%users, i%projects)
}
