package api

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzIfMatch: a condition that is read has tags that a header can hold, and reads the same
// when it is written again.
func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{"*", `"a"`, `W/"a", "b"`, `"a" , ,"b"`, `"a`, `a`, "", `"a""b"`, ", *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, err := ifMatch(http.Header{"If-Match": {text}})
		if err != nil || found.Any {
			return
		}
		tags := make([]string, len(found.Tags))
		for i, tag := range found.Tags {
			tags[i] = `"` + tag + `"`
		}
		if len(tags) == 0 {
			return // weak ones alone
		}
		second, err := ifMatch(http.Header{"If-Match": {strings.Join(tags, ", ")}})
		if err != nil || strings.Join(second.Tags, " ") != strings.Join(found.Tags, " ") {
			t.Errorf("%q has the tags %q, written again %v, %v", text, found.Tags, second, err)
		}
	})
}
