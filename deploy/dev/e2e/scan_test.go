package e2e

import (
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// scan is what was found in all places that people without access to the database
// may see, by place.
type scan struct {
	t testing.TB
	// texts are searched for every word; bytes, which are encrypted or encoded, for
	// words that do not turn up by chance.
	texts, bytes map[string]string
}

// shortest is how long a word is that does not turn up in random bytes by chance.
const shortest = 5

// lacks checks that none of the words stands anywhere.
func (s scan) lacks(what string, words []string) {
	s.t.Helper()
	for _, word := range words {
		for where, text := range s.texts {
			if standsAlone(text, word) || len(word) > shortest && strings.Contains(text, word) {
				s.t.Errorf("%s %q stands in the %s", what, word, where)
			}
		}
		for where, text := range s.bytes {
			if len(word) > shortest && strings.Contains(text, word) || len(word) == shortest && standsAlone(text, word) {
				s.t.Errorf("%s %q stands in the %s", what, word, where)
			}
		}
	}
}

// standsAlone reports whether a word stands in a text, and not as a part of a longer
// word or of base64. A regular expression takes minutes for what Temporal keeps.
func standsAlone(text, word string) bool {
	const joins = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		end := at + len(word)
		if (at == 0 || strings.IndexByte(joins, text[at-1]) < 0) && (end == len(text) || strings.IndexByte(joins, text[end]) < 0) {
			return true
		}
		from = at + 1
	}
}

func TestStandsAlone(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "mei": true, "a mei": true, "mei, and others": true, "meint": false, "homei": false, "meimei": false,
		"meimei mei": true, "+mei": false, "mei=": false, `"mei"`: true, "\xffmei\xff": true, "ümei": true,
	} {
		if got := standsAlone(text, "mei"); got != want {
			t.Errorf("standsAlone(%q) = %t, want %t", text, got, want)
		}
	}
}

// covers checks that the search would find what is there: these stand in the open.
func (s scan) covers(words ...string) {
	s.t.Helper()
	for _, word := range words {
		found := false
		for _, texts := range []map[string]string{s.texts, s.bytes} {
			for text := range maps.Values(texts) {
				found = found || strings.Contains(text, word)
			}
		}
		if !found {
			s.t.Errorf("%d places were searched and none has %q: the search finds nothing at all", len(s.texts)+len(s.bytes), word)
		}
	}
}

// observed starts a worker that tells all it can. What it tells is in the scan.
func (s *stack) observed(environ ...string) {
	s.t.Helper()
	s.workerWith([]string{"--log-level", "debug", "--log-format", "json", "--listen", "127.0.0.1:0"}, environ...)
}

// scan looks at everything that is open to more people than the database is: what
// Temporal keeps and lists, logs, metrics, and the arguments of processes.
func (s *stack) scan(arguments string) scan {
	s.t.Helper()
	found := scan{t: s.t, texts: map[string]string{"arguments of processes": arguments}, bytes: s.everythingTemporalKeeps()}
	for _, log := range s.logs {
		found.texts["worker's log"] += log.text()
		found.texts["metrics"] += s.metrics(log.text())
	}
	return found
}

var served = regexp.MustCompile(`"probes and metrics served","address":"([^"]+)"`)

// metrics returns what a worker with that log counts.
func (s *stack) metrics(log string) string {
	s.t.Helper()
	address := served.FindStringSubmatch(log)
	if address == nil {
		return ""
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+address[1]+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("metrics: %s, %v", answer.Status, err)
	}
	return string(body)
}

// watchArguments notes the arguments of all processes that have this stack's database in
// their environment, until the returned function is called. Other stacks run the same
// programs at the same time.
func (s *stack) watchArguments() (arguments func() string) {
	s.t.Helper()
	seen := map[string]bool{}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, file := range processes {
				line, err := os.ReadFile(file)
				if err != nil || !strings.HasPrefix(string(line), s.bin) {
					continue
				}
				environ, err := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
				if err == nil && strings.Contains(string(environ), "="+s.database+"\x00") {
					seen[strings.ReplaceAll(string(line), "\x00", " ")] = true
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() string {
		close(stop)
		watching.Wait()
		return strings.Join(slices.Sorted(maps.Keys(seen)), "\n")
	}
}

// everythingTemporalKeeps returns all histories with what is listed and described
// of their workflows: memos, search attributes, queues, open activities. What is
// base64 in them is decoded, too.
func (s *stack) everythingTemporalKeeps() map[string]string {
	s.t.Helper()
	c := s.client()
	kept := map[string]string{}
	var token []byte
	for {
		page, err := c.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: token})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, info := range page.GetExecutions() {
			execution := info.GetExecution()
			history := &historypb.History{}
			events := c.GetWorkflowHistory(s.t.Context(), execution.GetWorkflowId(), execution.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				if err != nil {
					s.t.Fatal(err)
				}
				history.Events = append(history.Events, e)
			}
			described, err := c.DescribeWorkflowExecution(s.t.Context(), execution.GetWorkflowId(), execution.GetRunId())
			if err != nil {
				s.t.Fatal(err)
			}
			kept["history of "+execution.GetWorkflowId()+" "+execution.GetRunId()] = decoded(
				protojson.Format(history) + protojson.Format(info) + protojson.Format(described))
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return kept
		}
	}
}

// base64Text is what may be base64 in JSON.
var base64Text = regexp.MustCompile(`"[A-Za-z0-9+/]{8,}={0,2}"`)

// decoded returns text with, after it, all base64 in it decoded.
func decoded(text string) string {
	var b strings.Builder
	b.WriteString(text)
	for _, quoted := range base64Text.FindAllString(text, -1) {
		if plain, err := base64.StdEncoding.DecodeString(strings.Trim(quoted, `"`)); err == nil {
			b.WriteByte('\n')
			b.Write(plain)
		}
	}
	return b.String()
}

// files are the bytes of all files in a directory, by name.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		found["file "+entry.Name()] = string(body)
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s has %d files, %v", dir, len(found), err)
	}
	return found
}

// tables are the rows of all tables of the database as text, by name.
func (s *stack) tables() map[string]string {
	s.t.Helper()
	ctx := s.t.Context()
	db, err := pgx.Connect(ctx, s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	rows, err := db.Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		s.t.Fatalf("the database has %d tables, %v", len(names), err)
	}
	found := map[string]string{}
	for _, name := range names {
		var text string
		query := "SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM " + pgx.Identifier{name}.Sanitize() + " t"
		if err := db.QueryRow(ctx, query).Scan(&text); err != nil {
			s.t.Fatal(err)
		}
		found[name] = text
	}
	return found
}
