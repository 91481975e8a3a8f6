// Package trust judges what clouds accept of the tokens of workloads: a [Trust] is one
// decision of a cloud, as a predicate over [Token]s. [Judge] sends it tokens that the
// issuer would sign for others than the intended workload; each one that it accepts is a
// [Finding], with the token as evidence.
//
//	trusts, findings := aws.Parse(file, text)
//	for _, t := range trusts {
//		findings = append(findings, trust.Judge(t)...)
//	}
//
// The packages below read the forms in which clouds write trusts: aws, gcp, entra,
// kubernetes; package lint finds them in files.
package trust

// Kind is a form in which a cloud writes a trust.
type Kind string

// The kinds.
const (
	AWSRole                  Kind = "aws-role"                  // a role's trust policy, for one of its issuers
	GCPProvider              Kind = "gcp-provider"              // a workload identity pool provider
	GCPBinding               Kind = "gcp-binding"               // a member of a policy, with the providers of its pool
	EntraCredential          Kind = "entra-credential"          //nolint:gosec // a federated identity credential, exact or flexible
	KubernetesAuthentication Kind = "kubernetes-authentication" // a jwt entry of an AuthenticationConfiguration
)

// Trust is one decision of a cloud: which tokens of an issuer it accepts for an identity.
type Trust struct {
	// Name names the trust as its file does: a role, a provider, a credential.
	Name string
	Kind Kind
	At   Position
	// Issuer is the URL of the issuer whose tokens are accepted, as the trust writes it,
	// with https:// where the cloud leaves that out; empty if it is not known.
	Issuer string
	// Account is the account of AWS whose requests, signed by its roles and users, are accepted
	// in place of tokens of an issuer; empty for others. The claims of such a token are arn,
	// account and userid.
	Account string
	// Accepts decides about one token. It is safe for use by many goroutines, ends in
	// bounded time and does not panic, whatever is in the token, which it neither keeps nor
	// changes.
	Accepts func(Token) Decision
	// Comparisons are all comparisons with literals in the trust, also those that do not
	// decide alone. Near misses are made of them.
	Comparisons []Comparison
	// Subjects are subjects for which the trust is meant by what lies beside it: the
	// members of bindings, a document. Empty if nothing says so.
	Subjects []string
	// Audiences are the audiences that the cloud accepts by itself, beside what the
	// comparisons say: of a GCP provider, its own name.
	Audiences []string
	// SubjectClaim is the claim of which the cloud makes the name of a workload; empty if it is
	// sub or not known. It counts for an issuer of which nothing is known.
	SubjectClaim string
	// Reads are claims that a token must have, whatever their values are, such as the one of
	// a user name. Paths are as in Comparison.
	Reads [][]string
	// User returns the name that a token has in the cloud, where tokens are those of users
	// and each has rights by the own name alone. It is nil where all tokens that are
	// accepted have the same rights.
	User func(Token) string
	// Disabled is true for a trust that is switched off on purpose, such as a deleted
	// provider: the cloud accepts no token, and Judge has no findings.
	Disabled bool
	// Unknown says what the files do not say of the trust so that tokens cannot show its
	// mistakes, such as "subject is ${var.subject}"; empty if they can.
	Unknown string
}

// Position is where something is written. Line counts from 1; 0 is unknown.
type Position struct {
	File string
	Line int
}

// Comparison compares a claim with literals.
type Comparison struct {
	// Claim is the claim as a path of keys: "sub", "repository_owner_id",
	// "kubernetes.io", "namespace".
	Claim    []string
	Operator Operator
	Values   []string
	// Optional is true where a token without the claim passes (IfExists, ForAllValues).
	Optional bool
	// List is true where the claim is a list of which one item is compared.
	List bool
}

// Operator is how a claim is compared.
type Operator string

// The operators. Glob knows * and ?; Other is any that is not modelled, such as a number
// or a function.
const (
	Equal      Operator = "equal"
	EqualFold  Operator = "equal-fold"
	Glob       Operator = "glob"
	Prefix     Operator = "prefix"
	Suffix     Operator = "suffix"
	Contains   Operator = "contains"
	Regexp     Operator = "regexp"
	Present    Operator = "present"
	NotEqual   Operator = "not-equal"
	NotMatches Operator = "not-matches"
	Other      Operator = "other"
)

// Decision is what a trust says of a token.
type Decision struct {
	Accepted bool
	// Undecided says why the answer is not known from the token, such as a key of the
	// request: then Accepted is true, as an outsider may control that.
	Undecided string
}

// Severity ranks findings.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Severities returns the severities, the worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low} }

// Finding is one mistake in a trust, or beside it.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Trust    string   `json:"trust"`
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// AcceptedToken is a token that the trust accepts and should not; absent for
	// findings that need none.
	AcceptedToken Token  `json:"accepted_token,omitempty"`
	Message       string `json:"message"`
	Fix           string `json:"fix"`
}
