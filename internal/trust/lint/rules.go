package lint

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Rule describes what one rule finds.
type Rule struct {
	ID string `json:"rule"`
	// Severity is the usual one; a finding may have another.
	Severity trust.Severity `json:"severity"`
	// Title says what is wrong, Help what follows from it and what to do.
	Title string `json:"title"`
	Help  string `json:"help"`
}

// Rules returns all rules, those of all clouds first.
func Rules() []Rule {
	return slices.Concat(
		tokenRules(), inputRules(), awsRules(), googleRules(), entraRules(), clusterRules(), clientRules(), keyRules(), ownRules(),
	)
}

// tokenRules are the rules that tokens show, for every cloud.
func tokenRules() []Rule {
	return []Rule{
		{
			"W01", trust.Critical, "Any tenant of a shared issuer gets in",
			"The issuer signs tokens for all its tenants, and no condition requires your organization. Compare a claim that " +
				"only your tenant has, such as repository_owner_id.",
		},
		{
			"W02", trust.Critical, "Any workload of the issuer gets in",
			"No condition says which workload may use the trust. Require the subject.",
		},
		{
			"W03", trust.High, "A name that looks like the intended one gets in",
			"A prefix, a wildcard or a comparison without case also matches names that others can register. Compare whole values.",
		},
		{
			"W04", trust.High, "Other projects of the tenant get in",
			"Each of them can act as this workload. Name one project.",
		},
		{
			"W05", trust.High, "Any branch, tag, pull request or environment gets in",
			"Every user that can open a pull request or push a branch can use the trust. Name the branch or the protected environment.",
		},
		{
			"W06", trust.High, "Only names that can be taken over are compared",
			"After a rename or deletion, another tenant can register the name. Compare numeric IDs, too.",
		},
		{
			"W07", trust.High, "Only claims that any user of the issuer chooses are compared",
			"Another tenant can use the same branch, workflow or environment name. Compare the project.",
		},
		{
			"W08", trust.High, "The audience is not required, or is that of another system",
			"Another system that receives the token can present it here. Require an audience that only this trust has.",
		},
		{
			"W09", trust.High, "The issuer is not the one meant",
			"Tokens are compared with the issuer's URL exactly. Write it as its discovery document does.",
		},
	}
}

// inputRules are about trusts that belong together, intentions, and what is not decided.
func inputRules() []Rule {
	return []Rule{
		{
			"W11", trust.Medium, "An inline key set with a key that verifies nothing or too much",
			"A weak, symmetric or private key lets others sign tokens, and a key without kid cannot be rotated. Use the key set " +
				"that the issuer publishes.",
		},
		{
			"W12", trust.Medium, "The same issuer is federated twice",
			"When one provider is removed to revoke access, tokens still get in by the other. Keep one.",
		},
		{
			"W13", trust.High, "Two issuers of a pool make the same subject",
			"A workload of one cluster is the principal of another cluster's. Use a pool for each issuer, or put its name " +
				"before the subject.",
		},
		{
			"W14", trust.Medium, "A workload that no document declares gets in",
			"Declare it in a WorkloadTrust, or remove it from the trust.",
		},
		{
			"W15", trust.Medium, "The intended workload is refused",
			"The trust does not accept the token of the workload that it is meant for. Correct the literal.",
		},
		{
			"W16", trust.High, "A token of a workload leads to any other access",
			"The federated identity has a role of administration, or can use an identity that has one. Grant only what the workload needs.",
		},
		{
			"W17", trust.Medium, "A key is used beside or instead of federation",
			"The key stays good when the trust is removed. Remove it.",
		},
		{
			"U01", trust.Medium, "A token does not decide",
			"The decision depends on something that is not in the token, such as the address of the caller. Read the " +
				"message, and waive the finding if the rest is enough.",
		},
		{
			"U02", trust.Low, "The files do not say enough to judge",
			"A variable or an attribute that is known after apply decides. Lint the plan.",
		},
	}
}

func awsRules() []Rule {
	return []Rule{
		{
			"A01", trust.Critical, "A role trusts every principal or provider",
			"Name the provider in Principal.Federated.",
		},
		{
			"A02", trust.Low, "A wildcard where none works, or an operator for wildcards without one",
			"* is a character under StringEquals. Use StringLike for wildcards and StringEquals for whole values.",
		},
		{
			"A03", trust.High, "A condition that holds for tokens without the claim",
			"ForAllValues and IfExists hold if the claim is absent. Use the plain operator.",
		},
		{
			"A04", trust.High, "A statement says only who is refused",
			"All others are allowed. Say who is allowed.",
		},
		{
			"A05", trust.Medium, "A condition key of another issuer",
			"The key is never there, so the condition decides nothing or refuses every token. Use the key of the statement's issuer.",
		},
		{
			"A06", trust.Medium, "A condition key for a claim that AWS does not map",
			"AWS knows only some claims of each issuer. Use one of those.",
		},
		{
			"A07", trust.Medium, "An audience that the provider does not have",
			"STS refuses tokens for it. Add it to the client IDs of the provider.",
		},
		{
			"A09", trust.Medium, "A trust policy near or over its quota",
			"IAM refuses longer policies. Split the role.",
		},
		{
			"A10", trust.Medium, "Long sessions for a federated role",
			"A session ends only by time. Use one hour.",
		},
		{
			"A11", trust.High, "Another account without an external ID",
			"A third party can be made to use the role for another customer. Require sts:ExternalId.",
		},
		{
			"A12", trust.High, "A trust of Google's issuer without subject, or with the wrong audience key",
			"Compare accounts.google.com:sub, and :oaud for the audience.",
		},
	}
}

