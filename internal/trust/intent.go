package trust

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Bounds of the work for one trust. A workload takes about 100 probes. What is left out is
// reported as undecided.
const (
	maxIntents   = 32
	maxAudiences = 4
	maxProbes    = 5000
)

// intent is a workload for which a trust is meant, as far as its literals say it.
type intent struct {
	// form is the form of its tokens; nil if nothing says it.
	form *form
	// values are those of attributes; "" if nothing says one, and partial has a bit for
	// each of which only the beginning is said.
	values  []string
	partial uint64
	// claims are claims that no attribute explains; every token for this intent has them.
	claims Token
	// subject is the literal that the intent comes from, "" if it is no subject.
	subject string
	// unsigned is true if no subject of the issuer has the form of the literal.
	unsigned bool
}

// names reports whether an intent says the whole value of an attribute.
func (in *intent) names(attribute int) bool {
	v := in.values[attribute]
	return v != "" && v != absent && in.partial&(1<<attribute) == 0
}

// knows reports whether an intent says at least the beginning of an attribute.
func (in *intent) knows(attribute int) bool {
	v := in.values[attribute]
	return v != "" && v != absent
}

// clone copies an intent.
func (in *intent) clone() *intent {
	c := *in
	c.values = slices.Clone(in.values)
	c.claims = maps.Clone(in.claims)
	return &c
}

// merge adds what a literal says to an intent, and reports false if they disagree.
func (in *intent) merge(values []string, partial uint64) bool {
	for i, v := range values {
		if v == "" || in.values[i] == "" {
			continue
		}
		short, long := v, in.values[i]
		if partial&(1<<i) == 0 {
			short, long = long, short
		}
		known := in.partial&(1<<i) == 0
		switch {
		case partial&(1<<i) == 0 && known && v != in.values[i]:
			return false
		case (partial&(1<<i) != 0 || !known) && !strings.HasPrefix(long, short) && short[:1] != looseBegin:
			return false
		}
	}
	for i, v := range values {
		if v == "" || in.names(i) {
			continue
		}
		in.values[i] = v
		in.partial = in.partial&^(1<<i) | partial&(1<<i)
	}
	return true
}

// isSubject reports whether a comparison is about the claim that names the workload.
func (r *reading) isSubject(c *Comparison) bool {
	return len(c.Claim) == 1 && c.Claim[0] == r.subjectClaim
}

// path returns the path of a comparison's claim as a key of maps.
func (c *Comparison) path() string { return strings.Join(c.Claim, pathSeparator) }

// subjectLiterals returns the subjects that a trust names, for recognising the issuer.
func subjectLiterals(t *Trust, o *Options) []string {
	literals := slices.Clone(t.Subjects)
	for i := range t.Comparisons {
		if c := &t.Comparisons[i]; len(c.Claim) == 1 && c.Claim[0] == "sub" {
			literals = append(literals, t.Comparisons[i].Values...)
		}
	}
	for _, token := range o.Intended {
		literals = append(literals, token.Text("sub"))
	}
	return literals
}

// findIntents reads the intended workloads from the literals of the trust, or from the
// documents if there are some; then the literals become j.named.
func (r *reading) findIntents() {
	for i := range r.trust.Comparisons {
		c := &r.trust.Comparisons[i]
		if r.isSubject(c) {
			r.readSubjects(c)
		}
	}
	for _, subject := range r.trust.Subjects {
		r.readSubject(literal(subject), subject, false)
	}
	if len(r.intents) == 0 {
		r.intents = []*intent{{values: slices.Clone(r.fixed)}}
	}
	for i := range r.trust.Comparisons {
		c := &r.trust.Comparisons[i]
		if !r.isSubject(c) && !isEnvelope(c.Claim) {
			r.readClaim(c)
		}
	}
	r.readTenantAudiences()
	for _, in := range r.intents {
		r.chooseForm(in)
	}
	r.readDocuments()
}

// readDocuments reads the workloads that documents declare, if there are some.
func (r *reading) readDocuments() {
	if len(r.options.Intended) == 0 {
		return
	}
	r.named, r.intents = r.intents, nil
	for _, token := range r.options.Intended {
		if len(r.intents) == maxIntents {
			r.cut = true
			return
		}
		r.readToken(token)
	}
}

// add adds an intent, as long as there are not too many.
func (r *reading) add(in *intent) {
	r.intents = r.few(append(r.intents, in))
}

// few cuts a list of intents, and notes that it did.
func (r *reading) few(all []*intent) []*intent {
	if len(all) > maxIntents {
		r.cut, all = true, all[:maxIntents]
	}
	return all
}

// readSubjects adds an intent for each subject in a comparison.
func (r *reading) readSubjects(c *Comparison) {
	for _, value := range c.Values {
		for _, p := range c.patterns(value) {
			// Only of a whole subject it is known that the issuer signs none like it.
			r.readSubject(p, value, c.Operator == Equal || c.Operator == EqualFold || c.Operator == Glob)
		}
	}
}

