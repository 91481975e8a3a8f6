package access_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

func TestParseMark(t *testing.T) {
	mark := access.Mark{Installation: "prod", Tenant: "acme.shop/cloud"}
	tests := []struct {
		reason, text string
		want         access.Mark
	}{
		{"nothing", "", access.Mark{}},
		{"people's own text", "the shop's readers", access.Mark{}},
		{"only the words", "Managed by Rollcall", access.Mark{}},
		{"what Text writes", mark.Text(), mark},
		{"people added to it", "READ ME\n" + mark.Text() + "\nask ada@example.com", mark},
		{"people removed the words before it", "[rollcall prod acme.shop/cloud]", mark},
		{"cut off by a length limit", mark.Text()[:len(mark.Text())-1], access.Mark{}},
		{"no tenant", "[rollcall prod]", access.Mark{}},
		{"an empty tenant", "[rollcall prod ]", access.Mark{}},
		{"one word too many", "[rollcall prod acme.shop/cloud x]", access.Mark{}},
		{"in capitals it is not ours", "[ROLLCALL prod acme.shop/cloud]", access.Mark{}},
		{"the first of two counts", mark.Text() + " [rollcall test acme.shop/cloud]", mark},
		{"a broken one before it", "[rollcall [rollcall prod acme.shop/cloud]", mark},
	}
	for _, test := range tests {
		if got := access.ParseMark(test.text); got != test.want {
			t.Errorf("%s: ParseMark(%q) = %+v, want %+v", test.reason, test.text, got, test.want)
		}
	}
}

// TestMarkRoundTrip puts marks into longer texts that hold none of their own.
func TestMarkRoundTrip(t *testing.T) {
	word := rapid.StringMatching(`[^\s\]\[]+`)
	around := rapid.StringMatching(`[^\[]*`)
	rapid.Check(t, func(t *rapid.T) {
		want := access.Mark{Installation: word.Draw(t, "installation"), Tenant: word.Draw(t, "tenant")}
		text := around.Draw(t, "before") + want.Text() + rapid.String().Draw(t, "after")
		if got := access.ParseMark(text); got != want {
			t.Errorf("ParseMark(%q) = %+v, want %+v", text, got, want)
		}
	})
}

func FuzzParseMark(f *testing.F) {
	for _, seed := range []string{"", "[rollcall a b]", "[rollcall a b", "x [rollcall  ] y", "[rollcall [rollcall a b]]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mark := access.ParseMark(text)
		if mark.Unread {
			t.Errorf("the mark in %q was read and says it was not", text)
		}
		if (mark.Installation == "") != (mark.Tenant == "") {
			t.Errorf("ParseMark(%q) = %+v, half a mark", text, mark)
		}
		if again := access.ParseMark(mark.Text()); again != mark {
			t.Errorf("%q: the mark %+v is read back as %+v", text, mark, again)
		}
	})
}

func TestMarkAgrees(t *testing.T) {
	ours := access.Mark{Installation: "prod", Tenant: "acme.shop/cloud"}
	tests := []struct {
		reason string
		mark   access.Mark
		want   bool
	}{
		{"the same", ours, true},
		{"nobody looked", access.Unread(), true},
		{"looked, and none was there", access.Mark{}, false},
		{"another installation", access.Mark{Installation: "test", Tenant: ours.Tenant}, false},
		{"another tenant", access.Mark{Installation: "prod", Tenant: "acme.zoo/cloud"}, false},
	}
	for _, test := range tests {
		if got := test.mark.Agrees(ours); got != test.want {
			t.Errorf("%s: %+v.Agrees(%+v) = %t, want %t", test.reason, test.mark, ours, got, test.want)
		}
	}
	if text := (access.Mark{}).Text(); text != "" {
		t.Errorf("the zero mark is written %q, want nothing", text)
	}
}

func TestMarkContradicts(t *testing.T) {
	ours := access.Mark{Installation: "prod", Tenant: "acme.shop/cloud"}
	tests := []struct {
		reason string
		mark   access.Mark
		want   bool
	}{
		{"the same", ours, false},
		{"nobody looked", access.Unread(), false},
		{"none is nobody's", access.Mark{}, false},
		{"another installation", access.Mark{Installation: "test", Tenant: ours.Tenant}, true},
		{"another tenant", access.Mark{Installation: "prod", Tenant: "acme.zoo/cloud"}, true},
	}
	for _, test := range tests {
		if got := test.mark.Contradicts(ours); got != test.want {
			t.Errorf("%s: %+v.Contradicts(%+v) = %t, want %t", test.reason, test.mark, ours, got, test.want)
		}
	}
}

// TestMarkAddTo demands that what people wrote stays, that the mark is read back,
// and that adding it again adds nothing. Only a text without a mark is given one.
func TestMarkAddTo(t *testing.T) {
	word := rapid.StringMatching(`[^\s\]\[]+`)
	rapid.Check(t, func(t *rapid.T) {
		mark := access.Mark{Installation: word.Draw(t, "installation"), Tenant: word.Draw(t, "tenant")}
		text := rapid.String().Draw(t, "text")
		if access.ParseMark(text) != (access.Mark{}) {
			t.Skip("marked already")
		}
		marked := mark.AddTo(text)
		if !strings.HasPrefix(marked, text) || access.ParseMark(marked) != mark {
			t.Errorf("%+v.AddTo(%q) = %q", mark, text, marked)
		}
		if again := mark.AddTo(marked); again != marked {
			t.Errorf("%+v.AddTo(%q) = %q, want no change", mark, marked, again)
		}
	})
	if got, want := (access.Mark{Installation: "a", Tenant: "b"}).AddTo(""), (access.Mark{Installation: "a", Tenant: "b"}).Text(); got != want {
		t.Errorf("a text that is only the mark is %q, want %q", got, want)
	}
}
