// Package rules is what a Kubernetes cluster can hold: its profile and its
// limits on names, without any I/O, so that documents are checked against them
// where there is no cluster at hand.
package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "kubernetes"

// MaxRoleName is how many bytes the name of a ClusterRole may have. The API
// itself has no limit for names of RBAC (k8s.io/kubernetes,
// pkg/apis/rbac/validation, ValidateRBACName); all other kinds end at 253
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/),
// and so do the names of our bindings.
const MaxRoleName = 253

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type: Type,
		// The name that the cluster's authenticator gives a person. There is no
		// object to look up.
		LookupAttribute:       "metadata.name",
		AccountNames:          identity.Exact,
		Groups:                false,
		Marks:                 true, // a label and an annotation on each binding
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               true,
		MemberChunk:           0, // a binding's subjects are one atomic list
		Unit:                  plan.PerObject,
		Parallel:              8,
		ScopesPerObserve:      1000, // one list answers for all namespaces
		Settle:                0,    // a list without a resourceVersion sees every write
		// The API server authorises each request by the bindings that it watches. What is
		// open goes on: exec, attach, port-forward and watches are one request each.
		AccessEnd: driver.AccessEnd{
			Because: "each request is authorised by the bindings of that moment; open connections (exec, port-forward, watch) go on",
			Source:  "https://kubernetes.io/docs/reference/access-authn-authz/authorization/",
		},
		Cost: driver.Cost{
			VerifyOne: "1", VerifyAll: "1 list, paged", ChangeOne: "1",
		},
		Cannot: []string{
			"look up users: a cluster has no user objects, so every well-formed name is accepted",
			"change the role of a binding: roleRef is immutable, so a new binding is created before the old one is deleted",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil, o.Members != nil:
		return fmt.Errorf("kubernetes: %w: there are no groups to make: people are the subjects of role bindings", fault.ErrUnsupported)
	case o.Binding != nil && o.Binding.Group != "":
		return fmt.Errorf("kubernetes: role %q: %w: roles are given to people, not to groups", short(o.Binding.Role), fault.ErrUnsupported)
	case o.Binding != nil:
		if err := Role(o.Binding.Role); err != nil {
			return fmt.Errorf("kubernetes: %w", err)
		}
		return nil
	default:
		return nil
	}
}

// UserName reports whether a person may be a subject under that name. RBAC
// takes any text, but "system:" is reserved for the cluster's own components
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects):
// a user bound by such a name would share their identity. Nor may it be one that
// identity.Check refuses: no lookup would notice that no user has such a name.
func UserName(name string) bool {
	return !strings.HasPrefix(name, "system:") && identity.Check(name) == nil
}

// LocalRole is what the name of a namespace's own Role begins with where it is
// observed.
const LocalRole = "Role/"

// AnyRole is Role, but takes the Roles of a namespace, too: somebody else may give
// them, and so they are carried over and taken away.
func AnyRole(s string) error { return Role(strings.TrimPrefix(s, LocalRole)) }

// Role reports why no ClusterRole can have that name, wrapping fault.ErrInvalid, or
// nil: it is one segment of a path (k8s.io/apimachinery,
// pkg/api/validation/path, IsValidPathSegmentName), and nothing that cannot be
// typed.
func Role(s string) error {
	wrong := func(why string) error {
		return fmt.Errorf("role %q: %w: %s", short(s), fault.ErrInvalid, why)
	}
	switch {
	case !utf8.ValidString(s):
		return wrong("the name is not valid UTF-8")
	case s == "" || len(s) > MaxRoleName:
		return wrong(fmt.Sprintf("the name has %d bytes, allowed are 1 to %d", len(s), MaxRoleName))
	case s == "." || s == "..":
		return wrong("no ClusterRole can have this name")
	case strings.HasPrefix(s, LocalRole):
		return wrong("roles of one namespace cannot be given, write the name of a ClusterRole")
	case strings.ContainsAny(s, "/%"):
		return wrong("the name of a ClusterRole holds neither / nor %")
	case strings.ContainsFunc(s, unicode.IsControl):
		return wrong("the name may not hold control characters")
	default:
		return nil
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
