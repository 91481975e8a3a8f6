// Package memory is the reference driver: a small platform whose whole world
// is one JSON file, so that many processes share it and a demo needs no cloud.
//
// It exists to be read first and to obey every law of package drivertest, and
// it behaves like a real platform where that matters:
//
//   - ids are drawn at random; a group deleted and made anew has another id
//   - group names are unique, user names are not (two users of one name are
//     ambiguous), and both are case-sensitive
//   - users can be disabled
//   - lists come in pages, and every page and every write is one call that
//     passes the budget
//   - a group's mark is in its description, where people may add to it
//   - deleting a group takes its roles along
//   - calls can be made to fail, see [Fault]
//
// It has no users' attributes, no nested groups, no roles given to people
// directly, no mark on a role binding, no catalogue of roles (every well-formed
// role exists), and no credentials.
//
// A write is on disk before it is answered. Writers take turns under a lock on
// "<file>.lock"; the world itself is replaced as a whole, so readers never see
// half of one.
package memory
