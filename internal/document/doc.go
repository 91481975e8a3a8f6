// Package document reads, checks and writes the documents that say who should
// have which role on which project.
//
// Load and Decode turn YAML or JSON into Documents, each checked against the
// JSON Schema of its kind. A Set holds all documents that count, and Validate
// checks what needs more than one of them. Its Graph answers which users a binding
// reaches, which tenants a change affects, and what a tenant depends on. Every error is a Problems: all that
// is wrong, each with its place.
package document
