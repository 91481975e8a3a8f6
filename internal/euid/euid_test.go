package euid_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/euid"
)

func TestApply(t *testing.T) {
	cases := []struct {
		reason  string
		pattern string
		euid    string
		want    string
	}{
		{"the default leaves the euid alone", euid.Default, "jane", "jane"},
		{"text after the verb", "%s@example.com", "jane", "jane@example.com"},
		{"text before the verb, upper case", "example.com/%S", "jane", "example.com/JANE"},
		{"only the euid is upper-cased, not the text", "corp\\%S.x", "jane", "corp\\JANE.x"},
		{"text on both sides", "a-%s-b", "jane", "a-jane-b"},
		{"percent signs", "%%%s%%", "jane", "%jane%"},
		{"a percent sign before a letter that is no verb", "100%%d/%s", "jane", "100%d/jane"},
		{"an euid with verbs in it is only text", "%s@example.com", "%s%%", "%s%%@example.com"},
		{"sharp s grows to two letters", "%S", "straße", "STRASSE"},
		{"i has no dot: no language is assumed", "%S", "iris", "IRIS"},
		{"dotless i loses nothing more than its case", "%S", "ılgaz", "ILGAZ"},
		{"dotted capital I is upper case already", "%S", "İris", "İRIS"},
		{"a combining accent joins its letter", "%S", "jose\u0301", "JOS\u00c9"},
		{"composed, whatever the case", "%s", "jose\u0301", "jos\u00e9"},
		{"a composed accent is upper-cased whole", "%S", "jos\u00e9", "JOS\u00c9"},
		{"a ligature falls apart", "%S", "ﬁona", "FIONA"},
		{"final sigma", "%S", "γιώργος", "ΓΙΏΡΓΟΣ"},
		{"a text in the pattern beyond ASCII", "münchen/%s", "jane", "münchen/jane"},
		{"an empty euid is the caller's to refuse", "%s@example.com", "", "@example.com"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			p, err := euid.Parse(tc.pattern)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tc.pattern, err)
			}
			if got := p.Apply(tc.euid); got != tc.want {
				t.Errorf("Parse(%q).Apply(%q) = %q, want %q", tc.pattern, tc.euid, got, tc.want)
			}
			if got := p.String(); got != tc.pattern {
				t.Errorf("Parse(%q).String() = %q", tc.pattern, got)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	cases := []struct {
		reason  string
		pattern string
		says    string
	}{
		{"nothing", "", "empty"},
		{"no verb", "example.com", "at byte 12 is the end"},
		{"only percent signs", "%%%%", "at byte 5 is the end"},
		{"two verbs", "%s-%s", "at byte 4 is a second verb, after the one at byte 1"},
		{"two verbs of two sorts", "é%s%S", "at byte 5 is a second verb, after the one at byte 3"},
		{"a verb of fmt", "user-%d", `at byte 6 is "%d"`},
		{"a width", "%5s", `at byte 1 is "%5"`},
		{"a precision", "%.3s", `at byte 1 is "%."`},
		{"a position, as in Java", "%1$s", `at byte 1 is "%1"`},
		{"a verb beyond ASCII", "%ß", `"%ß"`},
		{"a lone percent sign", "%s%", "at byte 3 is a lone %"},
		{"a percent sign before an at sign", "%s%@example.com", `at byte 3 is "%@"`},
		{"a line break from a YAML block", "%s\n", "at byte 3 is the control character U+000A"},
		{"a byte that is not UTF-8", "%s\xff", "at byte 3 is a byte that is not UTF-8"},
		{"a byte that is not UTF-8 as a verb", "%\xff", "at byte 2 is a byte that is not UTF-8"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			_, err := euid.Parse(tc.pattern)
			if !errors.Is(err, euid.ErrPattern) {
				t.Fatalf("Parse(%q) = %v, want an ErrPattern", tc.pattern, err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Parse(%q) says %q, want it to say %q", tc.pattern, err, tc.says)
			}
			if !strings.Contains(err.Error(), "%s") {
				t.Errorf("Parse(%q) says %q, which does not say what is allowed", tc.pattern, err)
			}
		})
	}
}

func TestEUID(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, pattern, name, want string
		ok                          bool
	}{
		{"the text around the verb is removed", "%s@example.com", "jane@example.com", "jane", true},
		{"another domain", "%s@example.com", "jane@example.org", "", false},
		{"another beginning", `corp\%s`, "jane", "", false},
		{"a text around the verb that overlaps itself", "aba%saba", "aba", "", false},
		{"a small letter in upper case", "%S", "Jane", "", false},
		{"one of several euids", "%S", "STRASSE", "STRASSE", true},
	} {
		p, err := euid.Parse(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.EUID(tc.name)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: EUID(%q) = %q, %t, want %q, %t", tc.reason, tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestZeroPatternIsTheDefault(t *testing.T) {
	p, err := euid.Parse(euid.Default)
	if err != nil {
		t.Fatal(err)
	}
	if p != (euid.Pattern{}) {
		t.Errorf("Parse(Default) = %#v, want the zero Pattern", p)
	}
}

func TestApplyByManyGoroutines(t *testing.T) {
	p, err := euid.Parse("%S")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got := p.Apply("straße"); got != "STRASSE" {
					t.Errorf("Apply = %q, want STRASSE", got)
					return
				}
			}
		})
	}
	all.Wait()
}

