// Package rules is what an AWS Identity Center can hold: its profile and its
// limits on names, without any I/O, so that documents are checked against them
// where there is no AWS at hand.
package rules

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "aws"

// The most characters that names may have, from the service models: Identity
// Store's GroupDisplayName and UserName, SSO Admin's PermissionSetName.
const (
	MaxGroupName         = 1024
	MaxUserName          = 128
	MaxPermissionSetName = 32
)

// settle is how long Identity Store and SSO Admin may take to show what was
// written. The vendor names no time; seconds are what people see.
const settle = 5 * time.Second

// What the models allow: GroupDisplayName without the tab and the line breaks,
// which tear logs and lists apart; UserName; PermissionSetName; AccountId.
var (
	groupName         = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P} \x{00a0}]+$`)
	userName          = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$`)
	permissionSetName = regexp.MustCompile(`^[\w+=,.@-]+$`)
	accountID         = regexp.MustCompile(`^[0-9]{12}$`)
)

// accessEnd returns when access ends. Without a membership or an assignment nobody starts a
// session, but a session goes on for the duration that its permission set has: 1 hour by
// default, at most 12. An end of the user's session in the access portal does not reach it.
//
// See https://docs.aws.amazon.com/singlesignon/latest/userguide/howtosessionduration.html and
// https://docs.aws.amazon.com/singlesignon/latest/userguide/manage-user-session.html.
func accessEnd() driver.AccessEnd {
	return driver.AccessEnd{
		UpTo: 12 * time.Hour,
		Because: "a session that is open lives on for the session duration of its permission set, " +
			"1 hour by default and 12 at most",
		Source: "https://docs.aws.amazon.com/singlesignon/latest/userguide/revoke-user-permissions.html",
		Hint: "end the sessions: attach a policy to the permission set that denies all to the user, or to tokens " +
			"issued before now (aws:TokenIssueTime)",
	}
}

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:            Type,
		LookupAttribute: "userName",
		// Nothing says whether user names are compared with their case. They are
		// compared to the letter here, so that nobody is taken for somebody else.
		AccountNames:          identity.Exact,
		Groups:                true,
		Marks:                 true, // on groups, in their description
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               true,
		// A membership is one call each: at 20 calls a second a step takes 5 s.
		MemberChunk: 100,
		Unit:        plan.PerObject,
		// All APIs of Identity Center share 20 calls a second, and an account takes
		// one assignment at a time.
		Parallel:         4,
		ScopesPerObserve: 100,
		// Identity Center takes 20 calls a second, of everybody together, and does not
		// raise that (IAM Identity Center quotas, "Additional quotas").
		CallsPerSecond: 20,
		Settle:         settle,
		AccessEnd:      accessEnd(),
		// Members and assignments name a group's id, which stays (UpdateGroup in the
		// model of Identity Store).
		Renames: true,
		BringIn: driver.DeprecatedMaker,
		Cost: driver.Cost{
			VerifyOne: "2R: members and assignments of each group; 3R with marks",
			VerifyAll: "2TR; with marks one page of 100 groups each more",
			ChangeOne: "1; 2 to remove a member that this worker has not observed",
		},
		Cannot: []string{
			"see assignments to users, or to groups that neither documents nor the ledger name: " +
				"AWS lists them by group or by permission set only",
			"take ARNs for roles: permission sets go by their names, so that a role has one name only",
			"remove the assignments that another system gave to a deleted group: AWS keeps them",
			"read many groups in one call: Identity Center has no bulk API",
			"take members that are no users for unmanaged ones: Identity Center has none, so that a membership of " +
				"another kind is an answer that cannot be read",
			"tell whether two names that differ in case only are one: user names are compared exactly, and AWS may refuse such a group",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil:
		return group(o.Group.Name)
	case o.Members != nil:
		return group(o.Members.Group)
	case o.Binding != nil:
		return binding(*o.Binding)
	case o.Account != nil && !UserName(o.Account.Name):
		return fmt.Errorf("aws: %w: an account's name has 1 to %d letters, numbers, symbols and punctuation marks, no blanks",
			fault.ErrInvalid, MaxUserName)
	default:
		return nil
	}
}

func binding(b access.Binding) error {
	wrong := func(class error, why string) error {
		return fmt.Errorf("aws: permission set %q: %w: %s", short(b.Role), class, why)
	}
	switch {
	case b.Group == "" || len(b.Subjects) > 0:
		return wrong(fault.ErrUnsupported, "it is assigned to groups, not to people")
	case b.Condition != "":
		return wrong(fault.ErrUnsupported, "there are no conditions")
	case strings.HasPrefix(b.Role, "arn:"):
		return wrong(fault.ErrInvalid, "write the permission set's name, not its ARN")
	case len(b.Role) > MaxPermissionSetName || !permissionSetName.MatchString(b.Role):
		return wrong(fault.ErrInvalid, "a permission set's name has 1 to 32 letters, digits and characters of +=,.@-_")
	default:
		return group(b.Group)
	}
}

// group checks a group's name. Two names are reserved (CreateGroup in the model),
// and it is not written down what becomes of a blank at either end.
func group(s string) error {
	wrong := func(why string) error {
		return fmt.Errorf("aws: group %q: %w: %s", short(s), fault.ErrInvalid, why)
	}
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return wrong("the name is not valid UTF-8")
	case n < 1 || n > MaxGroupName:
		return wrong(fmt.Sprintf("the name has %d characters, allowed are 1 to %d", n, MaxGroupName))
	case strings.TrimFunc(s, unicode.IsSpace) != s:
		return wrong("the name may not begin or end with a blank")
	case !groupName.MatchString(s):
		return wrong("the name may hold letters, numbers, symbols, punctuation marks and spaces only")
	case strings.EqualFold(s, "Administrator") || strings.EqualFold(s, "AWSAdministrators"):
		return wrong("the name is reserved by AWS")
	default:
		return nil
	}
}

// UserName reports whether a user can have the name.
func UserName(s string) bool {
	return utf8.RuneCountInString(s) <= MaxUserName && userName.MatchString(s)
}

// AccountID reports whether s is the id of an account: twelve digits.
func AccountID(s string) bool { return accountID.MatchString(s) }

// short keeps a name that is far too long out of error texts.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
