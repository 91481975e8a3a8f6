package trust

import (
	"slices"
	"strings"
)

// wording writes messages and fixes.
type wording struct{ *reading }

// name returns how messages call the trust.
func (w wording) name() string {
	if w.trust.Name == "" {
		return "This trust"
	}
	return w.trust.Name
}

// quote returns the claim that names a token's workload for a message: sub "example".
func (w wording) quote(e *evidence) string {
	return w.subjectClaim + " \"" + e.token.Text(w.subjectClaim) + "\""
}

// describe returns for which workload an intent is: its literal, or its subject as far as it is said.
func (w wording) describe(in *intent) string {
	if in.subject != "" {
		return "\"" + in.subject + "\""
	}
	return "\"" + w.subjectOf(in) + "\""
}

// subjectOf returns the subject of an intent, with <names> of attributes for those that
// nothing says.
func (w wording) subjectOf(in *intent) string {
	f := in.form
	if f == nil {
		f = w.forms[0]
	}
	values := make([]string, len(in.values))
	for i := range values {
		set := f.sets[i]
		switch {
		case set != "" && set != absent:
			values[i] = set
		case in.names(i), in.knows(i) && w.plausible(in, i):
			values[i] = in.values[i]
		default:
			values[i] = "<" + w.profile.Attributes[i].Name + ">"
		}
	}
	subject, _ := f.subject.render(values)
	return subject
}

// plausible reports whether the beginning of a name that a trust says is a name itself.
func (w wording) plausible(in *intent, i int) bool {
	a := &w.profile.Attributes[i]
	return a.Level != runLevel && a.signable(in.values[i]) && !strings.HasSuffix(in.values[i], "/")
}

// describeAnyone says that nothing keeps outsiders out.
func (w wording) describeAnyone(e *evidence) string {
	n := w.profile.Nouns
	if w.profile.Shared {
		return w.name() + " accepts tokens of every " + n.Tenant + " at " + w.profile.Name + ": no condition requires one. " +
			"An outsider's " + n.Run + " with " + w.quote(e) + " gets in."
	}
	issuer := "issuer"
	if w.trust.Account != "" {
		issuer = "account"
	}
	return w.name() + " accepts every " + n.Project + " of its " + issuer + ": no condition requires one. " +
		"A " + n.Run + " with " + w.quote(e) + " gets in."
}

// describeChosen says which claims an outsider chooses.
func (w wording) describeChosen(*evidence) string {
	who := "any " + w.profile.Nouns.Tenant
	if !w.profile.Shared {
		who = "any user of the issuer"
	}
	return w.name() + " compares only what " + who + " can choose" + w.chosen() +
		": the same values in a token of an outsider are accepted."
}

