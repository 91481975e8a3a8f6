package azure

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

var (
	// errNoKey reports that no group was made under the key.
	errNoKey = errors.New("no group has the key")
	// errTaken reports that another group has the key for good: it was deleted, or
	// it has another name now.
	errTaken = errors.New("another group has the key")
)

// keys is how many keys a group's name has. A deleted group keeps its key for the
// 30 days that it can be brought back, and a renamed one as long as it lives; a
// group that is made under the name again has the next.
const keys = 10

// keyOf returns the uniqueName of our group of that name: it says who makes it
// and for whom, and makes a creation that is done twice one group. It says how the
// group was called when it was made, and nothing of how it is called now: a
// uniqueName is immutable, a displayName is not
// (https://learn.microsoft.com/graph/api/resources/group).
func keyOf(mark access.Mark, name string, n int) string {
	key := "rollcall-" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(mark.Installation+"\x00"+mark.Tenant+"\x00"+name)).String()
	if n > 0 {
		key += "-" + strconv.Itoa(n+1)
	}
	return key
}

// createGroup finds our group of the name, or makes it under the name's first key
// that is free. It looks first, because an upsert under a key that is taken is an
// update (https://learn.microsoft.com/graph/api/group-upsert): it would give a
// renamed group its former name back.
func (d *Directory) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name := step.Want.Group.Name
	id, err := d.search(ctx, scope, name)
	for n := 0; n < keys && (errors.Is(err, errNoKey) || errors.Is(err, errTaken)); n++ {
		key := keyOf(scope.Mark, name, n)
		if n > 0 {
			id, err = d.withKey(ctx, scope, name, key)
		}
		if errors.Is(err, errNoKey) {
			id, err = d.upsert(ctx, scope, name, key)
		}
	}
	switch {
	case errors.Is(err, errTaken):
		return "", fmt.Errorf("azure: group %q: %w: %d groups of this name were deleted within 30 days, or renamed: purge the deleted ones",
			name, fault.ErrConflict, keys)
	case err != nil:
		return "", err
	}
	d.made.Put(scope.Mark, name, id)
	return id, d.intoUnit(ctx, id)
}

// search looks for our group of the name in one call: by name and mark, and under
// its first key. Where there is none it says whether that key is free.
func (d *Directory) search(ctx context.Context, scope driver.Scope, name string) (string, error) {
	answers, err := d.graph.all(ctx, []request{
		askGroups(among("displayName", []string{name})[0]), askKey(keyOf(scope.Mark, name, 0)),
	})
	if err != nil {
		return "", err
	}
	rows, more, err := onePage[group](answers[0])
	if err != nil {
		return "", err
	}
	read := newGroups()
	if err := read.add(rows); err != nil {
		return "", err
	}
	id, err := d.marked(scope, name, read)
	if errors.Is(err, errNoKey) && more != "" { // many have this name
		id, err = d.named(ctx, scope, name)
	}
	if errors.Is(err, errNoKey) {
		return d.holder(scope, name, answers[1])
	}
	return id, err
}

// upsert makes the group, or finds the one that has the key although it was not
// shown. It fails with errTaken where a deleted group has it
// (https://learn.microsoft.com/graph/api/group-upsert).
func (d *Directory) upsert(ctx context.Context, scope driver.Scope, name, key string) (string, error) {
	r := updateByKey(key, newGroup(scope, name, key))
	r.headers["prefer"] = "create-if-missing"
	got, err := d.graph.send(ctx, r)
	if err != nil {
		return "", err
	}
	var made group
	refused := got.err()
	if refused == nil && len(got.body) > 0 {
		if err := decode(got, &made, func() bool { return made.ID != "" }); err != nil {
			return "", err
		}
		return made.ID, nil
	}
	if refused != nil && !errors.Is(refused, fault.ErrInvalid) && !errors.Is(refused, fault.ErrConflict) {
		return "", refused
	}
	// It is there: that is answered with nothing, or refused for what only a new
	// group may be given.
	id, err := d.withKey(ctx, scope, name, key)
	switch {
	case refused == nil && (errors.Is(err, errNoKey) || errors.Is(err, errTaken)):
		return "", unseen(r.operation) // it has the name now
	case !errors.Is(err, errNoKey):
		return id, err
	case got.says("same value for property"):
		return "", d.deleted(ctx, key, r.operation)
	default:
		return "", d.hidden(ctx, scope, key, refused)
	}
}

