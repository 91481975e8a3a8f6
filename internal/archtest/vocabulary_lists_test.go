package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// retiredRule is one line of retired.txt.
type retiredRule struct {
	// spellings are words in a row. The first stands for all.
	spellings   [][]string
	where       string
	replacement string
	exceptions  []exception
}

// name returns the spelling that stands for all.
func (r retiredRule) name() string { return strings.Join(r.spellings[0], " ") }

// exception says where a retired word is right. One of its fields is set.
type exception struct {
	path   string
	kind   kind
	words  []string
	reason string
}

// retiredRules reads retired.txt.
func retiredRules(t *testing.T) []retiredRule {
	t.Helper()
	return parseRetired(t, readList(t, "retired.txt"))
}

func parseRetired(t *testing.T, lines []string) []retiredRule {
	t.Helper()
	var rules []retiredRule
	for _, line := range lines {
		columns := strings.Split(line, "|")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		if len(columns) < 3 || len(columns) > 4 {
			t.Fatalf("retired.txt: %q: write \"words | where | replacement | exceptions\"", line)
		}
		r := retiredRule{where: columns[1], replacement: columns[2]}
		if !slices.Contains([]string{"everywhere", "names", "whole names", "texts"}, r.where) || r.replacement == "" {
			t.Fatalf("retired.txt: %q: say where it is retired and what to use replacement", line)
		}
		for spelling := range strings.SplitSeq(columns[0], ",") {
			r.spellings = append(r.spellings, strings.Fields(spelling))
		}
		if len(columns) == 4 {
			r.exceptions = parseExceptions(t, columns[3])
		}
		rules = append(rules, r)
	}
	return rules
}

func parseExceptions(t *testing.T, text string) []exception {
	t.Helper()
	var all []exception
	for part := range strings.SplitSeq(text, ";") {
		pattern, reason, ok := strings.Cut(strings.TrimSpace(part), " (")
		reason, closed := strings.CutSuffix(reason, ")")
		if !ok || !closed || reason == "" {
			t.Fatalf("retired.txt: exception %q: write the reason after it in parentheses", part)
		}
		e := exception{reason: reason}
		name, isKind := strings.CutPrefix(pattern, "[")
		switch {
		case isKind:
			e.kind = kind(strings.TrimSuffix(name, "]"))
		case strings.Contains(pattern, "/"):
			e.path = pattern
		default:
			e.words = strings.Fields(pattern)
		}
		all = append(all, e)
	}
	return all
}

// retiredWords returns the single words that a list of the field must not bring
// back: for prose those retired in texts, else those retired in names. A word with
// exceptions is left out, too, as the exceptions allow it.
func retiredWords(t *testing.T, prose bool) map[string]bool {
	t.Helper()
	words := map[string]bool{}
	for _, r := range retiredRules(t) {
		if r.where != "everywhere" && (r.where != "names" || prose) {
			continue
		}
		for _, spelling := range r.spellings {
			if len(spelling) == 1 {
				words[spelling[0]] = true
			}
		}
	}
	return words
}

// matchesKind reports whether a rule is about a kind of name.
func (r retiredRule) matchesKind(u use, words []string) bool {
	switch r.where {
	case "names":
		return !u.kind.prose()
	case "whole names":
		return !u.kind.prose() && len(words) == 1
	case "texts":
		return u.kind.prose()
	default:
		return true
	}
}

// find sets matched for the words that a rule is about, and reports whether one of them is
// retired there. Where an exception holds, the word is matched and right.
func (r retiredRule) find(u use, words []string, matched []bool) bool {
	if !r.matchesKind(u, words) {
		return false
	}
	found := false
	for _, spelling := range r.spellings {
		for _, at := range indexes(words, spelling) {
			for i := range spelling {
				matched[at+i] = true
			}
			found = found || !r.allows(u, words, at, len(spelling))
		}
	}
	return found
}

func (r retiredRule) allows(u use, words []string, at, length int) bool {
	return slices.ContainsFunc(r.exceptions, func(e exception) bool {
		switch {
		case e.path != "":
			return matches(e.path, u.dir())
		case e.kind != "":
			return e.kind == u.kind
		}
		return slices.ContainsFunc(indexes(words, e.words), func(from int) bool {
			return from <= at && at+length <= from+len(e.words)
		})
	})
}

// indexes returns where some words stand in a row.
func indexes(words, row []string) []int {
	var all []int
	for i := range words {
		if len(row) > 0 && i+len(row) <= len(words) && slices.Equal(words[i:i+len(row)], row) {
			all = append(all, i)
		}
	}
	return all
}

