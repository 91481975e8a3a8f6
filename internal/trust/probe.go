package trust

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// probe is a token that an issuer could sign, before it is written. Sequences of probes
// yield the same one with other content.
type probe struct {
	form   *form
	values []string
	// audience is what the token is asked for; issuer is "" for the trust's own.
	audience audience
	issuer   string
	// claims are claims that no attribute explains.
	claims Token
}

// audience is an audience of tokens. One with a template is signed only for the tenant
// that it names, so that tokens of others have their own.
type audience struct {
	text     string
	template template
}

// generator returns the tokens that an issuer would sign for others than the intended
// workloads, and for those.
type generator struct{ *reading }

// other returns the value of another workload's attribute: one that no literal names, if
// there is one.
func (g generator) other(i int, f *form) string {
	a := &g.profile.Attributes[i]
	for _, value := range a.Other {
		if begin := f.begin[i]; begin != "" && !strings.HasPrefix(value, begin) {
			value = begin + value[strings.LastIndexByte(value, '/')+1:]
		}
		if !g.isNamed(i, value) {
			return value
		}
	}
	if a.Closed {
		return a.Example
	}
	return a.Other[0] + "0"
}

// isNamed reports whether a literal says a value of an attribute.
func (g generator) isNamed(i int, value string) bool {
	same := func(in *intent) bool { return strings.TrimPrefix(in.values[i], looseBegin) == value }
	return slices.ContainsFunc(g.intents, same) || slices.ContainsFunc(g.named, same)
}

// complete fills the open attributes with examples, and sets what the form demands. The
// values are those of a probe, which it changes.
func (g generator) complete(f *form, values []string) {
	for i := range values {
		if set := f.sets[i]; set != "" {
			values[i] = set
			continue
		}
		begin := f.begin[i]
		switch {
		case values[i] != "" && values[i] != absent && strings.HasPrefix(values[i], begin):
		case strings.HasPrefix(g.profile.Attributes[i].Example, begin):
			values[i] = g.profile.Attributes[i].Example
		default:
			values[i] = begin + "example"
		}
	}
	for i := range values {
		a := &g.profile.Attributes[i]
		if a.derived != nil && values[i] == a.Example {
			values[i], _ = a.derived.render(values)
		}
	}
}

// choice says which value an attribute of a probe has.
type choice int

// The choices: what the intent says, or an example; what another workload has; the same,
// but what the intent says if the attribute is a name.
const (
	keep choice = iota
	another
	sameName
)

// fill writes values for a probe: for each attribute as choose says.
func (g generator) fill(values []string, in *intent, f *form, choose func(int, *attribute) choice) {
	for i := range values {
		a := &g.profile.Attributes[i]
		values[i] = ""
		if in != nil && in.values[i] != absent {
			values[i] = g.instance(in, i)
		}
		if g.fixed[i] != "" || a.OfIssuer || f.sets[i] != "" {
			continue
		}
		switch c := choose(i, a); {
		case c == keep, c == sameName && !a.Stable && values[i] != "":
			continue
		default:
			values[i] = g.other(i, f)
		}
	}
	g.complete(f, values)
}

// instance returns a value that an intent leaves possible: what it says, completed so that
// the issuer takes it.
func (g generator) instance(in *intent, i int) string {
	value := in.values[i]
	if value == "" || in.names(i) {
		return value
	}
	a := &g.profile.Attributes[i]
	value = strings.TrimPrefix(value, looseBegin)
	if a.signable(value) && !strings.HasSuffix(value, "/") {
		return value
	}
	if a.begins(value, false) {
		return value + "example"
	}
	for _, begin := range a.Begins {
		switch {
		case strings.HasPrefix(begin, value):
			return begin + "example"
		case a.signable(begin + value):
			return begin + value
		}
	}
	return value + "example"
}

// compatible yields the forms that have the run-level values of an intent, its own first.
func (g generator) compatible(in *intent) iter.Seq[*form] {
	return func(yield func(*form) bool) {
		if in.form != nil && !yield(in.form) {
			return
		}
		for _, f := range g.forms {
			if f != in.form && f.admitsRun(g.profile, in) && !yield(f) {
				return
			}
		}
	}
}

// admitsRun reports whether a form can have the run-level values of an intent.
func (f *form) admitsRun(p *profile, in *intent) bool {
	for i, v := range in.values {
		if p.Attributes[i].Level != runLevel || v == "" {
			continue
		}
		if set := f.sets[i]; set != "" && set != v && in.partial&(1<<i) == 0 {
			return false
		}
		if in.names(i) && !strings.HasPrefix(v, f.begin[i]) {
			return false
		}
	}
	return true
}

// flat returns the probes for each item of a list, one after the other.
func flat[T any](items []T, probes func(T) iter.Seq[*probe]) iter.Seq[*probe] {
	return func(yield func(*probe) bool) {
		for _, item := range items {
			for p := range probes(item) {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// none has no probes.
func none(func(*probe) bool) {}

// each returns probes of an intent, which may be nil, in some forms with all audiences.
func (g generator) each(in *intent, forms iter.Seq[*form], claims Token, choose func(int, *attribute) choice) iter.Seq[*probe] {
	return func(yield func(*probe) bool) {
		p := &probe{values: make([]string, len(g.profile.Attributes)), claims: with(g.otherNeeds, claims)}
		for f := range forms {
			p.form = f
			g.fill(p.values, in, f, choose)
			if !g.toAll(p, yield) {
				return
			}
		}
	}
}

// with returns claims with those of others.
func with(needs, claims Token) Token {
	if needs == nil {
		return claims
	}
	all := maps.Clone(needs)
	overlay(all, claims)
	return all
}

// toAll yields a probe for each audience, and reports false if the caller has enough.
func (g generator) toAll(p *probe, yield func(*probe) bool) bool {
	for _, a := range g.audiences {
		if p.audience = a; !yield(p) {
			return false
		}
	}
	return true
}

// attributes returns the indices of the attributes for which is holds.
func (p *profile) attributes(is func(int, *attribute) bool) []int {
	var all []int
	for i := range p.Attributes {
		if is(i, &p.Attributes[i]) {
			all = append(all, i)
		}
	}
	return all
}

// intended returns tokens of the intended workloads.
func (g generator) intended(in *intent) iter.Seq[*probe] {
	f := in.form
	if f == nil {
		f = g.forms[0]
	}
	return g.each(in, slices.Values([]*form{f}), with(g.needs, in.claims), kept)
}

// kept keeps what an intent says.
func kept(int, *attribute) choice { return keep }

// anothers takes nothing from an intent.
func anothers(int, *attribute) choice { return another }
