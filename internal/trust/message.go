package trust

import (
	"slices"
	"strings"
)

// name returns how messages call the trust.
func (j *judge) name() string {
	if j.trust.Name == "" {
		return "This trust"
	}
	return j.trust.Name
}

// quote returns a token's subject for a message.
func (e *evidence) quote() string { return "\"" + e.token.Text("sub") + "\"" }

// describe returns for which workload an intent is: its literal, or its subject as far as it is said.
func (j *judge) describe(in *intent) string {
	if in.subject != "" {
		return "\"" + in.subject + "\""
	}
	return "\"" + j.subjectOf(in) + "\""
}

// subjectOf returns the subject of an intent, with <names> of attributes for those that
// nothing says.
func (j *judge) subjectOf(in *intent) string {
	f := in.form
	if f == nil {
		f = j.forms[0]
	}
	values := make([]string, len(in.values))
	for i := range values {
		set := f.sets[i]
		switch {
		case set != "" && set != absent:
			values[i] = set
		case in.names(i), in.knows(i) && j.plausible(in, i):
			values[i] = in.values[i]
		default:
			values[i] = "<" + j.profile.Attributes[i].Name + ">"
		}
	}
	subject, _ := f.subject.render(values)
	return subject
}

// plausible reports whether the beginning of a name that a trust says is a name itself.
func (j *judge) plausible(in *intent, i int) bool {
	a := &j.profile.Attributes[i]
	return a.Level != runLevel && a.signable(in.values[i]) && !strings.HasSuffix(in.values[i], "/")
}

// describeAnyone says that nothing keeps outsiders out.
func (j *judge) describeAnyone(e *evidence) string {
	n := j.profile.Nouns
	if j.profile.Shared {
		return j.name() + " accepts tokens of every " + n.Tenant + " at " + j.profile.Name + ": no condition requires one. " +
			"An outsider's " + n.Run + " with sub " + e.quote() + " gets in."
	}
	return j.name() + " accepts every " + n.Project + " of its issuer: no condition requires one. " +
		"A " + n.Run + " with sub " + e.quote() + " gets in."
}

// describeChosen says which claims an outsider chooses.
func (j *judge) describeChosen(*evidence) string {
	who := "any " + j.profile.Nouns.Tenant
	if !j.profile.Shared {
		who = "any user of the issuer"
	}
	return j.name() + " compares only what " + who + " can choose" + j.chosen() +
		": the same values in a token of an outsider are accepted."
}

