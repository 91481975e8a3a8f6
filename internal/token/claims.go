package token

import "strings"

// Claims are the claims of a verified token. The zero value has none. Claims cannot change,
// so goroutines may share them.
//
// A path names a claim, and members of objects below it after dots, as in
// "kubernetes.io.serviceaccount.name". Names may have dots themselves. A path that a token
// can satisfy in two ways finds nothing.
type Claims struct{ object object }

// String returns the claim if it is a string.
func (c Claims) String(path string) (string, bool) {
	value, ok := c.find(path)
	if !ok {
		return "", false
	}
	text, err := unquote(value)
	return text, err == nil
}

// Strings returns the claim if it is a list of strings. A string is a list of one.
func (c Claims) Strings(path string) ([]string, bool) {
	value, ok := c.find(path)
	if !ok {
		return nil, false
	}
	found, err := appendTexts(nil, value)
	if err != nil {
		return nil, false
	}
	all := make([]string, len(found))
	for i, text := range found {
		all[i] = string(text)
	}
	return all, true
}

// Bool returns the claim if it is true or false. The string "true" is neither: providers
// differ in what they verified before they write it.
func (c Claims) Bool(path string) (value, ok bool) {
	raw, ok := c.find(path)
	if !ok {
		return false, false
	}
	value = string(raw) == "true"
	return value, value || string(raw) == "false"
}

// Has reports whether the token has the claim, with a value other than null.
func (c Claims) Has(path string) bool {
	value, ok := c.find(path)
	return ok && string(value) != "null"
}

func (c Claims) find(path string) ([]byte, bool) {
	value, n := c.object.find(path)
	return value, n == 1
}

// find returns a value at the path, and how many there are.
func (o object) find(path string) (value []byte, n int) {
	for _, m := range o.members {
		rest, below := strings.CutPrefix(path, string(o.name(m)))
		switch {
		case !below:
		case rest == "":
			value, n = o.value(m), n+1
		case rest[0] == '.' && o.value(m)[0] == '{':
			// The text was scanned before: it is an object.
			inner, err := scanObject(o.value(m))
			if err != nil {
				continue
			}
			if found, k := inner.find(rest[1:]); k > 0 {
				value, n = found, n+k
			}
		}
	}
	return value, n
}
