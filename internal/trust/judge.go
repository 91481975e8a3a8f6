package trust

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Options say what a trust itself does not.
type Options struct {
	// Intended are the workloads that documents declare, as the claims that their tokens
	// have, such as only "sub". Empty if nothing declares them: then the literals of the
	// trust and its Subjects say for which workload it is meant.
	Intended []Token
	// Issuers are the issuers that may be trusted; any if empty.
	Issuers []string
}

// The rules that Judge reports.
const (
	ruleTenant     = "W01" // a shared issuer, and no tenant of it is required
	ruleAnyone     = "W02" // no condition on who gets in
	ruleImitation  = "W03" // names that look like the intended one
	ruleSibling    = "W04" // other projects of the tenant
	ruleRun        = "W05" // any branch, tag, pull request or environment
	ruleReused     = "W06" // names that another tenant can take over
	ruleChosen     = "W07" // only claims that an outsider chooses
	ruleAudience   = "W08" // any audience, or that of another cloud
	ruleIssuer     = "W09" // an issuer that is not the one meant
	ruleUndeclared = "W14" // accepted and in no document
	ruleBroken     = "W15" // meant and refused
	ruleUndecided  = "U01" // not decided by tokens
	ruleUnknown    = "U02" // not said by the files
)

// Judge returns the mistakes in a trust: at most one finding of each rule, the most severe
// first, then by rule. It sends tokens that the issuer could sign to t.Accepts: about a
// hundred for each workload that the trust names, at most some thousands. The same trust
// has the same findings. Several options add up.
//
// A finding is left out if it follows from another one, in this order:
//   - W02 and W01, any outsider, imply W07, W03, W04, W05 and W06.
//   - W07, an outsider who chooses a claim, and W03 for tenants, one with a similar name,
//     imply W03, W04, W05 and W06.
//   - W04, any project of the tenant, and W03 for projects imply W05.
//   - U01 is reported for the most severe of these that is not decided, if no other of them
//     is found.
//
// W08, W09, W14 and W15 are mistakes of their own. A trust that is Unknown has only W09 and
// U02, and one that is Disabled has none.
func Judge(t Trust, options ...Options) []Finding {
	if t.Accepts == nil || t.Disabled {
		return nil
	}
	j := newJudge(read(&t, options))
	defer j.writer.release()
	j.judgeIssuer()
	if t.Unknown != "" {
		return append(j.findings, UnknownFinding(t.Name, t.At, t.Unknown))
	}
	j.judgeIntended()
	j.judgeAudience()
	j.findNames()
	j.judgeOutsiders()
	slices.SortStableFunc(j.findings, func(a, b Finding) int {
		return cmp.Or(a.Severity.rank()-b.Severity.rank(), strings.Compare(a.Rule, b.Rule))
	})
	return j.findings
}

// UnknownFinding returns the finding that a trust cannot be judged (U02), because the files do not
// say a value.
func UnknownFinding(name string, at Position, reason string) Finding {
	return Finding{
		File: at.File, Line: at.Line, Trust: name, Rule: ruleUnknown, Severity: Low,
		Message: "The trust cannot be judged: " + reason + ", which the files do not say.",
		Fix:     "Lint the plan, by terraform show -json PLAN > plan.json, or the object as the cloud returns it.",
	}
}

// findNames finds the names of intended users, where each has rights by the own name.
func (j *judge) findNames() {
	if j.trust.User == nil || !j.profile.Users {
		return
	}
	names := map[string]bool{}
	for _, in := range j.intents {
		if e := j.search(j.generator.intended(in)); e != nil {
			names[j.trust.User(e.token)] = true
		}
	}
	j.names = names
}

// rank orders severities, the worst first.
func (s Severity) rank() int { return slices.Index(Severities(), s) }

// judge sends tokens to one trust and collects what they show.
type judge struct {
	*reading

	generator generator
	wording   wording
	writer    *writer
	// sent counts the tokens; exhausted is true if there are more than the bound allows.
	sent      int
	exhausted bool
	findings  []Finding
	// names are the names of intended users in the cloud.
	names map[string]bool
	// undecided is the finding to report if nothing is decided.
	undecided *Finding
}

func newJudge(r *reading) *judge {
	return &judge{reading: r, generator: generator{r}, wording: wording{r}, writer: newWriter(r.profile, r.subjectClaim)}
}

