package trust

import "testing"

func TestIsName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value  string
		want   bool
		reason string
	}{
		{"refs/heads/main", true, "a branch"},
		{"*main", true, "the end of a branch"},
		{"prod", true, "an environment"},
		{"release-2026a", true, "a word with digits"},
		{"refs/heads/release/", false, "a directory of branches"},
		{"release-", false, "a separator, after which more is meant"},
		{"refs/tags/v", false, "the beginning of versions"},
		{"refs/tags/v1", false, "the beginning of versions 1"},
		{"refs/tags/v1.", false, "the beginning of versions 1"},
		{"refs/tags/2026", false, "the beginning of versions by year"},
	}
	for _, test := range tests {
		t.Run(test.reason+" "+test.value, func(t *testing.T) {
			t.Parallel()
			if got := isName(test.value); got != test.want {
				t.Errorf("isName(%q) = %v, want %v", test.value, got, test.want)
			}
		})
	}
}