// chosen lists the run-level attributes that the literals say.
func (j *judge) chosen() string {
	var names []string
	for _, in := range j.intents {
		for i := range j.profile.Attributes {
			a := &j.profile.Attributes[i]
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
func (j *judge) describeNamesake(e *evidence) string {
	return j.name() + " does not require a " + j.profile.Nouns.Tenant + ": an outsider can choose names for which it accepts the token, " +
		"such as with sub " + e.quote() + "."
}

// describeImitation says that a similar name is enough.
func (j *judge) describeImitation(e *evidence) string {
	return j.name() + " accepts a " + j.profile.Nouns.Tenant + " whose name only looks like the intended one: sub " + e.quote() + "."
}

// describeProjectImitation says that a similar name of a project is enough.
func (j *judge) describeProjectImitation(e *evidence) string {
	return j.name() + " accepts a " + j.profile.Nouns.Project + " whose name only looks like the intended one: sub " + e.quote() + "."
}

// describeIssuer says that another issuer is trusted, too.
func (j *judge) describeIssuer(e *evidence) string {
	return j.name() + " accepts a token of another issuer, " + e.token.Text("iss") + "."
}

// describeSibling says that other projects of the tenant get in.
func (j *judge) describeSibling(e *evidence) string {
	n := j.profile.Nouns
	return j.name() + " is not limited to one " + n.Project + ": " +
		"another one of the same " + n.Tenant + ", with sub " + e.quote() + ", gets in."
}

// describeRun says which other runs get in.
func (j *judge) describeRun(e *evidence) string {
	return j.name() + " accepts runs that skip review: " + e.form.Says + " with sub " + e.quote() + " gets in."
}

// describeReused says that a name can be taken over.
func (j *judge) describeReused(e *evidence) string {
	return j.name() + " compares only names, which another tenant can take after a rename or removal: " +
		"a token with sub " + e.quote() + " and other " +
		strings.Join(j.profile.Pins, " and ") + " is accepted."
}

// describeUndeclared says that a workload is in no document.
func (j *judge) describeUndeclared(e *evidence) string {
	return j.name() + " accepts sub " + e.quote() + ", which no document declares."
}

// fixUndeclared says what to do about a workload that is in no document.
func fixUndeclared() string {
	return "Declare the workload in a WorkloadTrust document, or remove it from the trust."
}

// describeBroken says that an intended workload is refused.
func (j *judge) describeBroken(in *intent) string {
	if in.unsigned {
		return j.name() + " waits for the subject " + j.describe(in) + ", which " + j.profile.Name + " never signs."
	}
	return j.name() + " refuses the workload for which it is meant: " + j.describe(in) + "."
}

// fixBroken says how an intended workload gets in.
func (j *judge) fixBroken(in *intent) string {
	if !in.unsigned {
		return "Check each condition against a token of " + j.describe(in) + "; " + j.equal("sub", j.subjectOf(in))
	}
	var grammars []string
	for _, f := range j.forms[:min(len(j.forms), maxAudiences)] {
		if !slices.Contains(grammars, f.Subject) {
			grammars = append(grammars, f.Subject)
		}
	}
	return "Write the subject as the issuer does: " + strings.Join(grammars, " or ") + "."
}

// confusedDeputy says what an audience of two clouds means.
const confusedDeputy = ": a system that receives a workload's token for one cloud can use it at the other."

// describeAudience says whose audience is accepted.
func (j *judge) describeAudience(e *evidence) string {
	audience := strings.Join(e.token.Texts("aud"), ", ")
	switch audience {
	case AWSRole.audience():
		return j.name() + " accepts tokens for the audience of AWS, " + audience + confusedDeputy
	case EntraCredential.audience():
		return j.name() + " accepts tokens for the audience of Entra ID, " + audience + confusedDeputy
	default:
		return j.name() + " does not require its audience: " +
			"it accepts a token that the workload got for another system, with aud \"" + audience + "\"."
	}
}

// fixAudience says which audience to require.
func (j *judge) fixAudience() string {
	switch j.trust.Kind {
	case GCPProvider, GCPBinding:
		return "Remove allowed_audiences, so that only the provider's own name is accepted, and request tokens for it."
	case AWSRole, EntraCredential, KubernetesAuthentication:
	}
	audience := j.trust.Kind.audience()
	if audience == "" && len(j.audiences) > 0 {
		audience = j.audiences[0].text
	}
	if audience == "" {
		audience = "<an audience of this trust alone>"
	}
	return j.equal("aud", audience)
}

// fixSubject says which subject to require.
func (j *judge) fixSubject() string {
	in := &intent{values: j.fixed}
	if len(j.intents) > 0 {
		in = j.intents[0]
	}
	return j.equal("sub", j.subjectOf(in))
}

// fixReused says which numbers to require.
func (j *judge) fixReused() string {
	var parts []string
	for _, pin := range j.profile.Pins {
		parts = append(parts, j.condition(pin, "<number>"))
	}
	return j.prefix() + strings.Join(parts, j.and()) + j.suffix()
}

// equal says how the cloud requires a claim.
func (j *judge) equal(claim, value string) string {
	if j.trust.Kind == EntraCredential && claim != "sub" {
		return "Set audiences to [\"" + value + "\"]."
	}
	return j.prefix() + j.condition(claim, value) + j.suffix()
}

// condition writes a comparison as the cloud does.
func (j *judge) condition(claim, value string) string {
	switch j.trust.Kind {
	case AWSRole:
		return "\"" + strings.TrimPrefix(j.issuer, "https://") + ":" + claim + "\": \"" + value + "\""
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
func (j *judge) prefix() string {
	switch j.trust.Kind {
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

func (j *judge) suffix() string {
	if j.trust.Kind == AWSRole {
		return "}."
	}
	return "."
}

func (j *judge) and() string {
	switch j.trust.Kind {
	case AWSRole:
		return ", "
	case GCPProvider, GCPBinding, KubernetesAuthentication:
		return " && "
	case EntraCredential:
	}
	return " and "
}