// audience returns the audience of a cloud that does not say another; "" if it has none.
func (k Kind) audience() string {
	switch k {
	case AWSRole:
		return "sts.amazonaws.com"
	case EntraCredential:
		return "api://AzureADTokenExchange"
	case GCPProvider, GCPBinding, KubernetesAuthentication:
	}
	return ""
}

// evidence is a probe that a trust accepts.
type evidence struct {
	token     Token
	form      *form
	values    []string
	undecided string
}

// search returns the first probe that the trust accepts for certain, else the first that
// it perhaps accepts; nil if there is none.
func (j *judge) search(probes iter.Seq[*probe]) *evidence {
	var maybe *evidence
	for p := range probes {
		if j.sent == maxProbes {
			j.exhausted = true
			break
		}
		j.sent++
		token := j.writer.write(p, j.issuer)
		d := j.trust.Accepts(token)
		if !d.Accepted || j.isOtherUser(token) || maybe != nil && d.Undecided != "" {
			continue
		}
		found := &evidence{token: maps.Clone(token), form: p.form, values: slices.Clone(p.values), undecided: d.Undecided}
		if d.Undecided == "" {
			return found
		}
		maybe = found
	}
	return maybe
}

// isOtherUser reports whether a token is that of a user with another name than the intended
// ones, and so with other rights.
func (j *judge) isOtherUser(token Token) bool {
	return j.names != nil && !j.names[j.trust.User(token)]
}

// report adds a finding with an accepted token, and reports whether it is decided. One that
// is not is kept for the end.
func (j *judge) report(rule string, severity Severity, e *evidence, message func(*evidence) string, fix func() string) bool {
	if e == nil {
		return false
	}
	f := j.finding(rule, severity, message(e), fix())
	f.AcceptedToken = e.token
	if e.undecided == "" {
		j.findings = append(j.findings, f)
		return true
	}
	if j.undecided == nil {
		f.Rule, f.Severity = ruleUndecided, Medium
		f.Message = "Whether tokens alone open " + j.wording.name() + " is not decided (" + e.undecided + "). If that holds: " + f.Message
		j.undecided = &f
	}
	return false
}

// finding returns a finding at the trust.
func (j *judge) finding(rule string, severity Severity, message, fix string) Finding {
	return Finding{
		File: j.trust.At.File, Line: j.trust.At.Line, Trust: j.trust.Name,
		Rule: rule, Severity: severity, Message: message, Fix: fix,
	}
}

// judgeOutsiders looks for the most severe way in, and for those that do not follow.
func (j *judge) judgeOutsiders() {
	found := j.judgeAnyone() || j.judgeCopiers() || j.judgeImitations()
	if !found {
		found = j.judgeProjects()
		found = j.judgeReused() || found
	}
	switch {
	case found:
	case j.undecided != nil:
		j.findings = append(j.findings, *j.undecided)
	case j.cut || j.exhausted:
		j.findings = append(j.findings, j.finding(ruleUndecided, Medium,
			j.wording.name()+" names more subjects, claims or audiences than this check sends tokens for.",
			"Split the trust into several."))
	}
}

// judgeAnyone looks for tokens that have nothing in common with the intended ones.
func (j *judge) judgeAnyone() bool {
	e := j.search(j.generator.anyone())
	if e == nil {
		return false
	}
	rule := ruleAnyone
	if j.profile.Shared && j.comparesIdentity() {
		rule = ruleTenant
	}
	return j.report(rule, Critical, e, j.wording.describeAnyone, j.wording.fixSubject)
}

// judgeCopiers looks for outsiders who choose what the literals say.
func (j *judge) judgeCopiers() bool {
	if j.report(ruleChosen, High, j.search(j.generator.copiers()), j.wording.describeChosen, j.wording.fixSubject) {
		return true
	}
	if e := j.search(j.generator.namesakes()); e != nil {
		return j.reportNamesake(e)
	}
	if e := j.search(j.generator.injectors()); e != nil {
		return j.reportNamesake(e)
	}
	return false
}

// reportNamesake reports an outsider who chooses names: of a shared issuer anybody, of a
// private one another project.
func (j *judge) reportNamesake(e *evidence) bool {
	if j.profile.Shared {
		return j.report(ruleTenant, Critical, e, j.wording.describeNamesake, j.wording.fixSubject)
	}
	return j.report(ruleSibling, High, e, j.wording.describeNamesake, j.wording.fixSubject)
}