// readSubject adds the intent that a subject names. One that the issuer never signs is added
// if it is whole, so that it is reported.
func (r *reading) readSubject(p pattern, text string, whole bool) {
	if len(r.intents) == maxIntents {
		r.cut = true
		return
	}
	f, values, partial := r.parseSubject(p)
	if f != nil {
		r.overlayFixed(values)
		r.add(&intent{form: f, values: values, partial: partial, subject: text})
		return
	}
	if i := r.embedded(text); i > 0 {
		r.readSubject(literal(text[i:]), text[i:], whole)
		return
	}
	if !whole {
		return
	}
	r.add(&intent{values: slices.Clone(r.fixed), claims: Token{r.subjectClaim: p.sample()}, subject: text, unsigned: true})
}

// embedded returns where a subject begins in a text that a mapping has put before it, such
// as "prod::system:serviceaccount:ns:sa"; 0 if there is none.
func (r *reading) embedded(text string) int {
	for _, f := range r.forms {
		if s := f.subject; len(s) > 0 && s[0].attribute < 0 {
			if i := strings.Index(text, s[0].text); i > 0 {
				return i
			}
		}
	}
	return 0
}

// overlayFixed adds the attributes that the issuer's URL gives.
func (r *reading) overlayFixed(values []string) {
	for i, v := range r.fixed {
		if v != "" {
			values[i] = v
		}
	}
}

// parseSubject returns the first form of which a pattern matches a subject, and what it
// names of attributes.
func (r *reading) parseSubject(p pattern) (*form, []string, uint64) {
	for _, f := range r.forms {
		if values, partial, ok := r.profile.match(f.subject, p); ok && f.admits(values, partial) {
			return f, values, partial
		}
	}
	t := r.profile.compose(p)
	if t == nil {
		return nil, nil, 0
	}
	f := r.profile.composedForm(t)
	r.forms = append(slices.Clone(r.forms), f)
	values, partial, _ := r.profile.match(t, p)
	return f, values, partial
}

// admits reports whether a form can have the values.
func (f *form) admits(values []string, partial uint64) bool {
	for i, v := range values {
		if v == "" {
			continue
		}
		open := partial&(1<<i) != 0
		if set := f.sets[i]; set != "" && set != v && (!open || set == absent || !strings.HasPrefix(set, v) && v[:1] != looseBegin) {
			return false
		}
		begin := f.begin[i]
		if !strings.HasPrefix(v, begin) && (!open || !strings.HasPrefix(begin, v) && v[:1] != looseBegin) {
			return false
		}
	}
	return true
}

// Bounds of the search for a composed subject: its parts, and the beginnings that are
// continued.
const (
	maxParts  = 4
	maxBegins = 8
)

// compose returns a template of subject keys of which a pattern matches a text, nil if
// there is none.
func (p *profile) compose(text pattern) template {
	begun := []template{nil}
	for range maxParts {
		var longer []template
		for _, t := range begun {
			whole, more := p.extend(t, text)
			if whole != nil {
				return whole
			}
			longer = append(longer, more...)
		}
		begun = longer[:min(len(longer), maxBegins)]
	}
	return nil
}

// extend adds each subject key to a template. It returns the first result of which a
// pattern matches a whole text, else those with which a text can begin.
func (p *profile) extend(t template, text pattern) (whole template, begun []template) {
	for _, key := range p.keys {
		longer := join(t, key)
		if _, _, ok := p.match(longer, text); ok {
			return longer, nil
		}
		if p.matchesBegin(longer, text) {
			begun = append(begun, longer)
		}
	}
	return nil, begun
}

// matchesBegin reports whether a pattern matches a text that begins with the parts of a
// template and has more.
func (p *profile) matchesBegin(t template, text pattern) bool {
	open := join(t, template{{text: "", attribute: -1}})
	_, _, ok := p.match(open, append(text.until(open), anyRunes))
	return ok
}

// until cuts a pattern after as many colons as a template has.
func (p pattern) until(t template) pattern {
	colons := 0
	for _, s := range t {
		colons += strings.Count(s.text, ":")
	}
	for i, r := range p {
		if r == ':' {
			colons--
		}
		if colons == 0 {
			return slices.Clip(p[:i+1])
		}
	}
	return slices.Clip(p)
}

// join puts a part of a subject after others.
func join(t, part template) template {
	if len(t) == 0 {
		return part
	}
	joined := append(template{}, t...)
	joined = append(joined, segment{text: ":", attribute: -1})
	return append(joined, part...)
}

// composedForm returns the form of a composed subject: the first of the profile with a
// subject that ends alike, else the first at all.
func (p *profile) composedForm(t template) *form {
	best := &p.Subjects[0]
	for i := range p.Subjects {
		f := &p.Subjects[i]
		last := f.subject[len(f.subject)-1]
		if slices.ContainsFunc(t, func(s segment) bool {
			return s.attribute >= 0 && s.attribute == last.attribute || s.attribute < 0 && s.text == "pull_request" && f.Outside
		}) {
			best = f
			break
		}
	}
	f := *best
	f.Name, f.subject = "composed "+best.Name, t
	// A tenant can compose its subjects as it wants, but the repository is written with
	// numbers where the tenant is new.
	f.Recreated = t[0].text != "repo:"
	return &f
}