// hidden tells a group that is there, but not shown yet, from a request that Graph
// refuses: writes see what reads do not.
func (d *Directory) hidden(ctx context.Context, scope driver.Scope, key string, refused error) error {
	r := updateByKey(key, groupBody{Type: groupType, Description: new(scope.Mark.Text())})
	got, err := d.graph.send(ctx, r)
	switch {
	case err != nil:
		return err
	case got.err() == nil:
		return unseen(r.operation)
	default:
		return refused
	}
}

func unseen(operation string) error {
	return fmt.Errorf("azure: %s: %w: the group exists, but is not shown yet", operation, fault.ErrUnavailable)
}

// groupType is the OData type of a group.
const groupType = "#microsoft.graph.group"

// groupBody is what a write says about a group; properties that are nil stay as
// they are (https://learn.microsoft.com/graph/api/group-update).
type groupBody struct {
	Type string `json:"@odata.type"`
	// Bind are links to members to add.
	Bind            []string `json:"members@odata.bind,omitempty"`
	Description     *string  `json:"description,omitempty"`
	DisplayName     *string  `json:"displayName,omitempty"`
	MailEnabled     *bool    `json:"mailEnabled,omitempty"`
	MailNickname    *string  `json:"mailNickname,omitempty"`
	SecurityEnabled *bool    `json:"securityEnabled,omitempty"`
}

// newGroup is a security group that holds the mark.
func newGroup(scope driver.Scope, name, nickname string) groupBody {
	return groupBody{
		Type: groupType, DisplayName: &name, Description: new(scope.Mark.Text()),
		MailNickname: &nickname, // has to be there, and means nothing without mail
		MailEnabled:  new(false), SecurityEnabled: new(true),
	}
}

// deleted answers errTaken if a deleted group has the key. Else somebody is making
// the group this moment (https://learn.microsoft.com/graph/api/directory-deleteditems-list).
func (d *Directory) deleted(ctx context.Context, key, operation string) error {
	q := query{filter: "uniqueName eq " + quoted(key), fields: "id"}
	r := newRequest("GET /directory/deletedItems", "/directory/deletedItems/graph.group"+q.String(), nil)
	found, err := pages[entry](ctx, d.graph, []request{r}, nil)
	switch {
	case err != nil:
		return err
	case len(found[0]) > 0:
		return errTaken
	default:
		return fmt.Errorf("azure: %s: %w: the key is taken, but nothing is shown that has it", operation, fault.ErrUnavailable)
	}
}

// withKey returns the id of the group that has the key, see holder.
func (d *Directory) withKey(ctx context.Context, scope driver.Scope, name, key string) (string, error) {
	got, err := d.graph.send(ctx, askKey(key))
	if err != nil {
		return "", err
	}
	return d.holder(scope, name, got)
}

// askKey asks for the group that has the key
// (https://learn.microsoft.com/graph/api/group-get).
func askKey(key string) request {
	return newRequest("GET /groups(uniqueName='"+key+"')", keyPath(key)+query{fields: groupFields}.String(), nil)
}

// updateByKey writes to the group that has the key.
func updateByKey(key string, body groupBody) request {
	return newRequest("PATCH /groups(uniqueName='"+key+"')", keyPath(key), body)
}

// keyPath returns the path of the group that has the key.
func keyPath(key string) string { return "/groups(uniqueName='" + url.PathEscape(key) + "')" }

