package trust

import (
	"maps"
	"slices"
)

// writer writes the tokens of probes, one over the other, and renders only the claims that
// differ from those of the probe before.
type writer struct {
	profile *profile
	token   Token
	// values are those of the last probe, changed when each was set, and now the time.
	values  []string
	changed []int
	now     int
	// claims are the profile's claims as last rendered.
	claims []rendered
	form   *form
	// audience is the last one, in the type of the claim.
	audienceText string
	audience     any
	// overlaid is true if claims were written over those of the profile.
	overlaid bool
}

// rendered is a claim of a probe, and when it was rendered; value is nil if it is absent.
type rendered struct {
	value any
	at    int
}

// newWriter returns a writer for tokens of a profile.
func newWriter(p *profile) *writer {
	return &writer{
		profile: p, token: make(Token, len(p.claims)+3),
		values: make([]string, len(p.Attributes)), changed: make([]int, len(p.Attributes)), claims: make([]rendered, len(p.claims)),
	}
}

// write returns a probe's token, which is valid until the next call.
func (w *writer) write(p *probe, issuer string) Token {
	w.now++
	for i, v := range p.values {
		if w.values[i] != v {
			w.values[i], w.changed[i] = v, w.now
		}
	}
	same := w.form == p.form && !w.overlaid
	if !same {
		clear(w.token)
	}
	for _, i := range p.form.claims {
		w.claim(i, !same)
	}
	w.token["iss"] = issuer
	if p.issuer != "" {
		w.token["iss"] = p.issuer
	}
	if subject, ok := p.form.subject.render(p.values); ok {
		w.token["sub"] = subject
	}
	w.token["aud"] = w.audienceOf(p)
	overlay(w.token, p.claims)
	w.form, w.overlaid = p.form, len(p.claims) > 0
	return w.token
}

// claim writes a claim if it has changed, or always.
func (w *writer) claim(i int, always bool) {
	c, r := &w.profile.claims[i], &w.claims[i]
	if r.at == 0 || slices.ContainsFunc(c.attributes, func(a int) bool { return w.changed[a] > r.at }) {
		value, ok := render(c.value, w.values)
		if !ok {
			value = nil
		}
		*r = rendered{value: value, at: w.now}
		always = true
	}
	switch {
	case !always:
	case r.value == nil:
		delete(w.token, c.name)
	default:
		w.token[c.name] = r.value
	}
}

// audienceOf returns the aud claim of a probe.
func (w *writer) audienceOf(p *probe) any {
	text := p.audience.text
	if p.audience.template != nil {
		if rendered, ok := p.audience.template.render(p.values); ok {
			text = rendered
		}
	}
	if w.audience == nil || w.audienceText != text {
		w.audienceText, w.audience = text, text
		if w.profile.AudienceList {
			w.audience = []any{text}
		}
	}
	return w.audience
}

// overlay writes claims over those of a token, and into objects of it.
func overlay(token, claims map[string]any) {
	for name, value := range claims {
		inner, ok := value.(map[string]any)
		object, both := token[name].(map[string]any)
		if ok && both {
			object = maps.Clone(object)
			overlay(object, inner)
			token[name] = object
			continue
		}
		token[name] = value
	}
}

// render writes the value of a claim; false if it is absent.
func render(value any, values []string) (any, bool) {
	switch v := value.(type) {
	case template:
		text, ok := v.render(values)
		return text, ok
	case []any:
		var list []any
		for _, one := range v {
			if rendered, ok := render(one, values); ok {
				list = append(list, rendered)
			}
		}
		return list, len(list) > 0
	case []claim:
		object := make(map[string]any, len(v))
		for _, c := range v {
			if rendered, ok := render(c.value, values); ok {
				object[c.name] = rendered
			}
		}
		return object, len(object) > 0
	default:
		return v, true
	}
}
