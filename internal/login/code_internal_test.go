package login

import (
	"net/url"
	"testing"
	"unicode"
)

// FuzzRead: no answer gives a code unless it names its issuer, once.
func FuzzRead(f *testing.F) {
	f.Add("code=a&iss=https%3A%2F%2Flogin.example.com&state=s")
	f.Add("code=a&code=b&iss=https%3A%2F%2Flogin.example.com")
	f.Add("error=access_denied&error_description=%1b%5b31m&iss=https%3A%2F%2Flogin.example.com")
	f.Add("code=a&iss=")
	const issuer = "https://login.example.com"
	f.Fuzz(func(t *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		for _, sends := range []bool{true, false} {
			a := (&waiter{issuer: issuer, sendsIssuer: sends}).read(query)
			if (a.code == "") == (a.err == nil) {
				t.Fatalf("read = %+v: want a code or an error", a)
			}
			named := len(query["iss"]) == 1 && query.Get("iss") == issuer
			if a.err == nil && !named && (sends || query.Has("iss")) {
				t.Fatalf("a code without the issuer: %q", text)
			}
			if a.err != nil {
				for _, r := range a.err.Error() {
					if !unicode.IsPrint(r) {
						t.Fatalf("the error has %q", r)
					}
				}
			}
		}
	})
}
