package trust

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// subjects are literals of which properties make trusts.
func subjects() []string {
	return []string{
		"repo:acme/app:ref:refs/heads/main", "repo:acme@1/app@2:environment:prod", "repo:acme/app:pull_request", "repo:acme/*",
		"project_path:acme/app:ref_type:branch:ref:main", "organization:acme:project:p:workspace:w:run_phase:apply",
		"system:serviceaccount:data:writer", "system:serviceaccount:data:*", "spiffe://acme.example/app", "robot",
	}
}

// issuers are issuers of which properties make trusts.
func issuers() []string {
	return []string{
		github, gitlab, terraform, eks, "https://idp.corp.example", "https://agent.buildkite.com", "https://accounts.google.com",
		"https://cognito-identity.amazonaws.com", "https://oidc.vercel.com", "https://api.pulumi.com/oidc", "",
	}
}

// drawTrust returns a trust without a predicate.
func drawTrust(t *rapid.T) Trust {
	operator := rapid.SampledFrom([]Operator{Equal, Glob, Prefix, Contains, Regexp}).Draw(t, "operator")
	literals := rapid.SliceOfN(rapid.SampledFrom(subjects()), 1, 3).Draw(t, "subjects")
	return Trust{
		Kind: rapid.SampledFrom([]Kind{"", AWSRole, GCPProvider, EntraCredential, KubernetesAuthentication}).Draw(t, "kind"), Issuer: rapid.SampledFrom(issuers()).Draw(t, "issuer"),
		Comparisons: []Comparison{compare("sub", operator, literals...)},
	}
}

// accepting returns a trust that accepts exactly some tokens.
func accepting(trust Trust, tokens ...Token) Trust {
	trust.Accepts = func(t Token) Decision {
		return Decision{Accepted: slices.ContainsFunc(tokens, func(one Token) bool { return reflect.DeepEqual(one, t) })}
	}
	return trust
}

// probesOf returns the tokens that Judge sends if none is accepted.
func probesOf(trust Trust, options ...Options) []Token {
	var all []Token
	trust.Accepts = func(t Token) Decision {
		all = append(all, t.With("probe", nil).Without("probe"))
		return Decision{}
	}
	Judge(trust, options...)
	return all
}

// TestJudge_FindsNothingInOneToken checks that a trust has no finding about outsiders if it
// accepts one token, the intended one.
func TestJudge_FindsNothingInOneToken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trust := drawTrust(t)
		trust.Accepts = func(Token) Decision { return Decision{} }
		j := newJudge(read(&trust, nil))
		in := j.intents[0]
		if in.unsigned || in.form != nil && in.form.Outside {
			t.Skip("the literal is a mistake itself")
		}
		var token Token
		for p := range j.generator.intended(in) {
			token = j.writer.write(p, j.issuer).With("iss", j.issuer)
			break
		}
		for _, f := range Judge(accepting(trust, token), Options{Intended: []Token{token}}) {
			if f.Rule <= ruleChosen && f.Rule[0] == 'W' {
				t.Fatalf("one token %v gives %+v", token, f)
			}
		}
	})
}

// TestJudge_FindsEverybody checks that a trust without conditions always has the finding.
func TestJudge_FindsEverybody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trust := drawTrust(t)
		trust.Accepts = func(Token) Decision { return Decision{Accepted: true} }
		found := Judge(trust)
		if !slices.Contains(rules(found), ruleTenant) && !slices.Contains(rules(found), ruleAnyone) {
			t.Fatalf("a trust that accepts everybody has only %+v", found)
		}
	})
}

// implied returns the rules from which a rule follows.
func implied(rule string) []string {
	switch rule {
	case ruleTenant, ruleAnyone, ruleChosen:
		return []string{ruleTenant, ruleAnyone, ruleChosen}
	case ruleImitation, ruleSibling:
		return []string{ruleTenant, ruleAnyone, ruleChosen, ruleImitation, ruleSibling}
	case ruleRun, ruleReused:
		return []string{ruleTenant, ruleAnyone, ruleChosen, ruleImitation, ruleSibling, rule}
	default:
		return []string{rule}
	}
}

// TestJudge_IsMonotone checks that one more accepted token removes no finding that a token
// shows, except for one that implies it.
func TestJudge_IsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trust := drawTrust(t)
		sent := probesOf(trust)
		tokens := rapid.SliceOfN(rapid.SampledFrom(sent), 1, 4).Draw(t, "accepted")
		before := Judge(accepting(trust, tokens[1:]...))
		after := rules(Judge(accepting(trust, tokens...)))
		for _, f := range before {
			if f.AcceptedToken != nil && !slices.ContainsFunc(implied(f.Rule), func(rule string) bool { return slices.Contains(after, rule) }) {
				t.Fatalf("%s is lost: with one more token there is only %v", f.Rule, after)
			}
		}
	})
}

// TestJudge_IsBounded checks how many tokens a trust is asked about.
func TestJudge_IsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trust := drawTrust(t)
		literals := rapid.SliceOfN(rapid.SampledFrom(subjects()), 1, 60).Draw(t, "many")
		trust.Comparisons = append(trust.Comparisons, compare("sub", Glob, literals...), compare("aud", Equal, literals...))
		if n := len(probesOf(trust)); n > maxProbes {
			t.Fatalf("Judge sends %d tokens", n)
		}
	})
}
