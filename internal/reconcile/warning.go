package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Refusal returns the code of the warning about a step that failed, and reports whether
// the failure is permanent: it lasts until a user or an operator acts. The failure is a
// class as the ledger has it, such as fault.NameDenied.
func Refusal(class string) (code access.Code, permanent bool) {
	return warningCode(class), isPermanent(class)
}

// warningCode returns the code of the warning about a failure of a class: a lack of
// permission, a rule of the operator, a failure that another run may end, or a request that
// can never succeed.
func warningCode(class string) access.Code {
	switch class {
	case fault.NameDenied:
		return access.PlatformDenied
	case fault.NameForbidden:
		return access.ForbiddenByConnection
	case fault.NamePending, fault.NameThrottled, fault.NameUnavailable: // a platform may throttle until an earlier write ends
		return access.PlatformPending
	default:
		return access.PlatformRefused
	}
}

// stepWarnings returns the warnings about the failed steps of a plan. Of a step that failed
// in parts only the smallest parts have one.
func stepWarnings(p plan.Plan, failed []ledger.Record) []access.Remark {
	wholes := wholesOf(failed)
	var warnings []access.Remark
	for _, r := range smallestParts(failed) {
		warnings = append(warnings, stepWarning(r, p.BlockedBy(wholes[r.Step.ID])))
	}
	return warnings
}

// wholesOf returns, by the ID of each failed step, that of the plan's step of which it is
// a part, or its own.
func wholesOf(failed []ledger.Record) map[string]string {
	partOf := make(map[string]string, len(failed))
	for _, r := range failed {
		partOf[r.Step.ID] = r.Step.PartOf
	}
	wholes := make(map[string]string, len(failed))
	for id := range partOf {
		whole := id
		for partOf[whole] != "" {
			whole = partOf[whole]
		}
		wholes[id] = whole
	}
	return wholes
}

// smallestParts returns the records without the steps of which a part failed: the part has
// the reason.
func smallestParts(failed []ledger.Record) []ledger.Record {
	whole := map[string]bool{}
	for _, r := range failed {
		whole[r.Step.PartOf] = true
	}
	return slices.DeleteFunc(slices.Clone(failed), func(r ledger.Record) bool { return whole[r.Step.ID] })
}

// stepWarning returns the warning about a failed step that so many others need.
func stepWarning(r ledger.Record, blocked int) access.Remark {
	answer, remedy, _ := strings.Cut(r.Err, "\n")
	class, text, _ := strings.Cut(answer, ": ")
	code := warningCode(class)
	waiting := ""
	if blocked > 0 {
		waiting = fmt.Sprintf(" (%d other steps need it)", blocked)
	}
	return access.Remark{
		Code: code, Object: r.Step.Object,
		Text: fmt.Sprintf("%s %s%s: %s: %s",
			failureText(class), stepText(r.Step), waiting, text, cmp.Or(remedy, stepAdvice(r.Step.Kind, code))),
	}
}

// failureText returns the beginning of a warning about a failure of a class.
func failureText(class string) string {
	switch code := warningCode(class); {
	case class == fault.NameUnavailable:
		return "the platform failed to"
	case code == access.PlatformPending:
		return "the platform has not finished yet to"
	case code == access.ForbiddenByConnection:
		return "Rollcall may not"
	default:
		return "the platform refused to"
	}
}

// stepText says what a step does, with the account if it is about a single one.
func stepText(s plan.Step) string {
	switch adds, removes := s.Adds(), s.Removes(); {
	case s.Op == plan.Change && len(adds) == 1 && len(removes) == 0:
		return fmt.Sprintf("add %s to the %s %q", plan.AccountName(adds[0]), s.Kind, s.Object)
	case s.Op == plan.Change && len(adds) == 0 && len(removes) == 1:
		return fmt.Sprintf("remove %s from the %s %q", plan.AccountName(removes[0]), s.Kind, s.Object)
	default:
		return fmt.Sprintf("%s the %s %q", s.Op, s.Kind, s.Object)
	}
}

// stepAdvice says what to do about a failed step on an object of a kind.
func stepAdvice(kind access.Kind, code access.Code) string {
	if kind == access.KindAccount && code == access.PlatformRefused {
		return "correct the user's address in the documents, or have an administrator of the platform add the user"
	}
	return advice(code)
}

// advice says what to do about a failure.
func advice(code access.Code) string {
	switch code {
	case access.PlatformDenied:
		return "correct the credentials of the platform's connection, or give their account the permissions it lacks"
	case access.ForbiddenByConnection:
		return "change the documents, or ask the operator of the workers to change the connection"
	case access.PlatformPending:
		return "the next run looks for it again; if it does not end, ask the platform's support about it"
	default:
		return "correct the platform's settings or its role mappings"
	}
}

// failureWarning returns the warning about a failure of a class that is not one of a step.
func failureWarning(object, class, text string) access.Remark {
	code := warningCode(class)
	return access.Remark{Code: code, Object: object, Text: text + ": " + advice(code)}
}
