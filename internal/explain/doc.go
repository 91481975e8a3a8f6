// Package explain says why a user has or lacks access to a tenant, and how far it has come.
//
// A [Reader] gathers the stored facts: documents, the last status, the plan of the last
// observation, the ledger, decisions and revocations. [Explain] is a pure function from these
// [Facts] to an [Answer]:
//
//	facts, err := reader.Read(ctx, tenant, user)
//	answer := explain.Explain(facts)
//
// # What was seen
//
// The ledger knows what a platform accepted, an observation what it shows. Access is granted
// only if the last observation shows the membership and each of its roles; each has a [Seen]
// with the time of that observation. What the last observation found follows from its plan:
// what the plan adds was absent, what it removes, holds or may not remove was present, and
// what it does not mention was as desired. An attempt to add or remove something after that
// observation rests on a newer one, which found the opposite. A step that was applied after
// the last observation is written, and not seen yet.
package explain
