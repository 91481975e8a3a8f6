package naming_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/naming"
)

// values are the ones the tables expand.
func values() naming.Values {
	return naming.Values{
		Workspace: "payments", Project: "mobile-app", ProjectID: "payments.mobile-app",
		Platform: "openstack.eu-1", GroupAlias: "admin", Number: 7,
		Random: strings.Repeat("k3x9", 25),
		Tags: map[string][]string{
			"Environment": {"prod"}, "cost-center": {"4711"}, "city": {"Köln"},
			"Owners": {"a", "b"}, "Blank": {""}, "Empty": {},
		},
	}
}

func TestExpand(t *testing.T) {
	cases := []struct {
		reason  string
		pattern string
		want    string
	}{
		{"the default", naming.Default, "payments.mobile-app.admin"},
		{"text alone", "everybody", "everybody"},
		{"every placeholder that is a text", "#{workspaceIdentifier}|#{projectIdentifier}|#{platform}|#{platformGroupAlias}",
			"payments|mobile-app|openstack.eu-1|admin"},
		{"the project's id by both names", "#{projectId}|#{meshProjectId}", "payments.mobile-app|payments.mobile-app"},
		{"the example of the public documentation", "#{projectIdentifier:%.7s}-#{tenantPlatformNumber:%03d}", "mobile--007"},
		{"a number without a format", "#{tenantPlatformNumber}", "7"},
		{"a number with the plain format", "#{tenantPlatformNumber:%d}", "7"},
		{"a number of one digit", "#{tenantPlatformNumber:%01d}", "7"},
		{"the widest number", "#{tenantPlatformNumber:%020d}", "00000000000000000007"},
		{"a text with the plain format", "#{platformGroupAlias:%s}", "admin"},
		{"a text shorter than its format", "#{platformGroupAlias:%.100s}", "admin"},
		{"some random characters", "g-#{rand:%.6s}", "g-k3x9k3"},
		{"all random characters", "#{rand}", strings.Repeat("k3x9", 25)},
		{"a tag", "#{tagEnvironment}-x", "prod-x"},
		{"a tag whose name is not a word", "#{tagcost-center:%.2s}", "47"},
		{"characters are cut whole", "#{tagcity:%.2s}", "Kö"},
		{"a placeholder twice", "#{platform:%.1s}#{platform:%.2s}", "oop"},
		{"signs that open nothing", "a#b{c}d#}$e", "a#b{c}d#}$e"},
		{"a percent sign is only text", "100%-#{platformGroupAlias}", "100%-admin"},
		{"text beyond ASCII", "größe-#{platformGroupAlias}", "größe-admin"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			p, err := naming.Parse(tc.pattern)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tc.pattern, err)
			}
			got, err := p.Expand(values())
			if err != nil {
				t.Fatalf("Expand(%q): %v", tc.pattern, err)
			}
			if got != tc.want {
				t.Errorf("Expand(%q) = %q, want %q", tc.pattern, got, tc.want)
			}
			if p.String() != tc.pattern {
				t.Errorf("Parse(%q).String() = %q", tc.pattern, p)
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
		{"an open end", "a-#{platform", `at byte 3 is "#{" without its "}"`},
		{"a placeholder in a placeholder", "#{rand#{platform}", `at byte 1 is "#{" without its "}"`},
		{"an empty placeholder", "#{}", "at byte 3 is an empty placeholder"},
		{"an empty placeholder with a format", "#{:%s}", "an empty placeholder"},
		{"a slip", "#{projectIdentifer}", "did you mean #{projectIdentifier}?"},
		{"another case", "é#{PlatformGroupAlias}", "at byte 5 is the unknown placeholder \"PlatformGroupAlias\": did you mean #{platformGroupAlias}?"},
		{"blanks around the name", "#{ platform }", "did you mean #{platform}?"},
		{"nothing like it", "#{x}", "write one of #{workspaceIdentifier}"},
		{"the old name of workspaces", "#{customerIdentifier}", "#{workspaceIdentifier}"},
		{"a tag without a name", "#{tag}", "#{tagEnvironment}"},
		{"a text as a number", "#{platform:%03d}", `at byte 12 is the format "%03d" for platform: it is a text`},
		{"a tag as a number", "#{tagyear:%d}", "it is a text"},
		{"a number as a text", "#{tenantPlatformNumber:%s}", "it is a number: write %d, or %0Nd with N from 1 to 20"},
		{"a number cut off", "#{tenantPlatformNumber:%.3d}", "it is a number"},
		{"a number with blanks in front", "#{tenantPlatformNumber:%3d}", "it is a number"},
		{"a number of no digits", "#{tenantPlatformNumber:%00d}", "it is a number"},
		{"a number that is too wide", "#{tenantPlatformNumber:%021d}", "from 1 to 20"},
		{"a format without anything", "#{platform:}", `the format "" for platform`},
		{"a text of no characters", "#{platform:%.0s}", "from 1 to 100"},
		{"a text that is too long", "#{platform:%.101s}", "from 1 to 100"},
		{"a number beyond all numbers", "#{platform:%.99999999999999999999999s}", "from 1 to 100"},
		{"a negative precision", "#{platform:%.-1s}", "it is a text"},
		{"no precision after the point", "#{platform:%.s}", "it is a text"},
		{"a precision with a zero in front", "#{platform:%.07s}", "it is a text"},
		{"a width for a text", "#{platform:%-10s}", "it is a text"},
		{"upper case, which Java knows", "#{platform:%S}", "it is a text"},
		{"a position, as in the old configuration", "#{platform:%1$s}", "it is a text"},
		{"more after the format", "#{platform:%s-}", "it is a text"},
		{"a line break from a YAML block", "#{platform}\n", "at byte 12 is the control character U+000A"},
		{"a byte that is not UTF-8", "a\xff", "at byte 2 is a byte that is not UTF-8"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			_, err := naming.Parse(tc.pattern)
			if !errors.Is(err, naming.ErrPattern) {
				t.Fatalf("Parse(%q) = %v, want an ErrPattern", tc.pattern, err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Parse(%q) says %q, want it to say %q", tc.pattern, err, tc.says)
			}
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	cases := []struct {
		reason  string
		pattern string
		values  naming.Values
		says    string
	}{
		{"a missing tag", "#{tagRegion}", values(), `#{tagRegion}: no value: the project has no tag "Region"`},
		{"a tag in another case", "#{tagenvironment}", values(), `no tag "environment"`},
		{"a tag without values", "#{tagEmpty}", values(), `no tag "Empty"`},
		{"a tag with a blank value", "#{tagBlank}", values(), `no tag "Blank"`},
		{"a tag with two values", "#{tagOwners}", values(), `tag "Owners" has 2 values`},
		{"a number before it is drawn", "#{tenantPlatformNumber}", naming.Values{}, "no number is drawn"},
		{"random characters before they are drawn", "#{rand:%.8s}", naming.Values{}, "#{rand}: no value"},
		{"a text that is empty", "a-#{platformGroupAlias}", naming.Values{}, "#{platformGroupAlias}: no value"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			p, err := naming.Parse(tc.pattern)
			if err != nil {
				t.Fatal(err)
			}
			name, err := p.Expand(tc.values)
			if !errors.Is(err, naming.ErrValue) || name != "" {
				t.Fatalf("Expand(%q) = %q, %v, want an ErrValue", tc.pattern, name, err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Expand(%q) says %q, want it to say %q", tc.pattern, err, tc.says)
			}
		})
	}
}

func TestUses(t *testing.T) {
	p, err := naming.Parse("rand-#{meshProjectId:%.5s}-#{tagEnvironment}")
	if err != nil {
		t.Fatal(err)
	}
	for placeholder, want := range map[naming.Placeholder]bool{
		naming.ProjectID:                   true, // by its other name
		naming.TagPrefix + "Environment":   true,
		naming.TagPrefix + "env":           false,
		naming.TagPrefix:                   false,
		naming.Random:                      false, // it is only text there
		naming.PlatformGroupAlias:          false,
		naming.Placeholder(""):             false,
		naming.Placeholder("-#{platform}"): false,
	} {
		if got := p.Uses(placeholder); got != want {
			t.Errorf("Uses(%q) = %v, want %v", placeholder, got, want)
		}
	}
}

func TestProperties(t *testing.T) {
	t.Run("text without placeholders is kept to the byte", rapid.MakeCheck(func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Zäß0-9#%:}. -]{1,40}`).Draw(t, "text")
		if got := expand(t, text, values()); got != text {
			t.Fatalf("%q becomes %q", text, got)
		}
	}))
	t.Run("a cut text is a prefix of at most that many characters", rapid.MakeCheck(func(t *rapid.T) {
		n := rapid.IntRange(1, naming.MaxPrecision).Draw(t, "n")
		alias := rapid.StringN(1, 120, -1).Draw(t, "alias")
		got := expand(t, fmt.Sprintf("#{platformGroupAlias:%%.%ds}", n), naming.Values{GroupAlias: alias})
		if want := min(n, utf8.RuneCountInString(alias)); utf8.RuneCountInString(got) != want || !strings.HasPrefix(alias, got) {
			t.Fatalf("the first %d characters of %q are %q", n, alias, got)
		}
	}))
	t.Run("different numbers have different names, of the width at least", rapid.MakeCheck(func(t *rapid.T) {
		width := rapid.IntRange(1, naming.MaxWidth).Draw(t, "width")
		number := rapid.IntRange(1, 1<<40)
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		pattern := fmt.Sprintf("#{tenantPlatformNumber:%%0%dd}", width)
		first, second := expand(t, pattern, naming.Values{Number: a}), expand(t, pattern, naming.Values{Number: b})
		if (a == b) != (first == second) || len(first) < width {
			t.Fatalf("%d and %d become %q and %q", a, b, first, second)
		}
	}))
	t.Run("values are never read as patterns", rapid.MakeCheck(func(t *rapid.T) {
		alias := rapid.SampledFrom([]string{"#{rand}", "%s", "#{", "}", "%%"}).Draw(t, "alias")
		if got := expand(t, "a#{platformGroupAlias}b", naming.Values{GroupAlias: alias}); got != "a"+alias+"b" {
			t.Fatalf("the alias %q gives %q", alias, got)
		}
	}))
	t.Run("the default keeps roles and tenants apart", rapid.MakeCheck(func(t *rapid.T) {
		identifier := rapid.StringMatching(`[a-c]([a-c-]?[a-c])?`) // few, so that equal ones are drawn
		alias := rapid.StringMatching(`[a-c.-]{1,4}`)
		draw := func(label string) naming.Values {
			return naming.Values{
				Workspace: identifier.Draw(t, label+" workspace"), Project: identifier.Draw(t, label+" project"),
				GroupAlias: alias.Draw(t, label+" alias"),
			}
		}
		a, b := draw("a"), draw("b")
		same := a.Workspace == b.Workspace && a.Project == b.Project && a.GroupAlias == b.GroupAlias
		if same != (expand(t, naming.Default, a) == expand(t, naming.Default, b)) {
			t.Fatalf("%+v and %+v", a, b)
		}
	}))
}

func expand(t *rapid.T, pattern string, v naming.Values) string {
	p, err := naming.Parse(pattern)
	if err != nil {
		t.Fatalf("Parse(%q): %v", pattern, err)
	}
	name, err := p.Expand(v)
	if err != nil {
		t.Fatalf("Expand(%q): %v", pattern, err)
	}
	return name
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		naming.Default, "#{rand:%.6s}", "#{tenantPlatformNumber:%03d}", "#{tagEnvironment}", "#{tag}", "#{", "#{}", "#{:}",
		"#{meshProjectId:%s}", "#{platform:%.101s}", "a#b{c}", "é#{x}", "\xff", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		p, err := naming.Parse(pattern)
		if err != nil {
			if !errors.Is(err, naming.ErrPattern) || !utf8.ValidString(err.Error()) {
				t.Fatalf("Parse(%q): %q is not a readable ErrPattern", pattern, err)
			}
			return
		}
		first, err := p.Expand(values())
		if err != nil && !errors.Is(err, naming.ErrValue) {
			t.Fatalf("Expand(%q): %v is no ErrValue", pattern, err)
		}
		if second, _ := p.Expand(values()); second != first {
			t.Fatalf("Expand(%q) = %q, then %q", pattern, first, second)
		}
		if !utf8.ValidString(first) {
			t.Fatalf("Expand(%q) = %q is not UTF-8", pattern, first)
		}
	})
}
