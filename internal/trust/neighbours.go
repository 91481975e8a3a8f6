package trust

import (
	"iter"
	"slices"
	"strings"
)

// neighbours returns values that look like one and that the issuer takes.
func (a *attribute) neighbours(value string) []string {
	candidates := []string{
		value + "-evil", value + "evil", value + "0", value + "x", "evil-" + value, "x" + value, "1" + value,
		value + "/evil", "evil/" + value, strings.ReplaceAll(value, ".", "x"), strings.ReplaceAll(value, ".", "-"),
	}
	if !a.Fold {
		candidates = append(candidates, strings.ToUpper(value), strings.ToLower(value), swapLast(value))
	}
	candidates = append(candidates, confusable(value))
	if len(value) > 1 {
		candidates = append(candidates, value[:len(value)-1], value[:len(value)-1]+"-")
	}
	for _, begin := range a.Begins {
		rest, ok := strings.CutPrefix(value, begin)
		if !ok {
			continue
		}
		candidates = append(candidates, begin+"x/"+value, begin+value, begin+"x/"+rest)
		for _, b := range a.Begins {
			candidates = append(candidates, b+rest)
		}
	}
	var out []string
	for _, c := range candidates {
		if c != value && a.signable(c) && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// swapLast changes the case of the last letter.
func swapLast(value string) string {
	if value == "" {
		return ""
	}
	last := value[len(value)-1:]
	if upper := strings.ToUpper(last); upper != last {
		return value[:len(value)-1] + upper
	}
	return value[:len(value)-1] + strings.ToLower(last)
}

// confusable replaces one character with one that looks alike. Issuers here take only
// ASCII in names, so that letters of other scripts cannot occur.
func confusable(value string) string {
	for _, pair := range []string{"l1", "o0", "i1", "e3", "s5", "a4"} {
		if i := strings.IndexByte(value, pair[0]); i >= 0 {
			return value[:i] + pair[1:] + value[i+1:]
		}
	}
	return value
}

// neighbouring returns tokens in which an attribute has a value that looks like that of an
// intent. The other attributes are as choose says.
func (g generator) neighbouring(in *intent, i int, choose func(int, *attribute) choice) iter.Seq[*probe] {
	f := in.form
	if f == nil || f.sets[i] != "" {
		return none
	}
	value, loose := strings.CutPrefix(in.values[i], looseBegin)
	if loose && !strings.HasPrefix(value, f.begin[i]) {
		value = f.begin[i] + value
	}
	near := g.profile.Attributes[i].neighbours(value)
	near = slices.DeleteFunc(near, func(value string) bool { return g.isNamed(i, value) || !strings.HasPrefix(value, f.begin[i]) })
	return func(yield func(*probe) bool) {
		p := &probe{form: f, values: make([]string, len(g.profile.Attributes)), claims: with(g.otherNeeds, g.claimsOfOthers(in))}
		g.fill(p.values, in, f, choose)
		for _, value := range near {
			if p.values[i] = value; g.cut && g.isLiteral(p) {
				continue
			}
			if !g.toAll(p, yield) {
				return
			}
		}
	}
}

// isLiteral reports whether the trust names a probe by a literal that is perhaps among
// those that were left out of the intents.
func (g generator) isLiteral(p *probe) bool {
	return slices.ContainsFunc(g.trust.Comparisons, func(c Comparison) bool {
		grammar := g.profile.grammars[c.path()]
		if g.isSubject(&c) {
			grammar = p.form.subject
		}
		text, ok := grammar.render(p.values)
		return ok && text != "" && slices.Contains(c.Values, text)
	})
}
