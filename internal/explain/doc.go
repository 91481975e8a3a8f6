// Package explain says why a user has or lacks access to a tenant, and how far it has come.
//
// A [Reader] gathers the stored facts: documents, the last status, the plan of the last
// observation, the ledger, decisions and revocations. [Explain] is a pure function from these
// [Facts] to an [Answer]:
//
//	facts, err := reader.Read(ctx, tenant, user)
//	answer := explain.Explain(facts)
//
// # Observed access
//
// The ledger has the steps that a platform accepted, an observation the access that it shows.
// Access is granted only if the last observation shows the membership and each of its roles;
// each has a [Seen] with the time of that observation. The result of the last observation
// follows from its plan: access that the plan adds was absent, access that the plan removes,
// holds or may not remove was present, and all other access was as desired. A later attempt to
// add or remove access is based on a newer observation, which found the opposite. A step that
// was applied after the last observation is written, and not seen yet.
package explain
