package document_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// jsonText returns s as a JSON string.
func jsonText(t fataler, s string) string {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(out)
}

// organisation returns about n documents: one project, three people, three
// bindings and a tenant at a time.
func organisation(n int) string {
	var b strings.Builder
	b.WriteString(base)
	for i := range n / 8 {
		fmt.Fprintf(&b, `---
apiVersion: v2
kind: meshProject
metadata:
  name: p%[1]d
  ownedByWorkspace: w
spec:
  displayName: Project %[1]d
  tags:
    environment:
      - prod
---
apiVersion: v4
kind: meshTenant
metadata:
  ownedByWorkspace: w
  ownedByProject: p%[1]d
spec:
  platformRef:
    name: mem.b
  platformTenantId: t%[1]d
`, i)
		for j := range 3 {
			fmt.Fprintf(&b, `---
apiVersion: v2
kind: meshUser
metadata:
  name: u%[1]d-%[2]d
spec:
  email: u%[1]d-%[2]d@example.com
  euid: e%[1]d-%[2]d
---
apiVersion: v3
kind: meshProjectUserBinding
metadata:
  name: b%[1]d-%[2]d
roleRef:
  name: Project Admin
targetRef:
  name: p%[1]d
  ownedByWorkspace: w
subject:
  name: u%[1]d-%[2]d
`, i, j)
		}
	}
	return b.String()
}

func BenchmarkDecode(b *testing.B) {
	input := organisation(10_000)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		if _, _, err := document.Decode(strings.NewReader(input), "bench.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		docs := decode(b, "bench.yaml", organisation(n))
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				set, err := document.NewSet(docs)
				if err != nil {
					b.Fatal(err)
				}
				if err := set.Validate(time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
