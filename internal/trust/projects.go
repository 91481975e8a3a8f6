package trust

import (
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// groups returns the groups of project-level attributes, outer ones first.
func (p *profile) groups() []string {
	var groups []string
	for i := range p.Attributes {
		if a := &p.Attributes[i]; a.Level == projectLevel && !a.OfIssuer && !slices.Contains(groups, a.Group) {
			groups = append(groups, a.Group)
		}
	}
	return groups
}

// siblings returns tokens of other projects of the intended tenants: of those that differ
// in one group, or in all for "".
func (g generator) siblings(group string) iter.Seq[*probe] {
	groups := g.profile.groups()
	at := slices.Index(groups, group)
	choose := func(_ int, a *attribute) choice {
		switch {
		case a.Level != projectLevel:
			return keep
		case group == "", a.Group == group:
			return another
		case slices.Index(groups, a.Group) < at:
			return keep
		case a.Unique:
			return another
		default:
			return sameName
		}
	}
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		return g.each(in, g.compatible(in), g.claimsOfOthers(in), choose)
	})
}

// claimsOfOthers returns the claims of an intent that other workloads of the tenant can
// have: all but a whole subject.
func (r *reading) claimsOfOthers(in *intent) Token {
	if _, ok := in.claims[r.subjectClaim]; ok {
		return in.claims.Without(r.subjectClaim)
	}
	return in.claims
}

// projectImitations returns tokens of projects of the intended tenants whose names look
// like intended ones, for the groups for which closed is true.
func (g generator) projectImitations(closed func(group string) bool) iter.Seq[*probe] {
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		known := g.profile.attributes(func(i int, a *attribute) bool {
			return a.Level == projectLevel && !a.OfIssuer && in.knows(i) && closed(a.Group)
		})
		return flat(known, func(i int) iter.Seq[*probe] { return g.neighbouring(in, i, g.projectLike(i)) })
	})
}

// projectLike keeps everything of an intent but the numbers of the thing that is imitated.
func (g generator) projectLike(i int) func(int, *attribute) choice {
	imitated := &g.profile.Attributes[i]
	return func(_ int, a *attribute) choice {
		if a.Level == projectLevel && a.Group == imitated.Group && a.Stable && !imitated.Stable {
			return another
		}
		return keep
	}
}

// otherRuns returns tokens of the intended projects for other branches, tags, environments
// and events.
func (g generator) otherRuns() iter.Seq[*probe] {
	choose := func(_ int, a *attribute) choice {
		if a.Guarded {
			return another
		}
		return keep
	}
	return flat(g.intents, func(in *intent) iter.Seq[*probe] {
		others := func(yield func(*probe) bool) {
			for p := range g.each(in, slices.Values(g.forms), g.claimsOfOthers(in), choose) {
				if !g.declared(p) && g.isOtherRun(p) && !yield(p) {
					return
				}
			}
		}
		return flat([]iter.Seq[*probe]{others, g.runImitations(in)}, func(s iter.Seq[*probe]) iter.Seq[*probe] { return s })
	})
}

// runImitations returns tokens for branches and environments whose names look like intended
// ones. Where a trust says a beginning that is no name, such as release/, others are meant,
// too, and the project can protect them all.
func (g generator) runImitations(in *intent) iter.Seq[*probe] {
	named := g.profile.attributes(func(i int, a *attribute) bool {
		return a.Guarded && (in.names(i) || in.knows(i) && (a.Created || isName(in.values[i])))
	})
	return flat(named, func(i int) iter.Seq[*probe] { return g.neighbouring(in, i, kept) })
}

// version matches the beginning of a version, such as v or v1.
var version = regexp.MustCompile(`^v?[0-9]*$`)

// isName reports whether a part of a name may be a name itself: it ends in a word. After a
// separator, and after a version, others are meant to follow.
func isName(value string) bool {
	separator := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	word := value[strings.LastIndexFunc(value, separator)+1:]
	return !version.MatchString(word)
}

// isOtherRun reports whether a probe has something guarded that no literal names, or comes
// from outside.
func (g generator) isOtherRun(p *probe) bool {
	guarded := g.profile.attributes(func(i int, a *attribute) bool {
		return a.Guarded && p.form.sets[i] == "" && !g.isNamed(i, p.values[i])
	})
	return len(guarded) > 0 || p.form.Outside
}

// declared reports whether a document declares the subject of a probe.
func (g generator) declared(p *probe) bool {
	if len(g.options.Intended) == 0 {
		return false
	}
	subject, _ := p.form.subject.render(p.values)
	return slices.ContainsFunc(g.options.Intended, func(t Token) bool { return g.subjectOf(t) == subject })
}
