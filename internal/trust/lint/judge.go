package lint

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
	"github.com/rollcall-iam/rollcall/internal/trust/terraform"
)

// collection is what all files say together.
type collection struct {
	trusts    []trust.Trust
	manifests []kubernetes.Manifests
	findings  []trust.Finding
	waivers   []waiver
	intents   []intention
	unknown   map[string]string
	problems  []Problem
	notes     []Problem
	files     int
	// withMembers are the providers of Google Cloud that have members in the files.
	withMembers map[trust.Position]bool
	// ambiguous are names of providers whose project may be one of several.
	ambiguous []string
}

// join joins the parts. Objects of a directory of Terraform belong together first: other
// directories often have objects of the same names. Policies and providers that have no
// counterpart there are joined with those of all other files.
func join(parts []part) *collection {
	c := &collection{unknown: map[string]string{}, withMembers: map[trust.Position]bool{}}
	var rest []gcp.Input
	var pools, federated []gcp.Provider
	var roles []gcp.Role
	var providers []aws.Provider
	var names []string
	for i := range parts {
		names = append(names, parts[i].names...)
	}
	projects := terraform.NewProjects(names)
	for i := range parts {
		p := &parts[i]
		if p.terraform && len(p.google.Providers) > 0 {
			var ambiguous []string
			p.google, ambiguous = projects.Resolve(p.google)
			c.ambiguous = append(c.ambiguous, ambiguous...)
		}
		if p.terraform {
			p.trusts, p.findings = withProviders(p.trusts, p.findings, p.providers)
		}
		providers = append(providers, p.providers...)
		federated = append(federated, p.google.Providers...)
		roles = append(roles, p.google.Roles...)
		if p.terraform && len(p.google.Providers) > 0 {
			pools = append(pools, p.google.Providers...)
			trusts, findings := c.google(gcp.Input{Providers: p.google.Providers, Policies: p.google.Policies, Roles: p.google.Roles})
			p.trusts, p.findings = append(p.trusts, trusts...), append(p.findings, findings...)
			p.google = gcp.Input{Configurations: p.google.Configurations}
		}
		p.google.Roles = nil
		rest = append(rest, p.google)
		c.add(p)
	}
	others := gcp.Merge(append(rest, gcp.Input{Roles: roles})...)
	c.addConfigurations(&others)
	if len(others.Policies)+len(others.Configurations)+len(others.Providers) > 0 {
		others.Providers = append(others.Providers, pools...)
		trusts, findings := c.google(others)
		c.trusts, c.findings = append(c.trusts, trusts...), append(c.findings, findings...)
	}
	c.trusts, c.findings = withProviders(c.trusts, c.findings, providers)
	c.trusts = distinctTrusts(c.trusts)
	c.findings = append(c.findings, federatedTwice(append(c.amazonFederations(providers), c.googleFederations(federated)...))...)
	return c
}

// withProviders joins trusts of AWS with the OIDC providers, those that have none yet.
func withProviders(trusts []trust.Trust, findings []trust.Finding, providers []aws.Provider) ([]trust.Trust, []trust.Finding) {
	var open, joined []trust.Trust
	for _, t := range trusts {
		if len(t.Audiences) == 0 {
			open = append(open, t)
		} else {
			joined = append(joined, t)
		}
	}
	open, added := aws.WithProviders(open, providers)
	return append(joined, open...), append(findings, added...)
}

// add adds a part.
func (c *collection) add(p *part) {
	c.trusts = append(c.trusts, p.trusts...)
	c.manifests = append(c.manifests, p.manifests...)
	c.findings = append(c.findings, p.findings...)
	c.waivers = append(c.waivers, p.waivers...)
	c.intents = append(c.intents, p.intents...)
	c.problems = append(c.problems, p.problems...)
	c.notes = append(c.notes, p.notes...)
	c.files += p.files
	maps.Copy(c.unknown, p.unknown)
}

