package trust

import (
	"iter"
	"slices"
	"strings"
)

// anyone returns tokens of workloads that have nothing in common with the intended ones.
func (j *judge) anyone() iter.Seq[*probe] {
	return j.each(j.ofIssuer(), slices.Values(j.forms), nil, anothers)
}

// ofIssuer returns an intent with only what all tokens of the issuer have.
func (j *judge) ofIssuer() *intent {
	in := &intent{values: slices.Clone(j.fixed)}
	for i := range j.profile.Attributes {
		if j.profile.Attributes[i].OfIssuer && len(j.intents) > 0 {
			in.values[i] = j.intents[0].values[i]
		}
	}
	return in
}

// copiers returns tokens of outsiders who choose for their runs what the literals say: a
// branch, an environment, a workflow of the same name.
func (j *judge) copiers() iter.Seq[*probe] {
	return flat(j.intents, func(in *intent) iter.Seq[*probe] {
		return j.each(in, j.compatible(in), j.freeClaims(in), copied)
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
func (j *judge) namesakes() iter.Seq[*probe] {
	if !j.tenantsVary() {
		return none
	}
	choose := func(i int, a *attribute) choice {
		if a.Level == projectLevel {
			return sameName
		}
		return copied(i, a)
	}
	return flat(j.intents, func(in *intent) iter.Seq[*probe] {
		return j.each(in, j.compatible(in), j.freeClaims(in), choose)
	})
}

// tenantsVary reports whether the issuer signs for several tenants.
func (j *judge) tenantsVary() bool {
	tenants := j.profile.attributes(func(_ int, a *attribute) bool { return a.Level == tenantLevel && !a.OfIssuer })
	return len(tenants) > 0 && !slices.ContainsFunc(tenants, func(i int) bool { return j.fixed[i] != "" })
}

// freeClaims returns the claims of an intent that any tenant can choose.
func (j *judge) freeClaims(in *intent) Token {
	var free Token
	for name, value := range in.claims {
		if slices.ContainsFunc(j.profile.FreeClaims, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
			free = free.With(name, value)
		}
	}
	return free
}

// injectors returns tokens of outsiders who write the text of a literal into what they
// choose: a branch named "acme/app".
func (j *judge) injectors() iter.Seq[*probe] {
	texts := j.looseTexts()
	if len(texts) == 0 {
		return none
	}
	chosen := j.profile.attributes(func(_ int, a *attribute) bool { return a.Level != tenantLevel && !a.Stable })
	return flat(j.forms, func(f *form) iter.Seq[*probe] {
		return flat(chosen, func(i int) iter.Seq[*probe] { return j.injected(f, i, texts) })
	})
}

// injected returns tokens of outsiders with texts in one attribute.
func (j *judge) injected(f *form, i int, texts []string) iter.Seq[*probe] {
	if f.sets[i] != "" {
		return none
	}
	return flat(texts, func(text string) iter.Seq[*probe] {
		value := f.begin[i] + text
		if !j.profile.Attributes[i].signable(value) || j.isNamed(i, value) {
			return none
		}
		in := j.ofIssuer()
		in.values[i] = value
		return j.each(in, slices.Values([]*form{f}), nil, func(k int, _ *attribute) choice {
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
func (j *judge) looseTexts() []string {
	var texts []string
	for i := range j.trust.Comparisons {
		c := &j.trust.Comparisons[i]
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
func (j *judge) imitations() iter.Seq[*probe] {
	return flat(j.intents, func(in *intent) iter.Seq[*probe] {
		known := j.profile.attributes(func(i int, a *attribute) bool {
			return a.Level == tenantLevel && !a.OfIssuer && j.fixed[i] == "" && in.knows(i)
		})
		return flat(known, func(i int) iter.Seq[*probe] { return j.neighbouring(in, i, j.tenantLike(i)) })
	})
}

// tenantLike keeps what a tenant chooses who imitates one by an attribute: names, and with a
// similar number also the names of the tenant.
func (j *judge) tenantLike(i int) func(int, *attribute) choice {
	number := j.profile.Attributes[i].Stable
	return func(_ int, a *attribute) choice {
		if a.Level == runLevel || a.Level == tenantLevel && number && !a.Stable {
			return keep
		}
		return sameName
	}
}

// successors returns tokens of tenants that have taken over the names of intended ones
// after a rename or removal.
func (j *judge) successors() iter.Seq[*probe] {
	choose := func(_ int, a *attribute) choice {
		if a.Level == runLevel {
			return keep
		}
		return sameName
	}
	return flat(j.intents, func(in *intent) iter.Seq[*probe] {
		if !j.namesTenant(in) {
			return none
		}
		return j.each(in, j.recreated(in), in.claimsOfOthers(), choose)
	})
}

// recreated yields the forms of tokens that the issuer signs for a new tenant with an old
// name.
func (j *judge) recreated(in *intent) iter.Seq[*form] {
	marked := slices.ContainsFunc(j.forms, func(f *form) bool { return f.Recreated })
	return func(yield func(*form) bool) {
		for f := range j.compatible(in) {
			if (!marked || f.Recreated) && !yield(f) {
				return
			}
		}
	}
}

// namesTenant reports whether an intent says a tenant's name, which another can take over.
func (j *judge) namesTenant(in *intent) bool {
	return len(j.profile.attributes(func(i int, a *attribute) bool {
		return a.Level == tenantLevel && !a.Stable && in.knows(i)
	})) > 0
}

// otherAudiences returns tokens of the intended workloads that are meant for another system.
func (j *judge) otherAudiences() iter.Seq[*probe] {
	others := []audience{{text: "https://other-system.example"}}
	for _, kind := range []Kind{AWSRole, EntraCredential} {
		if j.trust.Kind != "" && j.trust.Kind != kind {
			others = append(others, audience{text: kind.audience()})
		}
	}
	return flat(j.intents, func(in *intent) iter.Seq[*probe] {
		return flat(others, func(other audience) iter.Seq[*probe] { return j.intendedFor(in, other) })
	})
}

// intendedFor returns a token of an intended workload for an audience.
func (j *judge) intendedFor(in *intent, other audience) iter.Seq[*probe] {
	return func(yield func(*probe) bool) {
		for p := range j.intended(in) {
			p.audience = other
			yield(p)
			return
		}
	}
}