// vocabulary is every list, read once.
type vocabulary struct {
	retired []retiredRule
	// starts are the indexes of rules, by the first word of their spellings.
	starts map[string][]int
	// names are the words that any name may have; texts may have prose, too.
	names, prose map[string]bool
	limited      []limitedList
}

// limitedList is a list for some directories.
type limitedList struct {
	dirs  []string
	words map[string]bool
}

func readVocabulary(t *testing.T) vocabulary {
	t.Helper()
	rules := retiredRules(t)
	v := vocabulary{retired: rules, starts: startsOf(rules), names: map[string]bool{}, prose: map[string]bool{}}
	for _, f := range fields() {
		into := v.names
		switch {
		case f.prose:
			into = v.prose
		case f.only != nil:
			into = map[string]bool{}
			v.limited = append(v.limited, limitedList{f.only, into})
		}
		for _, word := range readList(t, f.file) {
			into[word] = true
		}
	}
	for _, g := range readGlossary(t) {
		for _, word := range splitName(g.term) {
			v.names[word] = true
		}
	}
	return v
}

// has reports whether a word is in a list that counts for a use.
func (v vocabulary) has(u use, word string) bool {
	if v.names[word] || u.allowsProse() && v.prose[word] {
		return true
	}
	for _, l := range v.limited {
		if matchesAny(l.dirs, u.dir()) && l.words[word] {
			return true
		}
	}
	return false
}

// finding is one wrong word of a use.
type finding struct {
	use         use
	word        string
	retired     bool
	replacement string
}

// check returns the retired words that a use has, and those in no list.
func (v vocabulary) check(u use) []finding {
	words := v.parts(u, u.words())
	matched := make([]bool, len(words))
	var all []finding
	for _, i := range v.rulesFor(words) {
		if r := v.retired[i]; r.find(u, words, matched) {
			all = append(all, finding{use: u, word: r.name(), retired: true, replacement: r.replacement})
		}
	}
	for i, word := range words {
		listed := matched[i] || u.kind.retiredOnly() || isListed(word, func(w string) bool { return v.has(u, w) })
		if !listed && !slices.ContainsFunc(all, func(f finding) bool { return f.word == word }) {
			all = append(all, finding{use: u, word: word})
		}
	}
	return all
}

// parts splits the words that are written together, as Go's package names are:
// "storetest" is "store" and "test". Both parts are in a list or retired.
func (v vocabulary) parts(u use, words []string) []string {
	if u.kind.prose() {
		return words
	}
	known := func(word string) bool { return len(word) >= 3 && (v.has(u, word) || v.isRetired(word)) }
	var all []string
	for _, word := range words {
		if v.isRetired(word) || isListed(word, func(w string) bool { return v.has(u, w) }) {
			all = append(all, word)
			continue
		}
		if verb, ok := strings.CutSuffix(word, "f"); ok && known(verb) {
			all = append(all, verb) // as in Printf
			continue
		}
		all = append(all, splitJoined(word, known)...)
	}
	return all
}

func splitJoined(word string, known func(string) bool) []string {
	for i := len(word) - 3; i >= 3; i-- {
		if first, second := word[:i], word[i:]; known(first) && (known(second) || known(strings.TrimSuffix(second, "s"))) {
			return []string{first, second}
		}
	}
	return []string{word}
}

// isRetired reports whether a word alone is a retired one.
func (v vocabulary) isRetired(word string) bool {
	return slices.ContainsFunc(v.starts[word], func(i int) bool {
		return slices.ContainsFunc(v.retired[i].spellings, func(s []string) bool { return len(s) == 1 && s[0] == word })
	})
}

// rulesFor returns the indexes of the rules that may be about some words.
func (v vocabulary) rulesFor(words []string) []int {
	var rules []int
	for _, word := range words {
		rules = append(rules, v.starts[word]...)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// startsOf returns for each word the indexes of the rules with a spelling that
// begins with it.
func startsOf(rules []retiredRule) map[string][]int {
	starts := map[string][]int{}
	for i, r := range rules {
		for _, spelling := range r.spellings {
			starts[spelling[0]] = append(starts[spelling[0]], i)
		}
	}
	return starts
}

// glossaryTerm is one line of glossary.txt.
type glossaryTerm struct{ term, text string }

func readGlossary(t *testing.T) []glossaryTerm {
	t.Helper()
	var all []glossaryTerm
	for _, line := range readList(t, "glossary.txt") {
		term, text, ok := strings.Cut(line, "|")
		if !ok || strings.TrimSpace(text) == "" {
			t.Fatalf("glossary.txt: %q: write \"term | meaning\"", line)
		}
		all = append(all, glossaryTerm{strings.TrimSpace(term), strings.TrimSpace(text)})
	}
	return all
}

// readList returns the lines of a list without comments and blank lines.
func readList(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vocabularyDir, file))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}
