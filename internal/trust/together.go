package trust

import (
	"slices"
	"strings"
)

// JudgeTogether returns the mistakes that only several trusts show: the same audience in
// trusts of different clouds for one issuer (W08), so that a token for one cloud opens the
// other. Audiences that clouds have by default are left to Judge, and members of a pool of
// Google Cloud to their provider, which has the audience. A trust has at most one finding,
// which names the first other one in the order of the trusts.
func JudgeTogether(trusts []Trust) []Finding {
	type key struct{ issuer, audience string }
	// The first two clouds are enough: one of them is another one than that of any trust.
	first := map[key][]*Trust{}
	for i := range trusts {
		t := &trusts[i]
		for _, audience := range t.audiences() {
			k := key{issuer: t.Issuer, audience: audience}
			if all := first[k]; len(all) == 0 || len(all) == 1 && all[0].Kind.cloud() != t.Kind.cloud() {
				first[k] = append(all, t)
			}
		}
	}
	var findings []Finding
	for i := range trusts {
		t := &trusts[i]
		for _, audience := range t.audiences() {
			all := first[key{issuer: t.Issuer, audience: audience}]
			other := slices.IndexFunc(all, func(o *Trust) bool { return o.Kind.cloud() != t.Kind.cloud() })
			if other >= 0 {
				findings = append(findings, t.sharedAudience(all[other], audience))
				break
			}
		}
	}
	return findings
}

// Overlap reports whether two trusts of one issuer accept a workload that either is meant
// for, each for its own audience.
func Overlap(a, b Trust) bool {
	return a.Accepts != nil && b.Accepts != nil && (a.shares(&b) || b.shares(&a))
}

// shares reports whether another trust accepts a workload that t is meant for.
func (t *Trust) shares(other *Trust) bool {
	j := newJudge(read(t, nil))
	defer j.writer.release()
	audiences := read(other, nil).audiences
	for _, in := range j.intents {
		for p := range j.generator.intended(in) {
			if !t.Accepts(j.writer.write(p, j.issuer)).Accepted {
				continue
			}
			for _, p.audience = range audiences {
				if other.Accepts(j.writer.write(p, j.issuer)).Accepted {
					return true
				}
			}
			break // the rest differs in the audience
		}
	}
	return false
}

// audiences returns the audiences that a trust names and that no cloud has by default; nil
// for a member of a pool, for a trust that is disabled, and if the issuer is not known.
func (t *Trust) audiences() []string {
	if t.Kind == GCPBinding || t.Issuer == "" || t.Disabled {
		return nil
	}
	all := slices.Clone(t.Audiences)
	for _, c := range t.Comparisons {
		if len(c.Claim) == 1 && c.Claim[0] == "aud" && c.isWhole() {
			all = append(all, c.Values...)
		}
	}
	return slices.DeleteFunc(all, func(audience string) bool {
		return audience == AWSRole.audience() || audience == EntraCredential.audience()
	})
}

// isWhole reports whether a comparison is one with whole values. A pattern of AWS without
// wildcards is.
func (c *Comparison) isWhole() bool {
	switch c.Operator {
	case Equal, EqualFold:
		return true
	case Glob:
		return !slices.ContainsFunc(c.Values, func(value string) bool { return strings.ContainsAny(value, "*?") })
	default:
		return false
	}
}

// cloud returns the cloud to which a kind belongs.
func (k Kind) cloud() string {
	switch k {
	case AWSRole:
		return "AWS"
	case GCPProvider, GCPBinding:
		return "Google Cloud"
	case EntraCredential:
		return "Entra ID"
	case KubernetesAuthentication:
		return "Kubernetes"
	}
	return ""
}

// sharedAudience returns the finding for an audience that another cloud's trust has, too.
func (t *Trust) sharedAudience(other *Trust, audience string) Finding {
	r := &reading{trust: t}
	return (&judge{reading: r}).finding(ruleAudience, High,
		wording{r}.name()+" has the audience \""+audience+"\", which "+other.Name+" in "+other.Kind.cloud()+" has, too"+confusedDeputy,
		"Give each trust an audience of its own, and request a token for each.")
}
