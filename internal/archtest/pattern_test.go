package archtest

import (
	"path"
	"strings"
)

// matches reports whether a package is what the pattern names: "*" stands for
// any text without a slash, a final "/..." for the package itself and everything
// below it.
func matches(pattern, dir string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	if deep {
		elements := strings.Split(dir, "/")
		depth := min(strings.Count(prefix, "/")+1, len(elements))
		dir = strings.Join(elements[:depth], "/")
	}
	ok, err := path.Match(prefix, dir)
	return ok && err == nil
}

func matchesAny(patterns []string, dir string) bool {
	for _, pattern := range patterns {
		if matches(pattern, dir) {
			return true
		}
	}
	return false
}