// addConfigurations adds the credential configurations in ConfigMaps and Secrets.
func (c *collection) addConfigurations(in *gcp.Input) {
	for _, m := range c.manifests {
		for _, one := range m.Configurations {
			// Lines before the text make its lines those of the file. A text of several
			// lines begins below its name.
			before := max(one.At.Line-1, 0)
			if bytes.Contains(bytes.TrimSpace(one.Text), []byte("\n")) {
				before++
			}
			read, err := gcp.Read(one.At.File, append(bytes.Repeat([]byte("\n"), before), one.Text...))
			if err == nil {
				in.Configurations = append(in.Configurations, read.Configurations...)
			}
		}
	}
}

// distinctTrusts removes trusts that two inputs have.
func distinctTrusts(trusts []trust.Trust) []trust.Trust {
	type key struct {
		name, issuer string
		kind         trust.Kind
		at           trust.Position
	}
	seen := make(map[key]int, len(trusts))
	var distinct []trust.Trust
	for _, t := range trusts {
		k := key{t.Name, t.Issuer, t.Kind, t.At}
		if at, twice := seen[k]; twice {
			// The one whose members are known says more.
			if len(distinct[at].Subjects) == 0 {
				distinct[at] = t
			}
			continue
		}
		seen[k] = len(distinct)
		distinct = append(distinct, t)
	}
	return distinct
}

// judge judges all trusts and returns all findings.
func (c *collection) judge(ctx context.Context, o Options) ([]trust.Finding, error) {
	judged := make([][]trust.Finding, len(c.trusts))
	used := make([]bool, len(c.intents))
	var mu sync.Mutex
	done := 0
	err := parallel(ctx, len(c.trusts), o.Workers, func(i int) {
		options := trust.Options{Issuers: o.Issuers}
		var matched []int
		for at := range c.intents {
			if intent := &c.intents[at]; intent.matches(c.trusts[i]) {
				options.Intended = append(options.Intended, intent.tokens...)
				matched = append(matched, at)
			}
		}
		judged[i] = c.withoutUnknown(c.trusts[i], c.leaveToMembers(c.trusts[i], trust.Judge(c.trusts[i], options)))
		mu.Lock()
		defer mu.Unlock()
		for _, at := range matched {
			used[at] = true
		}
		if done++; o.Progress != nil {
			o.Progress(done, len(c.trusts))
		}
	})
	if err != nil {
		return nil, err
	}
	found := slices.Concat(c.findings, slices.Concat(judged...), kubernetes.Relate(c.manifests, c.resolved()),
		trust.JudgeTogether(c.comparable()))
	for at := range c.intents {
		if !used[at] {
			found = append(found, c.intents[at].unused())
		}
	}
	c.explain(found)
	return found, nil
}

// google returns the trusts of Google Cloud, and remembers which providers have members.
func (c *collection) google(in gcp.Input) ([]trust.Trust, []trust.Finding) {
	pools := map[string]bool{}
	for _, policy := range in.Policies {
		for _, binding := range policy.Bindings {
			for _, member := range binding.Members {
				if _, rest, found := strings.Cut(member, "/workloadIdentityPools/"); found {
					pool, _, _ := strings.Cut(rest, "/")
					pools[pool] = true
				}
			}
		}
	}
	for _, p := range in.Providers {
		_, rest, _ := strings.Cut(p.Name, "/workloadIdentityPools/")
		if pool, _, _ := strings.Cut(rest, "/"); pools[pool] {
			c.withMembers[p.At] = true
		}
	}
	return in.Trusts()
}

// leaveToMembers returns the findings of a trust without those that its members show. A
// provider of Google Cloud alone gives access to nothing: if the files have members of its
// pool, they are judged as trusts of their own. A provider that accepts any workload stays
// a finding, as a condition protects also members that are added.
func (c *collection) leaveToMembers(t trust.Trust, findings []trust.Finding) []trust.Finding {
	if t.Kind == trust.GCPBinding {
		// The audience is that of the provider, which is a trust of its own.
		return slices.DeleteFunc(findings, func(f trust.Finding) bool { return f.Rule == "W08" })
	}
	if t.Kind != trust.GCPProvider || !c.withMembers[t.At] {
		return findings
	}
	var kept []trust.Finding
	for _, f := range findings {
		switch f.Rule {
		case "W03", "W04", "W05", "W06", "W07":
			continue
		case "W01":
			f.Severity = trust.High
		case "W02":
			f.Severity = trust.Medium
		}
		kept = append(kept, f)
	}
	return kept
}