// chosen lists the run-level attributes that the literals say.
func (w wording) chosen() string {
	var names []string
	for _, in := range w.intents {
		for i := range w.profile.Attributes {
			a := &w.profile.Attributes[i]
			if a.Level == runLevel && in.knows(i) && !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// describeNamesake says that an outsider gets in who chooses names.
func (w wording) describeNamesake(e *evidence) string {
	return w.name() + " does not require a " + w.profile.Nouns.Tenant + ": an outsider can choose names for which it accepts the token, " +
		"such as with " + w.quote(e) + "."
}

// describeImitation says that a similar name is enough.
func (w wording) describeImitation(e *evidence) string {
	return w.name() + " accepts a " + w.profile.Nouns.Tenant + " whose name only looks like the intended one: " + w.quote(e) + "."
}

// describeProjectImitation says that a similar name of a project is enough.
func (w wording) describeProjectImitation(e *evidence) string {
	return w.name() + " accepts a " + w.profile.Nouns.Project + " whose name only looks like the intended one: " + w.quote(e) + "."
}

// describeIssuer says that another issuer is trusted, too.
func (w wording) describeIssuer(e *evidence) string {
	return w.name() + " accepts a token of another issuer, " + e.token.Text("iss") + "."
}

// describeSibling says that other projects of the tenant get in.
func (w wording) describeSibling(e *evidence) string {
	n := w.profile.Nouns
	return w.name() + " is not limited to one " + n.Project + ": " +
		"another one of the same " + n.Tenant + ", with " + w.quote(e) + ", gets in."
}

// describeRun says which other runs get in.
func (w wording) describeRun(e *evidence) string {
	return w.name() + " accepts runs that skip review: " + e.form.Says + " with " + w.quote(e) + " gets in."
}

// describeReused says that a name can be taken over.
func (w wording) describeReused(e *evidence) string {
	return w.name() + " compares only names, which another tenant can take after a rename or removal: " +
		"a token with " + w.quote(e) + " and other " +
		strings.Join(w.profile.Pins, " and ") + " is accepted."
}

// describeUndeclared says that a workload is in no document.
func (w wording) describeUndeclared(e *evidence) string {
	return w.name() + " accepts " + w.quote(e) + ", which no document declares."
}

// fixUndeclared says what to do about a workload that is in no document.
func fixUndeclared() string {
	return "Declare the workload in a WorkloadTrust document, or remove it from the trust."
}

// describeBroken says that an intended workload is refused.
func (w wording) describeBroken(in *intent) string {
	if in.unsigned {
		return w.name() + " waits for the subject " + w.describe(in) + ", which " + w.profile.Name + " never signs."
	}
	return w.name() + " refuses the workload for which it is meant: " + w.describe(in) + "."
}

// fixBroken says how an intended workload gets in.
func (w wording) fixBroken(in *intent) string {
	if !in.unsigned {
		return "Check each condition against a token of " + w.describe(in) + "; " + w.equal(w.subjectClaim, w.subjectOf(in))
	}
	var grammars []string
	for _, f := range w.forms[:min(len(w.forms), maxAudiences)] {
		if !slices.Contains(grammars, f.Subject) {
			grammars = append(grammars, f.Subject)
		}
	}
	return "Write the subject as the issuer does: " + strings.Join(grammars, " or ") + "."
}

// confusedDeputy says what an audience of two clouds means.
const confusedDeputy = ": a system that receives a workload's token for one cloud can use it at the other."

// describeAudience says whose audience is accepted.
func (w wording) describeAudience(e *evidence) string {
	audience := strings.Join(e.token.Texts("aud"), ", ")
	switch audience {
	case AWSRole.audience():
		return w.name() + " accepts tokens for the audience of AWS, " + audience + confusedDeputy
	case EntraCredential.audience():
		return w.name() + " accepts tokens for the audience of Entra ID, " + audience + confusedDeputy
	default:
		return w.name() + " does not require its audience: " +
			"it accepts a token that the workload got for another system, with aud \"" + audience + "\"."
	}
}

// fixAudience says which audience to require.
func (w wording) fixAudience() string {
	switch w.trust.Kind {
	case GCPProvider, GCPBinding:
		return "Remove allowed_audiences, so that only the provider's own name is accepted, and request tokens for it."
	case AWSRole, EntraCredential, KubernetesAuthentication:
	}
	audience := w.trust.Kind.audience()
	if audience == "" && len(w.audiences) > 0 {
		audience = w.audiences[0].text
	}
	if audience == "" {
		audience = "<an audience of this trust alone>"
	}
	return w.equal("aud", audience)
}

// fixSubject says which subject to require.
func (w wording) fixSubject() string {
	in := &intent{values: w.fixed}
	if len(w.intents) > 0 {
		in = w.intents[0]
	}
	return w.equal(w.subjectClaim, w.subjectOf(in))
}

// fixReused says which numbers to require.
func (w wording) fixReused() string {
	var parts []string
	for _, pin := range w.profile.Pins {
		parts = append(parts, w.condition(pin, "<number>"))
	}
	return w.prefix() + strings.Join(parts, w.and()) + w.suffix()
}

// equal says how the cloud requires a claim.
func (w wording) equal(claim, value string) string {
	if w.trust.Kind == EntraCredential && claim != "sub" {
		return "Set audiences to [\"" + value + "\"]."
	}
	return w.prefix() + w.condition(claim, value) + w.suffix()
}

// condition writes a comparison as the cloud does.
func (w wording) condition(claim, value string) string {
	switch w.trust.Kind {
	case AWSRole:
		return "\"" + strings.TrimPrefix(w.issuer, "https://") + ":" + claim + "\": \"" + value + "\""
	case GCPProvider, GCPBinding:
		return "assertion." + claim + " == \"" + value + "\""
	case KubernetesAuthentication:
		return "claims." + claim + " == \"" + value + "\""
	case EntraCredential:
		return "\"" + value + "\""
	default:
		return claim + " to equal \"" + value + "\""
	}
}

// prefix and suffix say where the condition belongs, and say what joins several.
func (w wording) prefix() string {
	switch w.trust.Kind {
	case AWSRole:
		return "Add to the statement's Condition: \"StringEquals\": {"
	case GCPProvider, GCPBinding:
		return "Require in the provider's attribute condition: "
	case KubernetesAuthentication:
		return "Add a claimValidationRules entry with the expression: "
	case EntraCredential:
		return "Set subject to "
	default:
		return "Require "
	}
}

func (w wording) suffix() string {
	if w.trust.Kind == AWSRole {
		return "}."
	}
	return "."
}

func (w wording) and() string {
	switch w.trust.Kind {
	case AWSRole:
		return ", "
	case GCPProvider, GCPBinding, KubernetesAuthentication:
		return " && "
	case EntraCredential:
	}
	return " and "
}
