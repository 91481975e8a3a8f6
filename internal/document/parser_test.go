package document_test

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

// TestParser_ParsesEachVersion changes random organisations: a set of kept results is the set
// of the documents as they are now.
func TestParser_ParsesEachVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parser := document.NewParser(rapid.IntRange(0, 80).Draw(t, "documents"), rapid.IntRange(0, 100_000).Draw(t, "bytes"))
		current := documenttest.Draw(t)
		for range rapid.IntRange(1, 4).Draw(t, "versions") {
			reused, err := parser.NewSet(current.List())
			if err != nil {
				t.Fatalf("%v", err)
			}
			plain := setOf(t, current)
			for _, tenant := range plain.Tenants() {
				want, _ := plain.Input(tenant, document.Drawn{}, time.Time{})
				got, _ := reused.Input(tenant, document.Drawn{}, time.Time{})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("input of %s (-parsed now +kept):\n%s", tenant, diff)
				}
			}
			current, _ = current.Change(t)
		}
	})
}

func userDocument(name, body string) document.Document {
	return document.Document{ID: document.ID{Kind: document.KindUser, Name: name}, Body: []byte(body)}
}

func TestParser_KeepsBounds(t *testing.T) {
	for _, tc := range []struct {
		reason              string
		maxDocuments, bytes int
		wantDocuments       int
	}{
		{"no more than so many documents", 10, 1 << 20, 10},
		{"no more than so many bytes", 1000, 4 * 1000, 9},
		{"one that is larger than all bytes is not kept", 1000, 100, 0},
		{"none at all", 0, 1 << 20, 0},
	} {
		p := document.NewParser(tc.maxDocuments, tc.bytes)
		for i := range 100 {
			body := fmt.Sprintf(`{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"u%03d"},"spec":{}}`, i)
			if _, err := p.Parse(userDocument("u", body)); err != nil {
				t.Fatal(err)
			}
			if n, bytes := p.Size(); n > tc.maxDocuments || bytes > tc.bytes {
				t.Fatalf("%s: %d documents of %d bytes", tc.reason, n, bytes)
			}
		}
		if n, _ := p.Size(); n != tc.wantDocuments {
			t.Errorf("%s: keeps %d documents, want %d", tc.reason, n, tc.wantDocuments)
		}
	}
}

// TestParser_DependsOnTheKind: a text is another document where the store has it as another
// kind, and a text that does not parse fails each time.
func TestParser_DependsOnTheKind(t *testing.T) {
	p := document.NewParser(10, 1<<20)
	d := userDocument("a", `{"metadata":{"name":"a"}}`)
	role := d
	role.ID.Kind = document.KindProjectRole
	for range 2 {
		if typed, err := p.Parse(d); err != nil || !cmp.Equal(typed, document.User{Name: "a"}) {
			t.Errorf("as a user: %+v, %v", typed, err)
		}
		if typed, err := p.Parse(role); err != nil || !cmp.Equal(typed, document.ProjectRole{Name: "a"}) {
			t.Errorf("as a role: %+v, %v", typed, err)
		}
		if _, err := p.Parse(userDocument("b", `{"metadata":{"name":1}}`)); err == nil {
			t.Error("a text that is not of its kind: no error")
		}
	}
}

// TestParser_IsSafe parses the same documents from many goroutines while results are removed.
func TestParser_IsSafe(t *testing.T) {
	p := document.NewParser(20, 1<<20)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 500 {
				name := "u" + strconv.Itoa((worker+i)%40)
				typed, err := p.Parse(userDocument(name, `{"metadata":{"name":"`+name+`"}}`))
				if err != nil || !cmp.Equal(typed, document.User{Name: name}) {
					t.Errorf("%s: %+v, %v", name, typed, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestParser_CountsMemory: the bytes that a Parser counts are no less than half of those that
// it takes.
func TestParser_CountsMemory(t *testing.T) {
	docs := decode(t, "in.yaml", organisation(10_000))
	before := heap()
	p := document.NewParser(1<<20, 1<<30)
	if _, err := p.NewSet(docs); err != nil {
		t.Fatal(err)
	}
	used := heap() - before
	n, counted := p.Size()
	t.Logf("%d documents count as %d bytes and take %d", n, counted, used)
	if n < 10_000 || used > 2*int64(counted) {
		t.Errorf("%d documents count as %d bytes and take %d, want at most twice as many", n, counted, used)
	}
	runtime.KeepAlive(docs)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkNewSet makes the set of 10,000 documents, of which all are new, one changed, or
// none did.
func BenchmarkNewSet(b *testing.B) {
	docs := decode(b, "bench.yaml", organisation(10_000))
	run := func(name string, next func(p *document.Parser, i int) (*document.Parser, []document.Document)) {
		b.Run(name, func(b *testing.B) {
			p := document.NewParser(100_000, 64<<20)
			if _, err := p.NewSet(docs); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				parser, now := next(p, i)
				if _, err := parser.NewSet(now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("AllNew", func(*document.Parser, int) (*document.Parser, []document.Document) {
		return document.NewParser(0, 0), docs
	})
	run("OneChanged", func(p *document.Parser, i int) (*document.Parser, []document.Document) {
		changed := slices.Clone(docs)
		at := slices.IndexFunc(changed, func(d document.Document) bool { return d.ID.Kind == document.KindUser })
		changed[at] = userDocument(changed[at].ID.Name, `{"metadata":{"name":"`+changed[at].ID.Name+`"},"spec":{"euid":"e`+strconv.Itoa(i)+`"}}`)
		return p, changed
	})
	run("Unchanged", func(p *document.Parser, _ int) (*document.Parser, []document.Document) { return p, docs })
}