// readClaim adds what a comparison says of a claim to the intents. An intent that no value
// agrees with stays as it is, and the values become intents of their own: statements may be
// alternatives.
func (r *reading) readClaim(c *Comparison) {
	var next []*intent
	read := false
	for _, value := range c.Values {
		for _, p := range c.patterns(value) {
			if read = true; len(next) > maxIntents {
				break
			}
			values, partial, ok := r.matchClaim(c, value, p)
			if !ok {
				next = append(next, r.extended(c, p.sample())...)
				continue
			}
			next = append(next, r.merged(values, partial)...)
		}
	}
	if read && len(next) > 0 {
		r.intents = r.few(next)
	}
}

// extended returns the intents with one more claim, or one more item of a list.
func (r *reading) extended(compared *Comparison, value string) []*intent {
	var all []*intent
	for _, in := range r.intents {
		c := in.clone()
		if c.claims == nil {
			c.claims = Token{}
		}
		var claim any = value
		if compared.List {
			before, _ := c.claims.Lookup(compared.Claim...)
			items, _ := before.([]any)
			claim = append(slices.Clip(items), value)
		}
		setPath(c.claims, compared.Claim, claim)
		all = append(all, c)
	}
	return all
}

// setPath sets a claim by its path. Objects on the path are copied, as others may have them.
func setPath(token map[string]any, path []string, value any) {
	for _, key := range path[:max(len(path)-1, 0)] {
		object, ok := token[key].(map[string]any)
		if ok {
			object = maps.Clone(object)
		} else {
			object = map[string]any{}
		}
		token[key] = object
		token = object
	}
	if len(path) > 0 {
		token[path[len(path)-1]] = value
	}
}

// merged returns the intents that agree with a literal; if none does, one of the literal.
func (r *reading) merged(values []string, partial uint64) []*intent {
	var all []*intent
	for _, in := range r.intents {
		c := in.clone()
		if c.merge(values, partial) && (c.form == nil || c.form.admits(values, partial) || r.chooseOtherForm(c)) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		r.overlayFixed(values)
		all = append(slices.Clone(r.intents), &intent{values: values, partial: partial})
	}
	return all
}

// readTenantAudiences adds what the audiences say of the tenant.
func (r *reading) readTenantAudiences() {
	for _, audience := range r.audiences {
		if audience.template == nil {
			continue
		}
		if values, partial, ok := r.profile.match(audience.template, literal(audience.text)); ok {
			r.intents = r.merged(values, partial)
		}
	}
	r.intents = r.few(r.intents)
}

// chooseForm sets the form of an intent to the first that has its values.
func (r *reading) chooseForm(in *intent) {
	if in.form != nil || in.unsigned {
		return
	}
	for _, f := range r.forms {
		if f.admits(in.values, in.partial) {
			in.form = f
			return
		}
	}
}

// readToken adds the intent of a document: claims that its tokens have.
func (r *reading) readToken(token Token) {
	in := &intent{values: slices.Clone(r.fixed), claims: Token{}, subject: r.subjectOf(token)}
	if in.subject != "" {
		f, values, partial := r.parseSubject(literal(in.subject))
		if in.form = f; f == nil || !in.merge(values, partial) {
			in.form, in.unsigned = nil, true
			in.claims[r.subjectClaim] = in.subject
		}
	}
	r.readClaims(in, nil, token)
	r.chooseForm(in)
	r.add(in)
}

// subjectOf returns the subject that a document declares.
func (r *reading) subjectOf(token Token) string {
	return cmp.Or(token.Text(r.subjectClaim), token.Text("sub"))
}

// readClaims reads the claims of an object within a token into an intent.
func (r *reading) readClaims(in *intent, path []string, object map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		path := append(slices.Clip(path), name)
		if inner, ok := object[name].(map[string]any); ok && len(path) <= maxDepth {
			r.readClaims(in, path, inner)
			continue
		}
		if isEnvelope(path) || len(path) == 1 && (name == "sub" || name == r.subjectClaim) {
			continue
		}
		if !r.readText(in, path, Token(object).Texts(name)) {
			setPath(in.claims, path, object[name])
		}
	}
}

// readText reads a claim that an attribute explains, and reports whether one does.
func (r *reading) readText(in *intent, path, texts []string) bool {
	grammar := r.profile.grammars[strings.Join(path, pathSeparator)]
	if len(texts) != 1 || !slices.ContainsFunc(grammar, func(s segment) bool { return s.attribute >= 0 }) {
		return false
	}
	values, partial, ok := r.profile.match(grammar, literal(texts[0]))
	return ok && in.merge(values, partial)
}
