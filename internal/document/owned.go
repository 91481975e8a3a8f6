package document

// Dropped counts the server-owned fields that were accepted and left out, by
// field: {"metadata.uuid": 12}.
type Dropped map[string]int

func (d Dropped) add(other Dropped) {
	for field, n := range other {
		d[field] += n
	}
}

// drop takes the fields out of tree that only a server sets, and counts them.
// The names are those of the meshObject API's answers.
func (d Dropped) drop(tree map[string]any) {
	d.take(tree, "", "status", "_links", "_embedded")
	if metadata, ok := tree["metadata"].(map[string]any); ok {
		d.take(metadata, "metadata.", "uuid", "createdOn", "createdAt", "deletedOn", "deletedAt",
			"markedForDeletionOn", "updatedOn", "updatedAt", "lastModifiedOn", "tenantIdentifier", "assignedTags")
	}
	if target, ok := tree["targetRef"].(map[string]any); ok {
		d.take(target, "targetRef.", "displayName")
	}
}

func (d Dropped) take(from map[string]any, prefix string, fields ...string) {
	for _, field := range fields {
		if _, ok := from[field]; ok {
			delete(from, field)
			d[prefix+field]++
		}
	}
}