// text draws texts that a pattern may hold, percent signs included.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.RuneFrom([]rune("ab@./\\%ßéİ"), unicode.Latin, unicode.Greek, unicode.Mn))
}

func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

func TestProperties(t *testing.T) {
	t.Run("the text around the verb is kept, in composed form", rapid.MakeCheck(func(t *rapid.T) {
		before, after, person := text().Draw(t, "before"), text().Draw(t, "after"), text().Draw(t, "euid")
		verb := rapid.SampledFrom([]string{"%s", "%S"}).Draw(t, "verb")
		got := mustParse(t, escape(before)+verb+escape(after)).Apply(person)
		if !norm.NFC.IsNormalString(got) {
			t.Fatalf("%q is not in composed form", got)
		}
		if want := norm.NFC.String(before + person + after); verb == "%s" && got != want {
			t.Fatalf("%q is not %q", got, want)
		}
	}))
	t.Run("%s keeps different people apart", rapid.MakeCheck(func(t *rapid.T) {
		p := mustParse(t, escape(text().Draw(t, "before"))+"%s"+escape(text().Draw(t, "after")))
		a, b := text().Draw(t, "a"), text().Draw(t, "b")
		if (norm.NFC.String(a) == norm.NFC.String(b)) != (p.Apply(a) == p.Apply(b)) {
			t.Fatalf("%q and %q become %q and %q", a, b, p.Apply(a), p.Apply(b))
		}
	}))
	t.Run("an euid of a name makes the name", rapid.MakeCheck(func(t *rapid.T) {
		before, after := rapid.SampledFrom([]string{"", "corp\\", "%"}), rapid.SampledFrom([]string{"", "@example.com"})
		verb := rapid.SampledFrom([]string{"%s", "%S"}).Draw(t, "verb")
		p := mustParse(t, escape(before.Draw(t, "before"))+verb+escape(after.Draw(t, "after")))
		name := p.Apply(text().Draw(t, "euid"))
		if got, ok := p.EUID(name); !ok || p.Apply(got) != name {
			t.Fatalf("EUID(%q) of %s = %q, %t, which makes %q", name, p, got, ok, p.Apply(got))
		}
	}))
	t.Run("%S of %S is %S", rapid.MakeCheck(func(t *rapid.T) {
		p := mustParse(t, "%S")
		once := p.Apply(rapid.String().Draw(t, "euid"))
		if twice := p.Apply(once); twice != once {
			t.Fatalf("upper case of %q is %q", once, twice)
		}
	}))
}

func mustParse(t *rapid.T, pattern string) euid.Pattern {
	p, err := euid.Parse(pattern)
	if err != nil {
		t.Fatalf("Parse(%q): %v", pattern, err)
	}
	return p
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"%s", "%S", "%%%s", "example.com/%S", "%s%s", "%d", "%", "", "%\xff", "é%s\n"} {
		f.Add(seed, "straße")
	}
	f.Fuzz(func(t *testing.T, pattern, person string) {
		p, err := euid.Parse(pattern)
		if err != nil {
			if !errors.Is(err, euid.ErrPattern) || !utf8.ValidString(err.Error()) {
				t.Fatalf("Parse(%q): %q is not a readable ErrPattern", pattern, err)
			}
			return
		}
		if p.String() != pattern {
			t.Fatalf("Parse(%q).String() = %q", pattern, p.String())
		}
		if first, second := p.Apply(person), p.Apply(person); first != second {
			t.Fatalf("Parse(%q).Apply(%q) is not the same twice", pattern, person)
		}
	})
}