// resolved returns the trusts without those of Google Cloud whose project is one of several:
// the audience that they expect is not known.
func (c *collection) resolved() []trust.Trust {
	if len(c.ambiguous) == 0 {
		return c.trusts
	}
	return slices.DeleteFunc(slices.Clone(c.trusts), func(t trust.Trust) bool {
		return slices.ContainsFunc(t.Audiences, func(audience string) bool {
			_, name, _ := strings.Cut(audience, "//iam.googleapis.com/")
			return slices.Contains(c.ambiguous, name)
		})
	})
}

// comparable returns the trusts whose issuer is known, without the audiences that the files
// do not say: equal placeholders of two directories may stand for different values.
func (c *collection) comparable() []trust.Trust {
	known := slices.DeleteFunc(slices.Clone(c.resolved()), func(t trust.Trust) bool { return !c.isCertain(t.Issuer) })
	if len(c.unknown) == 0 {
		return known
	}
	isUnknown := func(text string) bool { _, found := c.unknown[text]; return found }
	for i := range known {
		t := &known[i]
		t.Audiences = slices.DeleteFunc(slices.Clone(t.Audiences), isUnknown)
		t.Comparisons = slices.Clone(t.Comparisons)
		for k := range t.Comparisons {
			t.Comparisons[k].Values = slices.DeleteFunc(slices.Clone(t.Comparisons[k].Values), isUnknown)
		}
	}
	return known
}

// withoutUnknown returns the findings of a trust that do not depend on a value that the files do
// not say. If the subject as a whole is such a value, it is not certain which workload is
// refused or undeclared; if nothing else is found, the trust is not judged.
func (c *collection) withoutUnknown(t trust.Trust, findings []trust.Finding) []trust.Finding {
	expression := c.unknownSubject(t)
	if expression == "" {
		return findings
	}
	findings = slices.DeleteFunc(findings, func(f trust.Finding) bool {
		return f.Rule == "W14" || f.Rule == "W15" || f.Rule == "U01"
	})
	if len(findings) == 0 {
		findings = append(findings, trust.UnknownFinding(t.Name, t.At, "its subject is ${"+expression+"}"))
	}
	return findings
}

// unknownSubject returns the expression of a whole subject that the files do not say; ""
// if they say all.
func (c *collection) unknownSubject(t trust.Trust) string {
	if len(c.unknown) == 0 {
		return ""
	}
	for _, comparison := range t.Comparisons {
		if len(comparison.Claim) != 1 || comparison.Claim[0] != "sub" {
			continue
		}
		for _, value := range comparison.Values {
			if expression, whole := c.unknown[value]; whole {
				return expression
			}
		}
	}
	return ""
}

// explain replaces placeholders of unknown values in findings by their expressions.
func (c *collection) explain(findings []trust.Finding) {
	if len(c.unknown) == 0 {
		return
	}
	for i := range findings {
		f := &findings[i]
		f.Trust = placeholder.Explain(f.Trust, c.unknown)
		f.Message = placeholder.Explain(f.Message, c.unknown)
		f.Fix = placeholder.Explain(f.Fix, c.unknown)
		if f.AcceptedToken != nil {
			f.AcceptedToken, _ = c.explainValue(map[string]any(f.AcceptedToken)).(map[string]any)
		}
	}
}

// explainValue replaces placeholders in a claim.
func (c *collection) explainValue(v any) any {
	switch v := v.(type) {
	case string:
		return placeholder.Explain(v, c.unknown)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = c.explainValue(item)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			object[name] = c.explainValue(item)
		}
		return object
	default:
		return v
	}
}
