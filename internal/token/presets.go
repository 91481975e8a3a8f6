package token

import "time"

// googleIssuer is the issuer whose tokens may leave out the scheme.
const googleIssuer = "https://accounts.google.com"

// Entra returns the issuers of a Microsoft Entra tenant, by its ID: those of tokens of
// version 1 and 2. An application has one version, which its manifest says.
//
// Users and workloads are identified by oid, which all applications of a tenant see alike;
// sub differs from one to the next. The namespace is the issuer of version 2, which has the
// tenant's ID, for both. Tokens of users have scp; those of workloads have idtyp=app, an
// optional claim that the application's manifest must ask for (accessToken, idtyp).
func Entra(tenant string, audiences ...string) []Issuer {
	namespace := "https://login.microsoftonline.com/" + tenant + "/v2.0"
	versioned := func(url, version string) Issuer {
		claims := func(name string, values ...string) map[string][]string {
			return map[string][]string{"tid": {tenant}, "ver": {version}, name: values}
		}
		return Issuer{
			URL: url, Namespace: namespace, SubjectClaim: "oid", Algorithms: []string{"RS256"},
			Rules: []Rule{
				{Kind: User, Audiences: audiences, RequiredClaims: claims("scp")},
				{Kind: Workload, Audiences: audiences, RequiredClaims: claims("idtyp", "app")},
			},
		}
	}
	return []Issuer{versioned(namespace, "2.0"), versioned("https://sts.windows.net/"+tenant+"/", "1.0")}
}

// GitHub returns the issuer of GitHub Actions for the owners of repositories, by their IDs.
// All customers of GitHub share the issuer, and names of owners can be taken by others, so
// the IDs (claim repository_owner_id) are required. New refuses the issuer without any.
func GitHub(ownerIDs []string, audiences ...string) Issuer {
	// A list without values would accept any owner.
	owners := append([]string{}, ownerIDs...)
	if len(owners) == 0 {
		owners = []string{""}
	}
	return Issuer{
		URL: "https://token.actions.githubusercontent.com", Algorithms: []string{"RS256"},
		Rules: []Rule{{
			Kind: Workload, Audiences: audiences, MaxLifetime: time.Hour,
			RequiredClaims: map[string][]string{"repository_owner_id": owners, "repository_id": nil},
		}},
	}
}

// Kubernetes returns the issuer of a cluster, by the URL that its API server has as
// --service-account-issuer. Only tokens of the TokenRequest API are accepted, which are
// bound to a service account, have an audience and end; those in secrets of older clusters
// have none of it.
//
// The subject names a namespace and a service account, so one that was deleted and created
// again has the same. Claims has the UID at kubernetes.io.serviceaccount.uid.
func Kubernetes(url string, audiences ...string) Issuer {
	return Issuer{
		URL: url, Algorithms: []string{"RS256", "ES256"},
		Rules: []Rule{{
			Kind: Workload, Audiences: audiences,
			RequiredClaims: map[string][]string{
				"kubernetes.io.namespace": nil, "kubernetes.io.serviceaccount.name": nil, "kubernetes.io.serviceaccount.uid": nil,
			},
		}},
	}
}
