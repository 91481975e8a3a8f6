// Package probe watches what people may do on platforms while something changes
// there. It asks each platform itself, through its public API and never through a
// driver: Keystone for effective roles, an API server for access reviews, a cloud
// for members and assignments.
//
// A platform whose reads lag behind shows a gap that much later, and as long.
// What lies between two looks is not seen: a [Report] says how far apart they were.
package probe