func googleRules() []Rule {
	return []Rule{
		{
			"G00", trust.Medium, "An expression that Google refuses",
			"The provider accepts no token. Correct the expression.",
		},
		{
			"G02", trust.High, "A condition that names no claim of the workload",
			"It accepts every workload of the issuer. Compare a claim that only your workloads have.",
		},
		{
			"G03", trust.High, "google.subject does not tell workloads apart",
			"Workloads share a principal. Map assertion.sub.",
		},
		{
			"G04", trust.Medium, "A size that Google refuses",
			"The exchange fails at run time. Shorten the value.",
		},
		{
			"G05", trust.High, "A whole pool has a role",
			"Name a subject or an attribute.",
		},
		{
			"G06", trust.High, "A member by an attribute that is not mapped, or that names a user",
			"Map an attribute of the workload that is never reassigned.",
		},
		{
			"G07", trust.Medium, "A member that no identity matches",
			"Correct project number, pool or form.",
		},
		{
			"G08", trust.Medium, "An allowed audience that other systems accept, too",
			"Each of them can use the token here. Remove allowedAudiences.",
		},
		{
			"G10", trust.High, "workloadIdentityUser on a project",
			"The workload can act as every service account of it. Grant the role on one service account.",
		},
		{
			"G11", trust.Medium, "Several members can act as one service account",
			"Its log does not tell them apart, and each has what the other needs. Use one service account for each workload.",
		},
	}
}

func entraRules() []Rule {
	return []Rule{
		{
			"Z01", trust.Medium, "An application near the limit of 20 credentials",
			"Use a flexible credential or another identity.",
		},
		{
			"Z03", trust.Medium, "A wildcard in a credential that knows none",
			"No token is accepted. Use a flexible credential.",
		},
		{
			"Z04", trust.Medium, "An audience that is not Entra's",
			"Use api://AzureADTokenExchange.",
		},
		{
			"Z05", trust.Medium, "An issuer that no token has",
			"Entra compares it exactly. Remove blanks, and correct case and slash.",
		},
		{
			"Z06", trust.High, "A credential of a multi-tenant application",
			"The workload acts in every tenant that consented. Use an application of one tenant.",
		},
		{
			"Z08", trust.Medium, "A credential that Entra refuses",
			"Correct the expression.",
		},
	}
}

func clusterRules() []Rule {
	return []Rule{
		{
			"K01", trust.High, "A token has another audience than its cloud expects",
			"The exchange fails, or another cloud can use the token. Project one token for each cloud.",
		},
		{
			"K02", trust.Medium, "A lifetime of tokens that is refused or too long",
			"Use 3600 seconds.",
		},
		{
			"K03", trust.Medium, "A token that is not read again",
			"A subPath mount or a copy expires. Mount the volume and read the file for each use.",
		},
		{
			"K04", trust.High, "A federated workload with the service account default",
			"Every pod of the namespace is that workload. Use a service account of its own.",
		},
		{
			"K05", trust.High, "A role that may create tokens of service accounts",
			"Its holders are every workload that a trust names. Limit it by resourceNames.",
		},
		{
			"K10", trust.Medium, "An AuthenticationConfiguration that the API server refuses",
			"Correct the entry.",
		},
		{
			"K11", trust.High, "A username that users can change",
			"Use the claim sub.",
		},
		{
			"K12", trust.High, "A token can be a user or group of Kubernetes itself",
			"Set a prefix, or forbid system: by a validation rule.",
		},
		{
			"K13", trust.Medium, "Requests without a token are accepted",
			"Allow anonymous requests for health checks only.",
		},
		{
			"K14", trust.Low, `The prefix "-" is taken literally`,
			"Only the flag of the API server reads it as none. Write a prefix.",
		},
	}
}

func clientRules() []Rule {
	return []Rule{
		{
			"C01", trust.High, "A credential configuration sends tokens to another host",
			"The host collects the tokens. Make the file again, and restrict who edits it.",
		},
		{
			"C02", trust.High, "A credential configuration runs a program",
			"Editors of the file run commands as the workload. Use a file or a URL.",
		},
		{
			"C03", trust.Medium, "A credential configuration names no provider",
			"The exchange fails. Correct the audience.",
		},
		{
			"C04", trust.Medium, "A credential configuration reads a token where none is",
			"Make its path equal to that of the projected token.",
		},
	}
}

func keyRules() []Rule {
	return []Rule{
		{
			"P01", trust.High, "A key of AWS is stored",
			"Revoke it, and assume a role with the workload's token.",
		},
		{
			"P02", trust.High, "A key of a Google service account is stored",
			"Revoke it, and use a workload identity provider.",
		},
		{
			"P03", trust.High, "A secret of an Entra application is stored",
			"Revoke it, and use a federated credential.",
		},
		{
			"P04", trust.High, "A static credential of a cluster is stored",
			"Revoke it, and use short-lived tokens.",
		},
	}
}

// ownRules are about the documents and comments of this linter.
func ownRules() []Rule {
	return []Rule{
		{
			"X01", trust.Medium, "A waiver that does not hold",
			"It has expired, or lacks a reason or an end date.",
		},
		{
			"X02", trust.Low, "A waiver that is not used",
			"Remove it.",
		},
		{
			"X03", trust.Low, "A WorkloadTrust that names no trust",
			"Correct spec.trusts and spec.issuer.",
		},
	}
}
