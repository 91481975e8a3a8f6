// Package login signs a user in at an OpenID provider and keeps the tokens for later commands.
//
// A Client speaks to providers: Code is the authorization code flow with PKCE on a loopback
// address (RFC 8252), Device the device authorization grant (RFC 8628), Refresh and Revoke
// renew and end a Login. A Store keeps logins in the system's keyring or in a file, one for
// each server. A Session is both: it returns the access token of a server, and renews it
// shortly before it expires.
//
//	session := login.Session{Client: client, Store: store, Server: "https://rollcall.example.com"}
//	token, err := session.Token(ctx)
//
// The package decides nothing about rights. It checks ID tokens only to know that an answer
// belongs to its own request; a server checks the access token.
package login
