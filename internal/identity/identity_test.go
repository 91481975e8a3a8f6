package identity_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

func TestComparison(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, a, b       string
		exact, ignoresCase bool
	}{
		{"the same", "ana", "ana", true, true},
		{"ASCII case", "Ana@Example.com", "aNA@example.COM", false, true},
		{"a letter beyond ASCII has no case here", "zoë", "zoË", false, false},
		{"the Kelvin sign is the letter K to Unicode itself", "\u212a", "K", true, true},
		{"a dotted capital I is no i", "İlker", "ilker", false, false},
		{"a dotless i is no i", "ılker", "Ilker", false, false},
		{"a long s is no s", "ſaziz", "saziz", false, false},
		{"a sharp s is not two of them", "straße", "strasse", false, false},
		{"a ligature is not its letters", "ﬁnn", "finn", false, false},
		{"composition", "jose\u0301", "jos\u00e9", true, true},
		{"a capital that has no composed form", "Y\u030a", "\u1e99", false, true},
		{"composition and ASCII case", "JOSe\u0301", "josé", false, true},
		{"full width is another character", "ａna", "ana", false, false},
		{"a Cyrillic letter", "аna", "ana", false, false},
		{"blanks count", "ana ", "ana", false, false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			if got := identity.Exact.Same(tc.a, tc.b); got != tc.exact {
				t.Errorf("Exact.Same(%+q, %+q) = %t, want %t", tc.a, tc.b, got, tc.exact)
			}
			if got := identity.IgnoreCase.Same(tc.a, tc.b); got != tc.ignoresCase {
				t.Errorf("IgnoreCase.Same(%+q, %+q) = %t, want %t", tc.a, tc.b, got, tc.ignoresCase)
			}
		})
	}
}

// TestKey_EveryCharacter goes through all of Unicode: two characters share a key only if they
// are canonically equivalent, or two cases of an ASCII letter.
func TestKey_EveryCharacter(t *testing.T) {
	t.Parallel()
	first := map[identity.Key]rune{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		key := identity.IgnoreCase.Key(string(r))
		other, duplicate := first[key]
		if !duplicate {
			first[key] = r
			continue
		}
		a, b := norm.NFD.String(string(r)), norm.NFD.String(string(other))
		if a != b && (len(a) > 1 || len(b) > 1 || !strings.EqualFold(a, b)) {
			t.Errorf("%U and %U share the key %+q", r, other, key)
		}
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	// Letters that case mapping and composition change, and such that they change into.
	text := rapid.StringOf(rapid.RuneFrom([]rune("aAbßſKkiIİıﬁﬀΣσςéǅǄe\u0301\u0323\u212a\u2126Ωω. @"), unicode.Latin, unicode.Greek, unicode.Mn))
	comparison := rapid.SampledFrom([]identity.Comparison{identity.Exact, identity.IgnoreCase})
	pattern := rapid.SampledFrom([]string{"%s", "%S", "%s@example.com", "corp\\%S", "ä%S\u0301"})
	t.Run("a key is its own key", rapid.MakeCheck(func(t *rapid.T) {
		c := comparison.Draw(t, "comparison")
		key := c.Key(text.Draw(t, "name"))
		if second := c.Key(string(key)); second != key {
			t.Fatalf("the key of %+q is %+q", key, second)
		}
	}))
	t.Run("what IgnoreCase distinguishes, Exact does", rapid.MakeCheck(func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if identity.Exact.Same(a, b) && !identity.IgnoreCase.Same(a, b) {
			t.Fatalf("%+q and %+q", a, b)
		}
	}))
	t.Run("users of one account have one search key", rapid.MakeCheck(func(t *rapid.T) {
		p, err := euid.Parse(pattern.Draw(t, "pattern"))
		if err != nil {
			t.Fatal(err)
		}
		a := text.Draw(t, "a")
		b := rapid.OneOf(text, rapid.Just(strings.ToUpper(a)), rapid.Just(strings.ToLower(a)), rapid.Just(norm.NFD.String(a)),
			rapid.Just(identity.Upper(a))).Draw(t, "b")
		c := comparison.Draw(t, "comparison")
		if c.Same(p.Apply(a), p.Apply(b)) && identity.SearchKey(a) != identity.SearchKey(b) {
			t.Fatalf("%+q and %+q are the account %+q, their search keys %+q and %+q",
				a, b, p.Apply(a), identity.SearchKey(a), identity.SearchKey(b))
		}
	}))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ reason, name, message string }{
		{"an address", "ana.moreno+x@example.com", ""},
		{"a name with letters beyond ASCII", "zoë.müller", ""},
		{"a decomposed name is the composed one", "zoe\u0308", ""},
		{"a space between words", "Ana Moreno", ""},
		{"characters that queries use are characters", `x' or "1"=*)(uid=*;--`, ""},
		{"an emoji is to be seen", "😀", ""},
		{"a Cyrillic letter is a letter", "аmoreno", ""},
		{"nothing", "", "empty"},
		{"a blank at the end", "ana ", "begins or ends with a blank"},
		{"a blank at the beginning", " ana", "begins or ends with a blank"},
		{"a line break", "ana\n", "at byte 4 is U+000A <control>, a control character"},
		{"a byte order mark, as a CSV file begins", "\ufeffana", "at byte 1 is U+FEFF ZERO WIDTH NO-BREAK SPACE, a format character"},
		{"a zero-width space", "a\u200bna", "at byte 2 is U+200B ZERO WIDTH SPACE, a format character"},
		{"an override of the direction", "\u202eana", "U+202E RIGHT-TO-LEFT OVERRIDE, a format character"},
		{"a soft hyphen", "an\u00ada", "U+00AD SOFT HYPHEN, a format character"},
		{"a filler that is a letter", "an\u3164a", "U+3164 HANGUL FILLER, which is not shown"},
		{"a variation selector", "ana\ufe0f", "U+FE0F VARIATION SELECTOR-16, which is not shown"},
		{"a combining character that is not shown", "ana\u034f", "U+034F COMBINING GRAPHEME JOINER, which is not shown"},
		{"private use", "ana\ue000", "U+E000 <Private Use>, a private-use character"},
		{"unassigned", "ana\U000e0fff", "U+E0FFF"},
		{"a blank that is no space", "ana\u00a0moreno", "U+00A0 NO-BREAK SPACE, a blank"},
		{"a Kelvin sign", "\u212anovak", "U+212A KELVIN SIGN, which is another way to write U+004B LATIN CAPITAL LETTER K"},
		{"an Ohm sign", "\u2126", "another way to write U+03A9 GREEK CAPITAL LETTER OMEGA"},
		{"a byte that is not UTF-8", "ana\xff", "byte 4 is not UTF-8"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			err := identity.Check(tc.name)
			switch {
			case tc.message == "" && err != nil:
				t.Errorf("Check(%+q) = %v, want nil", tc.name, err)
			case tc.message != "" && !errors.Is(err, identity.ErrName):
				t.Errorf("Check(%+q) = %v, want an ErrName", tc.name, err)
			case tc.message != "" && !strings.Contains(err.Error(), tc.message):
				t.Errorf("Check(%+q) says %q, want it to say %q", tc.name, err, tc.message)
			}
		})
	}
}

