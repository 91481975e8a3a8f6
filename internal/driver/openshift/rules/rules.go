// Package rules is what an OpenShift can hold: its profile and its limits on
// names, without any I/O, so that documents are checked against them where there
// is no cluster at hand.
package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	kubernetes "github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "openshift"

// MaxName is how many bytes the name of a user or group may have. OpenShift itself
// has no limit for them (see Name); all other kinds end at 253
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/).
const MaxName = 253

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:                  Type,
		LookupAttribute:       "metadata.name",
		AccountNames:          identity.Exact,
		Groups:                true,
		Marks:                 true, // labels and an annotation on each group and binding
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               true,
		MemberChunk:           0, // a group's users are one list
		Unit:                  plan.PerObject,
		Parallel:              8,
		ScopesPerObserve:      1000, // two lists answer for all projects
		Settle:                0,    // a list without a resourceVersion sees every write
		// Groups come with the review of a token, whose answer the API server may keep
		// for a time that Red Hat does not name.
		AccessEnd: driver.AccessEnd{
			Unknown: true,
			Because: "the API server may cache the review of a token, which holds the user's groups",
			Source: "https://docs.redhat.com/en/documentation/openshift_container_platform/ (TokenReview: " +
				"\"requests may be cached\", without a time)",
			Hint: "delete the user's OAuth access tokens (oc delete useroauthaccesstokens, oauthaccesstokens)",
		},
		Cost: driver.Cost{
			VerifyOne: "2", VerifyAll: "2 lists, paged", ChangeOne: "1",
		},
		Cannot: []string{
			"find users before their first sign-in, at which OpenShift creates them unless another system did",
			"tell disabled users: a user has no such attribute",
			"rename a group: its name is its key, and role bindings refer to it by name",
			"show cluster role bindings to managed groups: they belong to no project",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil:
		return name("group", o.Group.Name)
	case o.Members != nil:
		return name("group", o.Members.Group)
	case o.Binding != nil && (o.Binding.Group == "" || len(o.Binding.Subjects) > 0):
		return fmt.Errorf("openshift: role %q: %w: roles are given to groups, not to people", short(o.Binding.Role), fault.ErrUnsupported)
	case o.Binding != nil:
		role := kubernetes.Role
		if o.Binding.Carried || o.Binding.Name != "" { // somebody else's
			role = kubernetes.AnyRole
		}
		if err := role(o.Binding.Role); err != nil {
			return fmt.Errorf("openshift: %w", err)
		}
		return name("group", o.Binding.Group)
	default:
		return nil
	}
}

func name(what, s string) error {
	if why := Name(s); why != "" {
		return fmt.Errorf("openshift: %s %q: %w: %s", what, short(s), fault.ErrInvalid, why)
	}
	return nil
}

// Name returns why no user and no group can have that name, or "". OpenShift's own
// rule (github.com/openshift/apiserver-library-go, pkg/apivalidation,
// ValidateUserName and ValidateGroupName, which the API applies to the users that a
// group lists, too) takes any one segment of a path that holds no colon and is not
// "~", by which the API knows the caller. Names are no DNS names: case, spaces and
// "@" are allowed. Control characters, which nobody can type, and texts that JSON
// cannot carry are refused here.
func Name(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "the name is not valid UTF-8"
	case s == "" || len(s) > MaxName:
		return fmt.Sprintf("the name has %d bytes, allowed are 1 to %d", len(s), MaxName)
	case s == "." || s == ".." || s == "~":
		return "the name may not be . or .. or ~"
	case strings.ContainsAny(s, "/%:"):
		return "the name may hold neither / nor % nor :"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "the name may not hold control characters"
	default:
		return ""
	}
}

// short keeps a name that is far too long out of error texts.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
