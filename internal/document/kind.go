package document

import (
	"cmp"
	"slices"
	"strings"
)

// Kinds returns all kinds in the order that apply stores and Encode writes
// them: nothing refers to a kind that comes later.
func Kinds() []Kind {
	return []Kind{
		KindWorkspace, KindProjectRole, KindUser, KindUserGroup, KindProject,
		KindPlatform, KindGuard, KindLandingZone, KindTenant, KindUserBinding, KindGroupBinding,
		KindWorkspaceUserBinding, KindWorkspaceGroupBinding, KindAccessPolicy,
	}
}

// String returns "<kind> <name>", or the kind alone while there is no name.
func (id ID) String() string { return strings.TrimSpace(string(id.Kind) + " " + id.Name) }

// Compare orders by kind, in the order of Kinds, then by name.
func (id ID) Compare(other ID) int {
	if id.Kind == other.Kind {
		return cmp.Compare(id.Name, other.Name)
	}
	kinds := Kinds()
	return cmp.Or(
		cmp.Compare(slices.Index(kinds, id.Kind), slices.Index(kinds, other.Kind)),
		cmp.Compare(id.Kind, other.Kind),
	)
}

// sorted returns a copy of docs in the order of their IDs.
func sorted(docs []Document) []Document {
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b Document) int { return a.ID.Compare(b.ID) })
	return docs
}

func kindNames() []string {
	names := make([]string, 0, len(Kinds()))
	for _, kind := range Kinds() {
		names = append(names, string(kind))
	}
	return names
}
