package gcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	admin "google.golang.org/api/admin/directory/v1"
	"google.golang.org/api/cloudidentity/v1"
	"google.golang.org/api/cloudresourcemanager/v3"
	"google.golang.org/api/option"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// atOnce is how many calls of one read are open together.
const atOnce = 8

// The longest pages that the APIs give (discovery documents of v1, v1 and v3).
const (
	memberPage  = 1000
	groupPage   = 500
	userPage    = 500
	projectPage = 500
)

// maxAnswer is more than any policy takes: "a few 10s of KB", says its document.
const maxAnswer = 8 << 20

const forum = "cloudidentity.googleapis.com/groups.discussion_forum"

// api makes calls to one organization.
type api struct {
	identity  *cloudidentity.Service
	directory *admin.Service
	manager   *cloudresourcemanager.Service
	// policies is the client, and policyBase the address, of the calls whose JSON
	// is kept as it is.
	policies   *http.Client
	policyBase string
	customer   string
	// pages is how many pages the last list of groups had.
	pages atomic.Int64
}

// newAPI connects the clients. Groups and users are asked for as the subject, if
// there is one; policies never are.
func newAPI(ctx context.Context, settings Connection, from *source, limits *budget.Budget) (*api, error) {
	next := limits.Transport(calls.Bounded(calls.NewTransport()))
	client := func(subject string, scopes ...string) *http.Client {
		s := &session{from: from, next: next, subject: subject, scopes: scopes}
		return &http.Client{Transport: authorized{session: s, next: next}, CheckRedirect: noRedirect}
	}
	identityScopes := []string{cloudidentity.CloudIdentityGroupsScope, admin.AdminDirectoryUserReadonlyScope}
	a := &api{customer: settings.CustomerID, policyBase: settings.address(settings.Endpoints.ResourceManager, cloudManager)}
	people := client("", append(identityScopes, cloudresourcemanager.CloudPlatformScope)...)
	a.policies = people
	if settings.Impersonate != "" {
		people, a.policies = client(settings.Impersonate, identityScopes...), client("", cloudresourcemanager.CloudPlatformScope)
	}
	with := func(client *http.Client, address string) []option.ClientOption {
		return []option.ClientOption{
			option.WithHTTPClient(client), option.WithEndpoint(address), option.WithLogger(slog.New(slog.DiscardHandler)),
		}
	}
	var err error
	e := settings.Endpoints
	if a.identity, err = cloudidentity.NewService(ctx, with(people, settings.address(e.CloudIdentity, cloudIdentity))...); err == nil {
		a.directory, err = admin.NewService(ctx, with(people, settings.address(e.Directory, cloudDirectory))...)
	}
	if err == nil {
		a.manager, err = cloudresourcemanager.NewService(ctx, with(a.policies, a.policyBase)...)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the client cannot be made: %w", fault.ErrInvalid, err)
	}
	return a, nil
}

// Where Google has its APIs.
const (
	cloudIdentity  = "https://cloudidentity.googleapis.com"
	cloudDirectory = "https://admin.googleapis.com"
	cloudManager   = "https://cloudresourcemanager.googleapis.com"
)

// call makes one call with a deadline and classifies its error.
func call(ctx context.Context, operation string, do func(context.Context) error) error {
	return failure(ctx, operation, do(calls.WithDeadline(ctx, operation, calls.Default())))
}

// pages follows a list to its end: all of it or an error.
func pages(ctx context.Context, operation string, read func(ctx context.Context, token string) (next string, err error)) (int, error) {
	seen := map[string]bool{}
	for token := ""; ; {
		var next string
		err := call(ctx, operation, func(ctx context.Context) (err error) {
			next, err = read(ctx, token)
			return err
		})
		if err != nil {
			return 0, err
		}
		if next == "" {
			return len(seen) + 1, nil
		}
		if seen[next] {
			return 0, fmt.Errorf("gcp: %s: %w: the pages of the list go in a circle", operation, fault.ErrTruncated)
		}
		seen[next], token = true, next
	}
}

// group is a group as it is read.
type group struct {
	ref         string // groups/…
	email       string // in lower case
	description string
	created     time.Time // zero where the answer does not say it
}

func toGroup(g *cloudidentity.Group) (group, error) {
	if g == nil || !isGroupRef(g.Name) || g.GroupKey == nil || g.GroupKey.Id == "" {
		return group{}, unreadable("groups", "name")
	}
	created, _ := time.Parse(time.RFC3339, g.CreateTime)
	return group{ref: g.Name, email: emailKey(g.GroupKey.Id), description: g.Description, created: created}, nil
}

func unreadable(operation, field string) error {
	return classified{fmt.Errorf("gcp: %s: %w: the answer has no %q that can be read", operation, fault.ErrUnavailable, field)}
}

// groupOf reads a group by its id.
func (a *api) groupOf(ctx context.Context, ref string) (group, error) {
	var found group
	err := call(ctx, "groups.get", func(ctx context.Context) error {
		g, err := a.identity.Groups.Get(ref).Context(ctx).Do()
		if err == nil {
			found, err = toGroup(g)
		}
		return err
	})
	return found, err
}