// TestCheck_EveryCharacter: a name that passes has no other character of the same key, but
// for the case of ASCII letters.
func TestCheck_EveryCharacter(t *testing.T) {
	t.Parallel()
	byKey := map[identity.Key]rune{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || identity.Check(string(r)) != nil {
			continue
		}
		if !unicode.IsPrint(r) {
			t.Errorf("Check accepts %U, which is not shown", r)
		}
		key := identity.Exact.Key(string(r))
		if other, duplicate := byKey[key]; duplicate {
			t.Errorf("Check accepts %U and %U, which are one to Unicode", r, other)
		}
		byKey[key] = r
	}
	if len(byKey) < 100_000 {
		t.Errorf("Check accepts %d characters, want all letters of Unicode", len(byKey))
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ reason, name, want string }{
		{"ASCII is as it looks", "ana", `"ana"`},
		{"a look-alike", "аna", `"аna" (with U+0430 CYRILLIC SMALL LETTER A)`},
		{"what is not shown", "a\u200bna", `"a\u200bna" (with U+200B ZERO WIDTH SPACE)`},
		{"each once", "éé", `"éé" (with U+00E9 LATIN SMALL LETTER E WITH ACUTE)`},
		{"not a page of them", "άέήί", `"άέήί" (with U+03AC GREEK SMALL LETTER ALPHA WITH TONOS, ` +
			`U+03AD GREEK SMALL LETTER EPSILON WITH TONOS, U+03AE GREEK SMALL LETTER ETA WITH TONOS, 1 more)`},
	} {
		if got := identity.Quote(tc.name); got != tc.want {
			t.Errorf("%s: Quote = %s, want %s", tc.reason, got, tc.want)
		}
	}
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, name, existing string
		want                   access.Similarity
	}{
		{"equal", "ana", "ana", ""},
		{"another name", "ana", "anna", ""},
		{"case", "ana", "ANA", access.DiffersByCase},
		{"case beyond ASCII", "zoë", "ZOË", access.DiffersByCase},
		{"sharp s", "straße", "STRASSE", access.DiffersByCase},
		{"composition", "zoe\u0308", "zo\u00eb", access.DiffersByComposition},
		{"a blank at the end", "ana", "ana ", access.DiffersByBlanks},
	} {
		if got := identity.Similar(tc.name, tc.existing); got != tc.want {
			t.Errorf("%s: Similar = %q, want %q", tc.reason, got, tc.want)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	for name, text := range map[string]string{"ascii": "ana.moreno@example.com", "beyond": "zoë.müller@example.com"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				identity.IgnoreCase.Key(text)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"ana", "\u212a", "a\u200b", "\xff", "jose\u0301", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := identity.Check(name)
		if err != nil && (!errors.Is(err, identity.ErrName) || !utf8.ValidString(err.Error())) {
			t.Fatalf("Check(%+q) = %q", name, err)
		}
		if err == nil && identity.Check(identity.Normalize(name)) != nil {
			t.Fatalf("Check accepts %+q and not its normal form", name)
		}
		if !utf8.ValidString(identity.Quote(name)) {
			t.Fatalf("Quote(%+q) is not UTF-8", name)
		}
	})
}
