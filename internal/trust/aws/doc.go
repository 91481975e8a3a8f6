// Package aws reads IAM role trust policies as predicates over tokens: one
// [trust.Trust] for each role and OIDC issuer. It evaluates the policy as STS does for
// AssumeRoleWithWebIdentity and reports the mistakes that are visible without a token.
//
//	document, err := aws.Parse(file, text, nil)
//	trusts, findings := aws.WithProviders(document.Trusts, document.Providers)
//
// The semantics follow these pages of docs.aws.amazon.com/IAM/latest/UserGuide:
// reference_policies_grammar, reference_policies_elements_condition_operators,
// reference_policies_condition-logic-multiple-context-keys-or-values,
// reference_policies_condition-single-vs-multi-valued-context-keys,
// reference_policies_variables, reference_policies_iam-condition-keys#condition-keys-wif
// and id_session-tags. Where they leave a case open, the decision is Undecided:
//
//   - a key of the request that no token has, such as aws:SourceIp;
//   - an operator without ForAllValues or ForAnyValue, on a claim with several values
//     of which only some match;
//   - ForAnyValue with IfExists, on a missing key.
//
// A policy is compiled once. A decision then reads the token and does not allocate,
// except for policy variables, numbers and aws:TagKeys.
package aws