// groupAt searches for the group of an address. The search lags behind a little.
func (a *api) groupAt(ctx context.Context, email string) (found group, there bool, err error) {
	query := fmt.Sprintf("parent == 'customers/%s' && group_key == '%s'", a.customer, email)
	_, err = pages(ctx, "groups.search", func(ctx context.Context, token string) (string, error) {
		answer, err := a.identity.Groups.Search().Query(query).View("FULL").PageSize(groupPage).PageToken(token).Context(ctx).Do()
		if err != nil {
			return "", err
		}
		for _, g := range answer.Groups {
			one, err := toGroup(g)
			if err != nil {
				return "", err
			}
			if one.email == email {
				found, there = one, true
			}
		}
		return answer.NextPageToken, nil
	})
	return found, there, err
}

// allGroups lists the customer's groups.
func (a *api) allGroups(ctx context.Context) ([]group, error) {
	var all []group
	n, err := pages(ctx, "groups.list", func(ctx context.Context, token string) (string, error) {
		answer, err := a.identity.Groups.List().Parent("customers/" + a.customer).View("FULL").PageSize(groupPage).
			PageToken(token).Context(ctx).Do()
		if err != nil {
			return "", err
		}
		for _, g := range answer.Groups {
			one, err := toGroup(g)
			if err != nil {
				return "", err
			}
			all = append(all, one)
		}
		return answer.NextPageToken, nil
	})
	if err != nil {
		return nil, err
	}
	a.pages.Store(int64(n))
	return all, nil
}

// refOf looks up the id of the group of an address: fresher than a search.
func (a *api) refOf(ctx context.Context, email string) (string, error) {
	var ref string
	err := call(ctx, "groups.lookup", func(ctx context.Context) error {
		answer, err := a.identity.Groups.Lookup().GroupKeyId(email).Context(ctx).Do()
		if err == nil && !isGroupRef(answer.Name) {
			return unreadable("groups.lookup", "name")
		}
		if err == nil {
			ref = answer.Name
		}
		return err
	})
	return ref, err
}

// createGroup returns the id of the new group, empty while it is being made.
func (a *api) createGroup(ctx context.Context, name, email, description string) (string, error) {
	var ref string
	err := call(ctx, "groups.create", func(ctx context.Context) error {
		operation, err := a.identity.Groups.Create(&cloudidentity.Group{
			Parent: "customers/" + a.customer, GroupKey: &cloudidentity.EntityKey{Id: email},
			DisplayName: name, Description: description, Labels: map[string]string{forum: ""},
		}).InitialGroupConfig("EMPTY").Context(ctx).Do()
		if err == nil {
			ref, err = madeRef(operation)
		}
		return err
	})
	return ref, err
}

// describe writes a group's description, and reports whether that is done.
func (a *api) describe(ctx context.Context, ref, text string) (done bool, err error) {
	err = call(ctx, "groups.patch", func(ctx context.Context) error {
		operation, err := a.identity.Groups.Patch(ref, &cloudidentity.Group{Description: text}).UpdateMask("description").
			Context(ctx).Do()
		if err = over("groups.patch", operation, err); err == nil {
			done = operation.Done
		}
		return err
	})
	return done, err
}

// deleteGroup removes a group with its members.
func (a *api) deleteGroup(ctx context.Context, ref string) error {
	return call(ctx, "groups.delete", func(ctx context.Context) error {
		operation, err := a.identity.Groups.Delete(ref).Context(ctx).Do()
		return over("groups.delete", operation, err)
	})
}

// memberships returns the names of a group's memberships by their members' ids.
func (a *api) memberships(ctx context.Context, ref string) (map[string]string, error) {
	names := map[string]string{}
	_, err := pages(ctx, "groups.memberships.list", func(ctx context.Context, token string) (string, error) {
		answer, err := a.identity.Groups.Memberships.List(ref).View("BASIC").PageSize(memberPage).PageToken(token).Context(ctx).Do()
		if err != nil {
			return "", err
		}
		for _, m := range answer.Memberships {
			if m.PreferredMemberKey == nil || m.PreferredMemberKey.Id == "" || !strings.HasPrefix(m.Name, ref+"/memberships/") {
				return "", unreadable("groups.memberships.list", "memberships")
			}
			names[emailKey(m.PreferredMemberKey.Id)] = m.Name
		}
		return answer.NextPageToken, nil
	})
	return names, err
}

// addMember returns the name of the new membership, empty where it is not known.
func (a *api) addMember(ctx context.Context, ref, email string) (string, error) {
	var name string
	err := call(ctx, "groups.memberships.create", func(ctx context.Context) error {
		operation, err := a.identity.Groups.Memberships.Create(ref, &cloudidentity.Membership{
			PreferredMemberKey: &cloudidentity.EntityKey{Id: email},
			Roles:              []*cloudidentity.MembershipRole{{Name: "MEMBER"}},
		}).Context(ctx).Do()
		if err = over("groups.memberships.create", operation, err); err == nil {
			name = responseName(operation)
		}
		return err
	})
	return name, err
}

// removeMember removes a membership by its name.
func (a *api) removeMember(ctx context.Context, name string) error {
	return call(ctx, "groups.memberships.delete", func(ctx context.Context) error {
		operation, err := a.identity.Groups.Memberships.Delete(name).Context(ctx).Do()
		return over("groups.memberships.delete", operation, err)
	})
}

// each calls do for every item, several at once, and starts no more when one has
// failed. It lets those that are under way end: none of them is heard of later.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	return calls.Each(ctx, atOnce, items, do)
}
