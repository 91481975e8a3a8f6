package azure

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestDescription: whatever a document writes for a role comes back.
func TestDescription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mark := access.Mark{Installation: rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "installation"), Tenant: "shop.prod/azure.x"}
		written := rapid.OneOf(rapid.StringMatching(`[\w \[\]().-]{1,40}`), rapid.Just("] [role x]")).Draw(t, "written")
		text := describe(mark, written, "Reader")
		if markOf(text) != mark {
			t.Errorf("%q: the mark is %v", text, markOf(text))
		}
		if got := writtenIn(text); written != "Reader" && !strings.Contains(written, roleBegins) && got != written {
			t.Errorf("%q: the role is %q, want %q", text, got, written)
		}
	})
	if !markOf("by hand").Unread || writtenIn("by hand [role Reader]") != "" {
		t.Error("somebody else's description says something about us")
	}
}

// TestAmong: no filter has more values than Graph takes, and quotes stay inside.
func TestAmong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.StringMatching(`[a-z',)( ]{1,8}`)).Draw(t, "values")
		count := 0
		for _, filter := range among("mail", values) {
			part := literals(strings.TrimSuffix(strings.TrimPrefix(filter, "mail in ("), ")"))
			if len(part) > inFilter {
				t.Errorf("a filter has %d values", len(part))
			}
			for _, text := range part {
				if text != values[count] {
					t.Errorf("value %d is %q, want %q", count, text, values[count])
				}
				count++
			}
		}
		if count != len(values) {
			t.Errorf("%d values of %d are asked for", count, len(values))
		}
	})
}

// literals reads a list of OData's texts.
func literals(list string) []string {
	var texts []string
	for list != "" {
		text, rest := "", strings.TrimPrefix(list, "'")
		for rest != "" {
			if strings.HasPrefix(rest, "''") {
				text, rest = text+"'", rest[2:]
				continue
			}
			if rest[0] == '\'' {
				break
			}
			text, rest = text+rest[:1], rest[1:]
		}
		texts, list = append(texts, text), strings.TrimPrefix(strings.TrimPrefix(rest, "'"), ",")
	}
	return texts
}

// TestKeysDiffer by installation, tenant and name, and nothing glues them together.
func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, mark := range []access.Mark{{Installation: "a", Tenant: "b"}, {Installation: "ab"}, {Tenant: "ab"}, {Installation: "a", Tenant: "c"}} {
		for _, name := range []string{"x", "bx", ""} {
			for n := range 2 {
				key := keyOf(mark, name, n)
				if seen[key] || len(key) > 64 || key != keyOf(mark, name, n) {
					t.Errorf("the key %q of %v %q", key, mark, name)
				}
				seen[key] = true
			}
		}
	}
}

func FuzzScope(f *testing.F) {
	for _, s := range []string{
		"0b1f6471-1bf0-4dda-aec3-cb9272f09590", "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590",
		"/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/a.b_(c)-d", "/subscriptions/x", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		scope := scopeOf(id)
		if scope == "" {
			return
		}
		if strings.ContainsAny(scope, "?#%\\ ") || strings.Contains(scope, "/../") || scopeOf(scope) != scope || !strings.HasPrefix(scope, subscriptionOf(scope)) {
			t.Errorf("%q gives the scope %q", id, scope)
		}
		if own := assignmentID(scope, "role", "group"); !isAt(scope, own) || !isAt(subscriptionOf(scope), own) {
			t.Errorf("an assignment at %q is not there", scope)
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add("[rollcall a b] [role Reader]")
	f.Add("[role ] [rollcall a b]")
	f.Fuzz(func(t *testing.T, text string) {
		if written := writtenIn(text); written != "" && !strings.Contains(text, written) {
			t.Errorf("%q says %q", text, written)
		}
	})
}
