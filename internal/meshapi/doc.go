// Package meshapi serves the part of the meshObject API that clients of meshStack use: the import
// of objects, with collections; users; and reads of the other kinds, as its Terraform provider
// makes them. Endpoints returns the endpoints for a server of package api, which knows the callers.
//
// Media types, paths, names and statuses are those of the meshObject API's public documentation
// and of the provider's client. All goes through control.Service with the caller's rights.
// Callers have the tokens of their own issuer: API keys are refused.
package meshapi
