package trust

import (
	"slices"
	"strings"
)

// check decides about one claim of a token.
type check func(Token) bool

// all returns a predicate that needs each check.
func all(checks ...check) func(Token) Decision {
	return func(t Token) Decision {
		for _, c := range checks {
			if !c(t) {
				return Decision{}
			}
		}
		return Decision{Accepted: true}
	}
}

// equal requires one of some values of a claim.
func equal(claim string, values ...string) check {
	path := strings.Split(claim, "/")
	return func(t Token) bool {
		return slices.ContainsFunc(t.Texts(path...), func(v string) bool { return slices.Contains(values, v) })
	}
}

// like requires that a claim matches one of some patterns with * and ?.
func like(claim string, patterns ...string) check {
	path := strings.Split(claim, "/")
	return func(t Token) bool {
		return slices.ContainsFunc(t.Texts(path...), func(v string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return globMatches(p, v) })
		})
	}
}

// globMatches reports whether a pattern with * and ? matches a text.
func globMatches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return globMatches(pattern[1:], text) || text != "" && globMatches(pattern, text[1:])
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && globMatches(pattern[1:], text[1:])
}

// begins, ends and contains require a part of a claim.
func begins(claim, part string) check {
	return func(t Token) bool { return strings.HasPrefix(t.Text(claim), part) }
}

func ends(claim, part string) check {
	return func(t Token) bool { return strings.HasSuffix(t.Text(claim), part) }
}

func contains(claim, part string) check {
	return func(t Token) bool { return strings.Contains(t.Text(claim), part) }
}

// compare returns a comparison of a claim, whose keys are separated by slashes.
func compare(claim string, operator Operator, values ...string) Comparison {
	return Comparison{Claim: strings.Split(claim, "/"), Operator: operator, Values: values}
}

// aud is the audience of AWS, which most tests require.
func aud() check { return equal("aud", "sts.amazonaws.com") }

func audCompared() Comparison { return compare("aud", Equal, "sts.amazonaws.com") }

// The issuers of tests.
const (
	github    = "https://token.actions.githubusercontent.com"
	gitlab    = "https://gitlab.com"
	terraform = "https://app.terraform.io"
	eks       = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
)

// aws returns a role that requires AWS's audience and the checks, and compares as said.
func aws(issuer string, comparisons []Comparison, checks ...check) Trust {
	return Trust{
		Name: "deploy", Kind: AWSRole, At: Position{File: "role.json", Line: 3}, Issuer: issuer,
		Accepts:     all(append(checks, aud())...),
		Comparisons: append(comparisons, audCompared()),
	}
}

// gcp returns a provider with its own audience.
func gcp(issuer string, comparisons []Comparison, checks ...check) Trust {
	const own = "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
	return Trust{
		Name: "provider", Kind: GCPProvider, Issuer: issuer, Audiences: []string{own},
		Accepts: all(append(checks, equal("aud", own))...), Comparisons: comparisons,
	}
}
