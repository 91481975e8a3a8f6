package access

// Found is what a platform knows about an account.
type Found string

// The answers to a lookup. Only Yes grants, and only No lets go of a member
// who is there: the others leave things as they are.
const (
	Yes       Found = "found"
	No        Found = "not-found"
	Ambiguous Found = "ambiguous" // several accounts match
	Disabled  Found = "disabled"  // exists, cannot sign in
	Pending   Found = "pending"   // invited, not accepted yet
)

// Resolution is the answer for one account name.
type Resolution struct {
	Found Found `json:"found"`
	// Refs holds the platform's ids: exactly one for Yes, Disabled and Pending,
	// several for Ambiguous, none for No.
	Refs []string `json:"refs,omitempty"`
	// Similar says, for No, how an account that the platform has differs from the one that
	// was looked up; empty where the driver saw none.
	Similar Similarity `json:"similar,omitempty"`
}

// Similarity is how an account differs from one that was looked up and not found. It is for
// messages: a similar account is another account.
type Similarity string

// The differences. An account of another origin has the name and belongs to another identity
// provider.
const (
	DiffersByCase        Similarity = "case"
	DiffersByComposition Similarity = "composition"
	DiffersByBlanks      Similarity = "blanks"
	DiffersByOrigin      Similarity = "origin"
)

// Keep protects members of one set, whose key is a group's or a binding's,
// although they are not among the desired ones: accounts that are ambiguous or
// disabled, of which nobody can say that they should go.
type Keep struct {
	Set  Key
	Refs []string
}
