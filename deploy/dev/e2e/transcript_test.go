package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update writes the transcripts instead of comparing with them.
var update = flag.Bool("update", false, "write testdata/transcripts instead of comparing with it")

// transcriptDir holds one file for each command of the scenario, in its order.
var transcriptDir = filepath.Join("testdata", "transcripts")

// transcript is what one command left.
type transcript struct {
	Command string `json:"command"`
	Input   string `json:"input,omitempty"` // what standard input was
	Exit    int    `json:"exit"`
	// Errors are the lines of the error stream.
	Errors []string `json:"errors,omitempty"`
	// Output is the JSON that the command wrote, Outputs if it wrote several values,
	// Text the lines of what is no JSON.
	Output  json.RawMessage   `json:"output,omitempty"`
	Outputs []json.RawMessage `json:"outputs,omitempty"`
	Text    []string          `json:"text,omitempty"`
}

// transcripts runs commands and compares what they leave with the files.
type transcripts struct {
	*stack
	t *testing.T
	// known are texts of this run, such as directories, by what stands for them.
	known map[string]string
	files []string
}

// command is one command of the scenario.
type command struct {
	slug  string // of the file's name
	exit  int
	input string // standard input
	from  string // what the transcript calls the input
	args  []string
	// until has the command repeated until its output is what the scenario waits for.
	until func(stdout string) bool
	// keys keeps only the names of the output's fields: what they hold is checked
	// elsewhere, and long.
	keys bool
}

// run runs a command without input and compares its transcript.
func (tr *transcripts) run(slug string, exit int, args ...string) {
	tr.t.Helper()
	tr.do(command{slug: slug, exit: exit, args: args})
}

// do runs a command and compares its transcript.
func (tr *transcripts) do(c command) {
	tr.t.Helper()
	var code int
	var stdout, stderr string
	once := func() bool {
		code, stdout, stderr = tr.rollcall(c.input, c.args...)
		return c.until == nil || c.until(stdout)
	}
	tr.eventually("rollcall "+strings.Join(c.args, " ")+" to answer what the scenario goes on with", once)
	if code != c.exit {
		tr.t.Errorf("%s: rollcall %s ended with %d, want %d\n%s%s", c.slug, strings.Join(c.args, " "), code, c.exit, stdout, stderr)
	}
	got := transcript{Command: "rollcall " + strings.Join(c.args, " "), Input: c.from, Exit: code, Errors: lines(stderr)}
	if got.setOutput(stdout); c.keys {
		got.keepKeys(tr.t)
	}
	tr.compare(c.slug, got)
}

// keepKeys leaves the names of the output's fields of it, as its lines.
func (s *transcript) keepKeys(t *testing.T) {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(s.Output, &object); err != nil {
		t.Fatal(err)
	}
	s.Output, s.Text = nil, slices.Sorted(maps.Keys(object))
}

// setOutput keeps JSON as JSON, so that its fields stay in their order.
func (s *transcript) setOutput(stdout string) {
	var values []json.RawMessage
	for decoder := json.NewDecoder(strings.NewReader(stdout)); ; {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.Text = lines(stdout)
			return
		}
		values = append(values, value)
	}
	if len(values) == 1 {
		s.Output = values[0]
	} else {
		s.Outputs = values
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// compare compares a transcript with its file, or writes it.
func (tr *transcripts) compare(slug string, got transcript) {
	tr.t.Helper()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(got); err != nil {
		tr.t.Fatal(err)
	}
	text := tr.normalise(body.String())
	name := fmt.Sprintf("%03d-%s.json", len(tr.files)+1, slug)
	tr.files = append(tr.files, name)
	path := filepath.Join(transcriptDir, name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tr.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tr.t.Errorf("%v: write it with  go test ./e2e -run TestTranscripts -update", err)
		return
	}
	if diff := cmp.Diff(lines(string(want)), lines(text)); diff != "" {
		tr.t.Errorf("%s differs (-want +got); if that is meant, run  go test ./e2e -run TestTranscripts -update\n%s", path, diff)
	}
}

// begin empties the directory where transcripts are written.
func (tr *transcripts) begin() {
	tr.t.Helper()
	if !*update {
		return
	}
	if err := os.RemoveAll(transcriptDir); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.MkdirAll(transcriptDir, 0o755); err != nil {
		tr.t.Fatal(err)
	}
}

// end checks that every file is one of this scenario.
func (tr *transcripts) end() {
	tr.t.Helper()
	entries, err := os.ReadDir(transcriptDir)
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(tr.files, e.Name()) {
			tr.t.Errorf("%s is of no command: run  go test ./e2e -run TestTranscripts -update", filepath.Join(transcriptDir, e.Name()))
		}
	}
}

// variable is a sort of text that differs from run to run.
type variable struct {
	pattern *regexp.Regexp // its last group is the text
	name    string
	// numbered texts are told apart: equal ones have equal numbers.
	numbered bool
}

// variables returns what differs from run to run, by its form. The order matters: a
// run's id holds text that looks like a digest.
func variables() []variable {
	of := func(pattern, name string, numbered bool) variable {
		return variable{regexp.MustCompile(pattern), name, numbered}
	}
	return []variable{
		of(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "run", true),
		of(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?`, "time", false),
		of(`"\w+_ms": (\d+)`, `"milliseconds"`, false),
		of(`"attempt": (\d+)`, `"attempts"`, false),
		// Tenants that are replicated at once look up what they share once or twice.
		of(`"calls": ([1-9]\d*)`, `"calls"`, false),
		of(`\brevoke/([a-z2-7]{16})\b`, "revocation", true),
		of(`\bgroup/([0-9a-zA-Z._-]+)`, "renaming", true),
		of(`\b[0-9a-z]{100}\b`, "random", true),
		of(`\b[0-9a-f]{64}\b`, "digest", true),
		of(`\b[0-9a-f]{32}\b`, "digest", true),
		of(`"digest": "([0-9a-f]{16})"`, "digest of a connection", true),
		of(`"(\d+@[^"]+)"`, "worker", true),
		of(`\b[a-z2-7]{26}\b`, "id", true),
		of(`\b[0-9a-f]{12}\b`, "digest", true),
		of(`127\.0\.0\.1:\d+`, "address", true),
		of(`\bos:([\w.-]+@[\w.-]+)`, "user and host", false),
		of(`\b(?:after|within|in|every) (\d[0-9.]*(?:ms|s|m|h)(?:\d[0-9.]*s)?)\b`, "duration", false),
	}
}

// normalise writes what differs from run to run in the same way each time.
func (tr *transcripts) normalise(text string) string {
	for from, to := range tr.known {
		text = strings.ReplaceAll(text, from, to)
	}
	for _, v := range variables() {
		numbers := map[string]int{}
		var out strings.Builder
		last := 0
		for _, at := range v.pattern.FindAllStringSubmatchIndex(text, -1) {
			from, to := at[len(at)-2], at[len(at)-1]
			found := text[from:to]
			if numbers[found] == 0 {
				numbers[found] = len(numbers) + 1
			}
			out.WriteString(text[last:from])
			out.WriteString(v.write(numbers[found]))
			last = to
		}
		out.WriteString(text[last:])
		text = out.String()
	}
	return text
}

// write writes what stands for the text of that number.
func (v variable) write(number int) string {
	if quoted, ok := strings.CutPrefix(v.name, `"`); ok {
		return `"<` + strings.TrimSuffix(quoted, `"`) + `>"`
	}
	if !v.numbered {
		return "<" + v.name + ">"
	}
	return fmt.Sprintf("<%s %d>", v.name, number)
}
