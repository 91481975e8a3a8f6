package azure

import (
	"regexp"
	"strings"
)

// scope is a place in the Resource Manager, in lower case.
type scope struct{ sub, group, cluster string }

var scopePattern = regexp.MustCompile(
	`(?i)^/?subscriptions/([^/]+)(?:/resourceGroups/([^/]+)(?:/providers/Microsoft\.ContainerService/managedClusters/([^/]+))?)?/?$`)

// parseScope reads a scope of the kinds that the simulator has.
func parseScope(text string) (scope, bool) {
	m := scopePattern.FindStringSubmatch(text)
	if m == nil {
		return scope{}, false
	}
	return scope{strings.ToLower(m[1]), strings.ToLower(m[2]), strings.ToLower(m[3])}, true
}

// below reports whether a scope is another or in it.
func below(inner, outer string) bool {
	inner, outer = strings.ToLower(strings.Trim(inner, "/")), strings.ToLower(strings.Trim(outer, "/"))
	return inner == outer || strings.HasPrefix(inner, outer+"/")
}
