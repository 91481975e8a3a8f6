package azure

import (
	"context"
	"net/url"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

var _ driver.MembershipLister = (*Directory)(nil)

// holder is an object that has a user as a member: a group, a directory role or an
// administrative unit.
type holder struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"id"`
	Name        string `json:"displayName"`
	Description string `json:"description"`
}

// Memberships implements driver.MembershipLister with one call for each 999 groups
// (https://learn.microsoft.com/graph/api/user-list-memberof). It does not cast the list to
// groups: a cast is an advanced query, which an index answers that may lag.
func (d *Directory) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	if !isGUID(account) {
		return nil, nil // no user has such an id
	}
	path := "/users/" + url.PathEscape(account) + "/memberOf" + query{fields: groupFields, top: maxPageSize}.String()
	lists, err := pages[holder](ctx, d.graph, []request{newRequest("GET /users/{id}/memberOf", path, nil)}, isMissing)
	if err != nil {
		return nil, err
	}
	var sets []driver.Membership
	for _, h := range lists[0] {
		switch {
		case h.ID == "" || h.Type == "":
			return nil, unreadable("GET /users/{id}/memberOf", "@odata.type")
		case h.Type == groupType:
			sets = append(sets, driver.Membership{Group: &access.Group{Name: h.Name, Ref: h.ID, Mark: access.ParseMark(h.Description)}})
		}
	}
	return sets, nil
}
