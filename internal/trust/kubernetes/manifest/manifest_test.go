package manifest

import (
	"errors"
	"strings"
	"testing"
)

func TestRead_KnowsLines(t *testing.T) {
	t.Parallel()
	yaml := "kind: Pod\nmetadata:\n  name: a\n---\n# second\nkind: Secret\nlist:\n- x\n- y: true\n"
	json := "{\n  \"kind\": \"Pod\",\n  \"list\": [\n    1,\n    {\"y\": true}\n  ]\n}\n{\"kind\":\"Secret\"}"
	tests := []struct {
		reason, text string
		document     int
		path         []string
		want         string
		line         int
	}{
		{"a field of YAML", yaml, 0, []string{"metadata", "name"}, "a", 3},
		{"a field of the second document", yaml, 1, []string{"kind"}, "Secret", 6},
		{"a field of JSON", json, 0, []string{"kind"}, "Pod", 2},
		{"values of JSON after each other", json, 1, []string{"kind"}, "Secret", 8},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			documents, err := Read("f", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			got := documents[test.document].Get(test.path...)
			if got.Text() != test.want || got.Line != test.line {
				t.Errorf("%v = %q in line %d, want %q in line %d", test.path, got.Text(), got.Line, test.want, test.line)
			}
		})
	}
}

func TestRead_KeepsTagsOfOthers(t *testing.T) {
	t.Parallel()
	documents, err := Read("f", []byte("a: !Ref x\nb: !Join [y]\nc: !Map {z: 1}\nd: !!str 1\ne: 1\nf: ! g\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "!Ref", "b": "!Join", "c": "!Map", "d": "", "e": "", "f": ""} {
		if got := documents[0].Get(name).Tag; got != want {
			t.Errorf("the tag of %s is %q, want %q", name, got, want)
		}
	}
}

func TestRead_MergesMaps(t *testing.T) {
	t.Parallel()
	documents, err := Read("f", []byte("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  x: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	use := documents[0].Get("use")
	if use.Get("x").Scalar() != "3" || use.Get("y").Scalar() != "2" {
		t.Errorf("x = %s, y = %s, want 3 and 2", use.Get("x").Scalar(), use.Get("y").Scalar())
	}
}

func TestRead_RefusesWithPlaceAndWithoutContent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text string
		want         error
		place        string
	}{
		{"aliases of aliases", string(aliasBomb()), ErrTooLarge, "f:"},
		{"many aliases of a long text", "a: &a " + strings.Repeat("y", 30_000) + "\nb: [" + strings.Repeat("*a, ", 9_000) + "*a]\n", ErrTooLarge, "f:"},
		{"an alias to what contains it", "a: &a [*a]\n", ErrTooLarge, "f:1"},
		{"deep nesting of YAML", strings.Repeat("[", 300) + strings.Repeat("]", 300), ErrTooLarge, "f:1"},
		{"deep nesting of maps", strings.Repeat("{a: ", 300) + strings.Repeat("}", 300), ErrTooLarge, "f:1"},
		{"a broken line of YAML", "a: 1\nb: [s3cret\nc: }", ErrSyntax, "f:"},
		{"an unknown anchor", "a: 1\nb: *s3cret\n", ErrSyntax, "f:"},
		{"a broken line of JSON", "{\n\"a\": 1,\n\"b\": s3cret}: [\n", ErrSyntax, "f:3"},
		{"a field twice", "a: 1\na: s3cret\n", ErrSyntax, "f:2"},
		{"a field twice in JSON", "{\"s3cret\": 1,\n\"s3cret\": 2}", ErrSyntax, "f:2"},
		{"too many bytes", strings.Repeat("#", MaxSize+1), ErrTooLarge, "f"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, err := Read("f", []byte(test.text))
			if !errors.Is(err, test.want) {
				t.Fatalf("err = %v, want %v", err, test.want)
			}
			if !strings.Contains(err.Error(), test.place) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("err = %v, want the place %s and no content", err, test.place)
			}
		})
	}
}

func TestRead_HandsOutWhatPrecedesAnError(t *testing.T) {
	t.Parallel()
	documents, err := Read("f", []byte("kind: Pod\n---\na: [\n"))
	if err == nil || len(documents) != 1 {
		t.Errorf("%d documents, err = %v; want one and an error", len(documents), err)
	}
}

func aliasBomb() []byte {
	var b strings.Builder
	b.WriteString("a0: &a0 [a, b, c, d, e, f, g, h, i]\n")
	for _, level := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		before := "*a" + string(rune(level[0]-1))
		b.WriteString("a" + level + ": &a" + level + " [" + strings.Repeat(before+", ", 8) + before + "]\n")
	}
	return []byte(b.String())
}

func TestValue_NilIsNull(t *testing.T) {
	t.Parallel()
	var v *Value
	if v.Get("a", "b").Exists() || v.Text() != "" || v.True() || len(v.List())+len(v.Fields())+len(v.Texts()) != 0 || v.LineOr(7) != 7 {
		t.Error("a nil value is not null")
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a: 1", "{\"a\": [1, true, null]}", "- &a x\n- *a\n", "<<: {a: 1}", "---\n---\n", "{a: b}", "? [a]\n: b", "\ufeff{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		documents, err := Read("f", text)
		if err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrSyntax) {
			t.Fatalf("an error of another kind: %v", err)
		}
		for _, d := range documents {
			d.Get("a").Text()
		}
	})
}
