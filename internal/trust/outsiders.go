package trust

import (
	"iter"
	"slices"
	"strings"
)

// anyone returns tokens of workloads that have nothing in common with the intended ones.
func (g generator) anyone() iter.Seq[*probe] {
	return g.each(g.ofIssuer(), slices.Values(g.forms), nil, anothers)
}

// ofIssuer returns an intent with only what all tokens of the issuer have.
func (r *reading) ofIssuer() *intent {
	in := &intent{values: slices.Clone(r.fixed)}
	for i := range r.profile.Attributes {
		if r.profile.Attributes[i].OfIssuer && len(r.intents) > 0 {
			in.values[i] = r.intents[0].values[i]
		}
	}
	return in
}

// copiers returns tokens of outsiders who choose for their runs what the literals say: a
// branch, an environment, a workflow of the same name.
func (g generator) copiers() iter.Seq[*probe] {
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		return g.each(in, g.compatible(in), g.freeClaims(in), copied)
	})
}

// copied keeps what outsiders can choose for their runs. Numbers that the issuer gives are
// not among it.
func copied(_ int, a *attribute) choice {
	if a.Level == runLevel && (a.Free || !a.Stable) {
		return keep
	}
	return another
}

// namesakes returns tokens of outsiders who also give their projects the same names.
func (g generator) namesakes() iter.Seq[*probe] {
	if !g.tenantsVary() {
		return none
	}
	choose := func(i int, a *attribute) choice {
		if a.Level == projectLevel {
			return sameName
		}
		return copied(i, a)
	}
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		return g.each(in, g.compatible(in), g.freeClaims(in), choose)
	})
}

// tenantsVary reports whether the issuer signs for several tenants.
func (r *reading) tenantsVary() bool {
	tenants := r.profile.attributes(func(_ int, a *attribute) bool { return a.Level == tenantLevel && !a.OfIssuer })
	return len(tenants) > 0 && !slices.ContainsFunc(tenants, func(i int) bool { return r.fixed[i] != "" })
}

// freeClaims returns the claims of an intent that any tenant can choose.
func (g generator) freeClaims(in *intent) Token {
	var free Token
	for name, value := range in.claims {
		if slices.ContainsFunc(g.profile.FreeClaims, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
			free = free.With(name, value)
		}
	}
	return free
}

// injectors returns tokens of outsiders who write the text of a literal into what they
// choose: a branch named "acme/app".
func (g generator) injectors() iter.Seq[*probe] {
	texts := g.looseTexts()
	if len(texts) == 0 {
		return none
	}
	chosen := g.profile.attributes(func(_ int, a *attribute) bool { return a.Level != tenantLevel && !a.Stable && !a.Managed })
	return flat(g.forms, func(f *form) iter.Seq[*probe] {
		return flat(chosen, func(i int) iter.Seq[*probe] { return g.injected(f, i, texts) })
	})
}

// injected returns tokens of outsiders with texts in one attribute.
func (g generator) injected(f *form, i int, texts []string) iter.Seq[*probe] {
	if f.sets[i] != "" {
		return none
	}
	return flat(texts, func(text string) iter.Seq[*probe] {
		value := f.begin[i] + text
		if !g.profile.Attributes[i].signable(value) || g.isNamed(i, value) {
			return none
		}
		in := g.ofIssuer()
		in.values[i] = value
		return g.each(in, slices.Values([]*form{f}), nil, func(k int, _ *attribute) choice {
			if k == i {
				return keep
			}
			return another
		})
	})
}

// maxTexts bounds the literals that are injected.
const maxTexts = 4

// looseTexts returns the literals that a trust looks for anywhere in a claim.
func (g generator) looseTexts() []string {
	var texts []string
	for i := range g.trust.Comparisons {
		c := &g.trust.Comparisons[i]
		for _, value := range c.Values {
			for _, p := range c.patterns(value) {
				if len(p) > 0 && p[0] < 0 {
					texts = append(texts, p.longestText(), strings.Trim(p.longestText(), ":/"))
				}
			}
		}
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return len(text) < 3 })
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return texts[:min(len(texts), maxTexts)]
}

// imitations returns tokens of tenants whose name or number looks like an intended one.
func (g generator) imitations() iter.Seq[*probe] {
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		known := g.profile.attributes(func(i int, a *attribute) bool {
			return a.Level == tenantLevel && !a.OfIssuer && g.fixed[i] == "" && in.knows(i)
		})
		return flat(known, func(i int) iter.Seq[*probe] { return g.neighbouring(in, i, g.tenantLike(i)) })
	})
}

// tenantLike keeps what a tenant chooses who imitates one by an attribute: names, and with a
// similar number also the names of the tenant.
func (g generator) tenantLike(i int) func(int, *attribute) choice {
	number := g.profile.Attributes[i].Stable
	return func(_ int, a *attribute) choice {
		if a.Level == runLevel || a.Level == tenantLevel && number && !a.Stable {
			return keep
		}
		return sameName
	}
}

// successors returns tokens of tenants that have taken over the names of intended ones
// after a rename or removal.
func (g generator) successors() iter.Seq[*probe] {
	choose := func(_ int, a *attribute) choice {
		if a.Level == runLevel {
			return keep
		}
		return sameName
	}
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		if !g.namesTenant(in) {
			return none
		}
		return g.each(in, g.recreated(in), g.claimsOfOthers(in), choose)
	})
}

// recreated yields the forms of tokens that the issuer signs for a new tenant with an old
// name.
func (g generator) recreated(in *intent) iter.Seq[*form] {
	marked := slices.ContainsFunc(g.forms, func(f *form) bool { return f.Recreated })
	return func(yield func(*form) bool) {
		for f := range g.compatible(in) {
			if (!marked || f.Recreated) && !yield(f) {
				return
			}
		}
	}
}

// namesTenant reports whether an intent says a tenant's name, which another can take over.
func (r *reading) namesTenant(in *intent) bool {
	return len(r.profile.attributes(func(i int, a *attribute) bool {
		return a.Level == tenantLevel && !a.Stable && in.knows(i)
	})) > 0
}

// otherAudiences returns tokens of the intended workloads that are meant for another system.
func (g generator) otherAudiences() iter.Seq[*probe] {
	others := []audience{{text: "https://other-system.example"}}
	for _, kind := range []Kind{AWSRole, EntraCredential} {
		if g.trust.Kind != "" && g.trust.Kind != kind {
			others = append(others, audience{text: kind.audience()})
		}
	}
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		return flat(others, func(other audience) iter.Seq[*probe] { return g.intendedFor(in, other) })
	})
}

// intendedFor returns a token of an intended workload for an audience.
func (g generator) intendedFor(in *intent, other audience) iter.Seq[*probe] {
	return func(yield func(*probe) bool) {
		for p := range g.intended(in) {
			p.audience = other
			yield(p)
			return
		}
	}
}
