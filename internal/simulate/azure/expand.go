package azure

import "strings"

// maxExpanded is how many related objects $expand shows with each object. There
// is no link to the rest.
// Source: "Customize Microsoft Graph responses with query parameters", expand.
const maxExpanded = 20

// expand adds a group's members where $expand asks for them: "members", alone or
// with a $select of its own.
func (c *call) expand(o object, to map[string]any) error {
	g, ok := o.(Group)
	if !ok || !c.query.Has("$expand") {
		return nil
	}
	names, err := expandNames(c.query.Get("$expand"))
	if err != nil {
		return err
	}
	shown := []any{}
	for _, id := range g.Members {
		member, ok := c.object(id)
		if !ok || len(shown) == maxExpanded {
			continue
		}
		row, err := expandMember(member, names)
		if err != nil {
			return err
		}
		shown = append(shown, row)
	}
	to["members"] = shown
	return nil
}

// expandNames reads $expand: the properties that it selects, nil for the usual ones.
func expandNames(value string) ([]string, error) {
	inner, ok := strings.CutPrefix(value, "members")
	if !ok {
		return nil, badOData("Parsing OData Select and Expand failed: "+
			"Could not find a property named '%s' on type 'microsoft.graph.group'.", value)
	}
	if inner == "" {
		return nil, nil
	}
	list, opened := strings.CutPrefix(inner, "($select=")
	list, closed := strings.CutSuffix(list, ")")
	if !opened || !closed || list == "" {
		return nil, badOData("Parsing OData Select and Expand failed: Term '%s' is not valid in a $select or $expand expression.", value)
	}
	return strings.Split(list, ","), nil
}

// expandMember is a member as $expand shows it.
func expandMember(member object, names []string) (map[string]any, error) {
	if names == nil {
		names = member.usual()
	}
	row := map[string]any{"@odata.type": "#microsoft.graph." + member.kind()}
	for _, name := range names {
		name = strings.TrimSpace(name)
		value, ok := mixed{member}.property(name)
		if !ok {
			return nil, badOData("Parsing OData Select and Expand failed: Could not find a property named '%s' on type "+
				"'microsoft.graph.directoryObject'.", name)
		}
		row[name] = value
	}
	return row, nil
}