// holder is the id of the group that has a key: errNoKey where none has, errTaken
// where it has another name now, and fault.ErrConflict where its mark is not ours
// any more.
func (d *Directory) holder(scope driver.Scope, name string, got answer) (string, error) {
	var found group
	err := got.err()
	if err == nil {
		err = decode(got, &found, func() bool { return found.ID != "" })
	}
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return "", errNoKey
	case err != nil:
		return "", err
	case found.Name != name:
		return "", errTaken
	case !access.ParseMark(found.Description).Agrees(scope.Mark):
		return "", notOurs(name)
	default:
		return found.ID, d.notRenamed(name, found.ID)
	}
}

// one reads one group.
func (d *Directory) one(ctx context.Context, r request) (group, error) {
	var found group
	got, err := d.graph.do(ctx, r)
	if err != nil {
		return found, err
	}
	err = decode(got, &found, func() bool { return found.ID != "" })
	return found, err
}

// intoUnit puts the group into the administrative unit, if there is one
// (https://learn.microsoft.com/graph/api/administrativeunit-post-members).
func (d *Directory) intoUnit(ctx context.Context, id string) error {
	if d.unit == "" {
		return nil
	}
	path := "/directory/administrativeUnits/" + url.PathEscape(d.unit) + "/members/$ref"
	operation := "POST /directory/administrativeUnits/" + d.unit + "/members/$ref"
	got, err := d.graph.send(ctx, newRequest(operation, path, d.reference("groups", id)))
	if err != nil || isThere(got) {
		return err
	}
	return got.err()
}

// referenceBody is a link to an object of the directory.
type referenceBody struct {
	ID string `json:"@odata.id"`
}

// reference returns a link to the object of that kind and id.
func (d *Directory) reference(kind, id string) referenceBody {
	return referenceBody{ID: d.graph.base + "/" + kind + "/" + id}
}

// isThere accepts the answer that what is added was there.
func isThere(got answer) bool {
	return got.err() != nil && errors.Is(got.err(), fault.ErrInvalid) && got.says("already exist")
}

// deleteGroup looks at the mark just before the group goes.
func (d *Directory) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Group
	id := have.Ref
	var err error
	if id == "" {
		id, err = d.ours(ctx, scope, have.Name)
	} else {
		err = d.stillOurs(ctx, scope, id)
	}
	if err == nil {
		_, err = d.graph.do(ctx, newRequest("DELETE /groups/"+id, groupPath(id), nil))
	}
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return "", err
	}
	d.made.Forget(scope.Mark, have.Name)
	return have.Ref, nil
}

func (d *Directory) stillOurs(ctx context.Context, scope driver.Scope, id string) error {
	found, err := d.byID(ctx, id)
	if err == nil && !access.ParseMark(found.Description).Agrees(scope.Mark) {
		err = notOurs(found.Name)
	}
	return err
}

// byID reads the group of that id.
func (d *Directory) byID(ctx context.Context, id string) (group, error) {
	if !isGUID(id) {
		return group{}, fmt.Errorf("azure: %w: %q is not the id of a group", fault.ErrInvalid, id)
	}
	return d.one(ctx, newRequest("GET /groups/"+id, groupPath(id)+query{fields: groupFields}.String(), nil))
}

// createdAt returns when the group of that id was made; zero where Graph does not say
// (https://learn.microsoft.com/graph/api/resources/group, createdDateTime).
func (d *Directory) createdAt(ctx context.Context, id string) (time.Time, error) {
	var found struct {
		Created time.Time `json:"createdDateTime"`
	}
	got, err := d.graph.do(ctx, newRequest("GET /groups/"+id, groupPath(id)+query{fields: "id,createdDateTime"}.String(), nil))
	if err != nil {
		return time.Time{}, err
	}
	err = decode(got, &found, func() bool { return true })
	return found.Created, err
}

func notOurs(name string) error {
	return fmt.Errorf("azure: group %q: %w: the mark in its description is not ours", name, fault.ErrConflict)
}

func gone(name string) error {
	return fmt.Errorf("azure: group %q: %w", name, fault.ErrNotFound)
}
