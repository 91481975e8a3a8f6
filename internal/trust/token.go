package trust

import "maps"

// Token has the claims of a workload's token, as encoding/json decodes them: text,
// float64, bool, nil, []any and map[string]any. "iss" and "sub" are texts, "aud" is a
// text or a list of texts.
type Token map[string]any

// Lookup returns the value of a claim by a path of keys, and whether there is one.
func (t Token) Lookup(path ...string) (any, bool) {
	var value any = map[string]any(t)
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok {
			return nil, false
		}
	}
	return value, len(path) > 0
}

// Texts returns the texts of a claim that is a text or a list of texts; nil if it is
// absent or anything else.
func (t Token) Texts(path ...string) []string {
	value, _ := t.Lookup(path...)
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		texts := make([]string, 0, len(v))
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil
			}
			texts = append(texts, text)
		}
		return texts
	default:
		return nil
	}
}

// Text returns a claim that is a text, else "".
func (t Token) Text(path ...string) string {
	value, _ := t.Lookup(path...)
	text, _ := value.(string)
	return text
}

// With returns a copy with another value of a top-level claim.
func (t Token) With(claim string, value any) Token {
	c := maps.Clone(t)
	if c == nil {
		c = Token{}
	}
	c[claim] = value
	return c
}

// Without returns a copy without a top-level claim.
func (t Token) Without(claim string) Token {
	c := maps.Clone(t)
	delete(c, claim)
	return c
}
