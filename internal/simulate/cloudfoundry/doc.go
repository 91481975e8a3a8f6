// Package cloudfoundry is a simulated Cloud Foundry: a Cloud Controller's API v3
// and the UAA that goes with it, as far as organizations, spaces, users and roles
// go. Shapes are those of go-cfclient's resources, rules those of the Cloud
// Controller:
//
//   - lists are paged by page and per_page, from 1 to 5000, with links to follow;
//     an unknown parameter is refused, and so are origins without usernames;
//   - a role in a space needs a role in its organization, organization_user
//     stays while its user has a role in any of the organization's spaces, and
//     nobody has a role twice: all three are answered 422;
//   - the end of a role is a job to be polled, and done when the job is;
//   - a user is known to the Cloud Controller once there is a role or an account
//     made there; before, UAA alone knows them;
//   - UAA compares names of users without regard to case and has each once per
//     origin; tokens are JWTs that expire, for clients and for users;
//   - a rate limit answers 429 with X-RateLimit headers, and a Retry-After that
//     is a point in time in seconds since 1970, as the Cloud Controller's is.
//
// Both are served at one address: UAA's paths are /oauth/token and /Users. Reads
// lag behind writes where Options.Stale says so; the Cloud Controller's do not.
//
// It does not have: apps, services and everything else; metadata, ordering and
// filters by time; isolation of what a token may read (every known client is an
// administrator, or reads and writes nothing); suspended organizations; feature
// flags; UAA's groups, zones, refresh tokens and passwords of users other than
// those that sign in here; filters of UAA beyond userName eq "…" and origin eq "…",
// and id eq "…" or ….
package cloudfoundry
