// Package azure is a simulated Microsoft cloud: the Entra token endpoint,
// Microsoft Graph v1.0 and the Azure Resource Manager, all on one listener.
// Their paths do not clash, so one base URL serves as authority host, as Graph
// endpoint (base + "/v1.0") and as ARM endpoint. The vendor's clients insist on
// https for the authority: serve it with TLS.
//
// # API
//
//	server, err := azure.New(azure.Options{Stale: -1}) // an http.Handler
//	tenant := server.AddTenant("", "contoso.example")  // an Entra tenant, returns its id
//	server.AddApp(tenant, clientID, secret)            // may sign in; returns the service principal's object id
//	server.AddFederatedCredential(tenant, clientID, azure.FederatedCredential{...})
//	server.AddCertificate(tenant, clientID, certificate)
//	server.SetPermissions(tenant, clientID, azure.Permissions{...})
//
//	id := server.AddUser(tenant, upn, mail, true)      // object id; the same again for a known userPrincipalName
//	id = server.AddGuestPending(tenant, mail)          // invited, not accepted
//	server.Accept(tenant, id), DisableUser, EnableUser, DeleteUser
//	unit := server.AddAdministrativeUnit(tenant, name)
//	group := server.PlantGroup(tenant, azure.Group{...}) // as somebody else would
//	server.DeleteGroup, SetGroup, AddMember, RemoveMember
//	server.Groups(tenant), Group(tenant, id), Users(tenant), UnitMembers(tenant, unit)
//
//	sub := server.AddSubscription(tenant, "")          // subscription id
//	scope := server.AddResourceGroup(sub, "rg")        // scope "/subscriptions/.../resourceGroups/rg"
//	scope = server.AddCluster(sub, "rg", "aks")        // scope of the managed cluster
//	server.RemoveScope(scope)
//	role := server.AddRole(sub, "Custom", ...)         // role definition, returns its GUID
//	server.RoleID("Reader")                            // GUID of a built-in or added role
//	name := server.PlantAssignment(azure.Assignment{...}), server.RemoveAssignment(name)
//	server.Assignments(scope)                          // those exactly at that scope
//
//	server.Lock(scope, azure.CanNotDelete)             // management locks; ReadOnly
//	server.DenyRoles(scope, policy)                    // a policy that denies role assignments
//	server.DisableSubscription(sub, true)
//	server.BlockInvitations(tenant, "blocked.example") // "*" blocks all
//
//	server.Control()                                   // counters and faults
//	server.Close()                                     // writes the state file
//
// What the functions above do is visible to reads at once; what comes over HTTP
// is visible after Options.Stale.
//
// # Operations
//
// Control counts, and rules of faults name:
//
//	POST /token, GET /openid-configuration, GET /discovery/instance
//	GET /users, GET /users/{id}, PATCH /users/{id}, DELETE /users/{id}
//	GET /groups, POST /groups, GET|PATCH|DELETE /groups/{id}, GET /groups/delta
//	GET|PATCH|DELETE /groups(uniqueName)
//	GET /groups/{id}/members/microsoft.graph.user (group, servicePrincipal)
//	GET /groups/{id}/members, POST /groups/{id}/members/$ref, DELETE /groups/{id}/members/{id}/$ref
//	GET /directory/deletedItems/{id}, DELETE /directory/deletedItems/{id}, POST /directory/deletedItems/{id}/restore
//	GET /directory/deletedItems/microsoft.graph.group, GET /directory/deletedItems/microsoft.graph.user
//	GET /directory/administrativeUnits/{id}, GET|POST /directory/administrativeUnits/{id}/members
//	POST /directory/administrativeUnits/{id}/members/$ref, DELETE /directory/administrativeUnits/{id}/members/{id}/$ref
//	POST /invitations, GET /servicePrincipals, GET /servicePrincipals/{id}, GET /organization
//	POST /$batch, and each of its requests as "batch " and the name above
//	GET|PUT|DELETE /roleAssignments/{name}, GET /roleAssignments
//	GET /roleDefinitions, GET /roleDefinitions/{id}
//	GET /subscriptions, GET /subscriptions/{id}, GET /resourceGroups, GET /resourceGroups/{name}
//	GET /managedClusters/{name}, POST /resources (Resource Graph)
//
// The list of a group's members leaves service principals out, as Graph v1.0 does:
// $expand, advanced queries and the cast to microsoft.graph.servicePrincipal show them.
//
// # Reads that lag
//
// Every read shows the world as it was Options.Stale ago: what was just made is
// not found, what was just deleted is still there, and roles cannot be given to a
// principal that Azure has not heard of. Writes meet the newest state, with
// Options.LateWrites only what reads show, too: a group that is too young is not
// found, and its members are refused as Graph documents it, with 400.
//
// # What it does not have
//
// Sign-in: users with passwords, multi-factor or conditional access, delegated
// permissions, managed identities. Access tokens are signed with ES256 where Entra
// uses RS256, and the keys of federated issuers are given, not fetched.
//
// Graph: making users, Microsoft 365, mail-enabled and dynamic groups, owners,
// transitive members, directory roles, $search, $orderby, $expand of anything but a
// group's members, lambda expressions but any with one comparison, filters on members, Prefer: return=minimal,
// x-ms-throttle-limit-percentage, conflicts of writes at the same time (faults make
// them), and memberships that come back with a restored user.
//
// Azure: management groups, resource types other than managed clusters, deny and
// eligible assignments, the evaluation of conditions, inherited assignments from
// above the subscription, tables of Resource Graph other than
// authorizationresources, and of Kusto what is not in the comment of query.
//
// Where the vendor documents a message but no code, or a limit but no message, the
// words are the simulator's: the last Owner's refusal, the limit of role
// assignments, the number of members in one request, a guest whose domain is blocked.
package azure