// judgeImitations looks for tenants with similar names.
func (j *judge) judgeImitations() bool {
	return j.report(ruleImitation, High, j.search(j.generator.imitations()), j.wording.describeImitation, j.wording.fixSubject)
}

// judgeProjects looks for other projects and, if there are none, for other runs of the
// intended ones.
func (j *judge) judgeProjects() bool {
	open := map[string]bool{}
	var sibling *evidence
	groups := j.profile.groups()
	if len(groups) > 0 {
		groups = append([]string{""}, groups...)
	}
	for _, group := range groups {
		e := j.search(j.generator.siblings(group))
		if e == nil {
			continue
		}
		open[group] = true
		if sibling == nil || sibling.undecided != "" && e.undecided == "" {
			sibling = e
		}
	}
	found := j.report(ruleSibling, High, sibling, j.wording.describeSibling, j.wording.fixSubject)
	if !open[""] {
		e := j.search(j.generator.projectImitations(func(group string) bool { return !open[group] }))
		found = j.report(ruleImitation, High, e, j.wording.describeProjectImitation, j.wording.fixSubject) || found
	}
	if found || !j.speaksOfRuns() {
		return found
	}
	return j.report(ruleRun, High, j.search(j.generator.otherRuns()), j.wording.describeRun, j.wording.fixSubject)
}

// judgeReused looks for tenants that have taken over a name. It is no mistake where the
// cloud cannot compare anything better.
func (j *judge) judgeReused() bool {
	p := j.profile
	if !p.Shared || len(p.Pins) == 0 || !j.tenantsVary() {
		return false
	}
	if j.trust.Kind != "" && !slices.Contains(p.PinnedBy, j.trust.Kind) {
		return false
	}
	return j.report(ruleReused, High, j.search(j.generator.successors()), j.wording.describeReused, j.wording.fixReused)
}

// judgeIntended looks whether the trust accepts the workloads for which it is meant.
func (j *judge) judgeIntended() {
	accepted := 0
	for _, in := range j.intents {
		switch e := j.search(j.generator.intended(in)); {
		case e != nil && !in.unsigned:
			accepted++
		case len(j.options.Intended) > 0:
			j.findings = append(j.findings, j.finding(ruleBroken, Medium, j.wording.describeBroken(in), j.wording.fixBroken(in)))
		}
	}
	j.judgeNamed()
	if accepted == 0 && len(j.options.Intended) == 0 {
		j.reportBroken()
	}
}

// reportBroken reports a trust that refuses every intended token, or that this is not known
// because a comparison is not understood.
func (j *judge) reportBroken() {
	in := j.intents[0]
	unclear := func(c Comparison) bool { return c.Operator == Other || c.Operator == Regexp }
	if !in.unsigned && slices.ContainsFunc(j.trust.Comparisons, unclear) {
		f := j.finding(ruleUndecided, Medium,
			"It is not known for which workload "+j.wording.name()+" is meant: this check cannot invert its comparisons, and it refuses "+
				j.wording.describe(in)+".",
			"Declare the workload in a WorkloadTrust document, or compare with literals.")
		j.findings = append(j.findings, f)
		return
	}
	if j.hasIntent() {
		j.findings = append(j.findings, j.finding(ruleBroken, Medium, j.wording.describeBroken(in), j.wording.fixBroken(in)))
	}
}

// judgeNamed looks for workloads that the literals name, that the trust accepts, and that
// no document declares.
func (j *judge) judgeNamed() {
	for _, in := range j.named {
		if slices.ContainsFunc(j.intents, func(d *intent) bool { return j.within(in, d) }) {
			continue
		}
		if j.report(ruleUndeclared, Medium, j.search(j.generator.intended(in)), j.wording.describeUndeclared, fixUndeclared) {
			return
		}
	}
}

// judgeAudience looks for audiences that are not the trust's.
func (j *judge) judgeAudience() {
	if j.profile.AudienceFixed {
		return
	}
	e := j.search(j.generator.otherAudiences())
	if e != nil && e.undecided == "" {
		j.report(ruleAudience, High, e, j.wording.describeAudience, j.wording.fixAudience)
	}
}
