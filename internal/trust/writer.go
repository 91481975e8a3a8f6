package trust

import (
	"maps"
	"slices"
)

// writer writes the tokens of probes, one over the other, and renders only the claims that
// differ from those of the probe before. It has a token for each form, as probes of several
// forms take turns.
type writer struct {
	profile *profile
	// subjectClaim is the claim that names the workload.
	subjectClaim string
	// values are those of the last probe, changed when each was set, and now the time.
	values  []string
	changed []int
	now     int
	// claims are the profile's claims as last rendered.
	claims []rendered
	forms  map[*form]*formToken
	// issuer and audience are the last ones, in the type of the claim.
	issuerText, audienceText string
	issuer, audience         any
}

// rendered is a claim of a probe, and when it was rendered; value is nil if it is absent.
type rendered struct {
	value any
	at    int
	// stale is true if an attribute of the claim has changed.
	stale bool
}

// formToken is the last token of a form, and when it was written.
type formToken struct {
	token            Token
	at               int
	issuer, audience string
	// overlaid is true if claims were written over those of the profile.
	overlaid bool
}

// newWriter returns a writer for tokens of a profile, one of an earlier trust if there is
// one. Its user releases it.
func newWriter(p *profile, subjectClaim string) *writer {
	if w, ok := p.writers.Get().(*writer); ok {
		if w.subjectClaim != subjectClaim {
			clear(w.forms)
		}
		w.subjectClaim = subjectClaim
		return w
	}
	w := &writer{
		profile: p, subjectClaim: subjectClaim, values: make([]string, len(p.Attributes)), changed: make([]int, len(p.Attributes)),
		claims: make([]rendered, len(p.claims)), forms: make(map[*form]*formToken, len(p.Subjects)),
	}
	for i := range w.claims {
		w.claims[i].stale = true
	}
	return w
}

// release gives a writer to the next trust of the profile. Forms of this trust alone go.
func (w *writer) release() {
	if len(w.forms) > len(w.profile.Subjects) {
		clear(w.forms)
	}
	w.profile.writers.Put(w)
}

// write returns a probe's token, which is valid until the next call.
func (w *writer) write(p *probe, issuer string) Token {
	w.now++
	w.set(p.values)
	t := w.forms[p.form]
	if t == nil {
		t = &formToken{token: make(Token, len(p.form.claims)+3)}
		w.forms[p.form] = t
	}
	all := t.at == 0 || t.overlaid
	if t.overlaid {
		clear(t.token)
	}
	for _, i := range p.form.claims {
		w.claim(t, i, all)
	}
	w.subject(t, p.form, all)
	if p.issuer != "" {
		issuer = p.issuer
	}
	w.envelope(t, p, issuer, all)
	overlay(t.token, p.claims)
	t.at, t.overlaid = w.now, len(p.claims) > 0
	return t.token
}

// set takes the values of a probe, and marks the claims that they change.
func (w *writer) set(values []string) {
	var changed uint64
	for i, v := range values {
		if w.values[i] != v {
			w.values[i], w.changed[i] = v, w.now
			changed |= 1 << i
		}
	}
	if changed == 0 {
		return
	}
	for i := range w.profile.claims {
		if w.profile.claims[i].mask&changed != 0 {
			w.claims[i].stale = true
		}
	}
}

// claim writes a claim if it has changed since the token was written, or always.
func (w *writer) claim(t *formToken, i int, always bool) {
	c, r := &w.profile.claims[i], &w.claims[i]
	if r.stale {
		value, ok := render(c.value, w.values)
		if !ok {
			value = nil
		}
		*r = rendered{value: value, at: w.now}
	}
	switch {
	case !always && r.at <= t.at:
	case r.value == nil:
		delete(t.token, c.name)
	default:
		t.token[c.name] = r.value
	}
}

// subject writes the claim that names the workload if it has changed, or always.
func (w *writer) subject(t *formToken, f *form, always bool) {
	if !always && !slices.ContainsFunc(f.subject, func(s segment) bool { return s.attribute >= 0 && w.changed[s.attribute] > t.at }) {
		return
	}
	if subject, ok := f.subject.render(w.values); ok {
		t.token[w.subjectClaim] = subject
	} else {
		delete(t.token, w.subjectClaim)
	}
}

// envelope writes the claims iss and aud if they have changed, or always.
func (w *writer) envelope(t *formToken, p *probe, issuer string, always bool) {
	if always || t.issuer != issuer {
		if w.issuer == nil || w.issuerText != issuer {
			w.issuerText, w.issuer = issuer, issuer
		}
		t.token["iss"], t.issuer = w.issuer, issuer
		if issuer == "" {
			delete(t.token, "iss")
		}
	}
	audience := p.audience.text
	if p.audience.template != nil {
		if rendered, ok := p.audience.template.render(p.values); ok {
			audience = rendered
		}
	}
	if always || t.audience != audience {
		t.token["aud"], t.audience = w.audienceOf(audience), audience
	}
}

// audienceOf returns an audience in the type of the claim.
func (w *writer) audienceOf(text string) any {
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
