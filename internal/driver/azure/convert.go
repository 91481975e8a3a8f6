package azure

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// scopePattern is a subscription, alone or with a resource group in it
// (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
var scopePattern = regexp.MustCompile(
	`^(?i:/subscriptions/)([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:(?i:/resourcegroups/)([\w().\-]{1,90}))?$`)

// scopeOf returns the id of a scope in the one form that is compared: "" where
// there can be no such subscription or resource group.
func scopeOf(id string) string {
	if isGUID(id) {
		id = "/subscriptions/" + id
	}
	found := scopePattern.FindStringSubmatch(id)
	if found == nil || strings.HasSuffix(found[2], ".") {
		return ""
	}
	return rules.TenantKey(id)
}

// subscriptionOf returns the subscription's part of a scope.
func subscriptionOf(scope string) string {
	parts := strings.SplitN(scope, "/", 4)
	if len(parts) < 3 {
		return scope
	}
	return strings.Join(parts[:3], "/")
}

// assignments is where a scope's role assignments are.
const assignments = "/providers/microsoft.authorization/roleassignments/"

// assignmentID names the assignment of a role to a group: always the same, so that
// one made twice is one.
func assignmentID(scope, role, principal string) string {
	name := uuid.NewSHA1(uuid.NameSpaceURL, []byte(scope+"\x00"+role+"\x00"+strings.ToLower(principal)))
	return scope + assignments + name.String()
}

// belowPattern is the rest of the id of a resource group or resource in a scope.
var belowPattern = regexp.MustCompile(`^[\w().\-]+(?:/[\w().\-]+)+$`)

// place returns the scope at which a binding is to be: the tenant's own or, for one
// that somebody else has made and that is carried over, the one below it that is
// the binding's name, see Grants.Bindings.
func place(scope string, b access.Binding) (string, error) {
	switch {
	case b.Name == "":
		return scope, nil
	case !b.Carried:
		return "", fmt.Errorf("azure: role %q: %w: our roles are given on the tenant itself", b.Role, fault.ErrUnsupported)
	case !belowPattern.MatchString(b.Name) || strings.Contains("/"+b.Name+"/", "/../"):
		return "", fmt.Errorf("azure: role %q: %w: %q is no place in the tenant", b.Role, fault.ErrInvalid, b.Name)
	default:
		return scope + "/" + strings.ToLower(b.Name), nil
	}
}

// isAt reports whether the id is that of an assignment at the scope or below it.
func isAt(scope, id string) bool {
	inner, name, found := strings.Cut(id, assignments)
	return found && isGUID(name) && (inner == scope || strings.HasPrefix(inner, scope+"/")) && !strings.ContainsAny(inner, "?#%")
}

// The description of an assignment holds the mark and, where a document writes a
// role otherwise than Azure does, how it is written.
const (
	roleBegins = " [role "
	roleEnds   = "]"
)

func describe(mark access.Mark, written, name string) string {
	text := mark.Text()
	if written == name || text == "" {
		return text
	}
	return text + roleBegins + written + roleEnds
}

// writtenIn returns how the description says that the role is written, or "".
func writtenIn(description string) string {
	at := strings.LastIndex(description, roleBegins)
	if at < 0 || access.ParseMark(description) == (access.Mark{}) {
		return ""
	}
	written, closed := strings.CutSuffix(description[at+len(roleBegins):], roleEnds)
	if !closed {
		return ""
	}
	return written
}

// markOf returns the mark on an assignment. One without any says nothing: the
// ledger alone knows whose it is.
func markOf(description string) access.Mark {
	if mark := access.ParseMark(description); mark != (access.Mark{}) {
		return mark
	}
	return access.Unread()
}
