package meshapi

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Sizes of pages, as the API has them.
const (
	defaultPageSize = 50
	maxPageSize     = 1000
)

// object is a JSON object.
type object = map[string]any

// resource is a kind with its endpoints for reading.
type resource struct {
	kind document.Kind
	// path is that of the list, below /api/meshobjects/.
	path string
	// versions are those of the media type; the first is that of a caller who takes any.
	versions []string
	filters  map[string]filter
	// platforms is true if the representation needs the platforms.
	platforms bool
	// convert changes the tree of a document to that of a version.
	convert func(tree object, d document.Document, s *snapshot, version string)
	// id returns the name of a document in a path; nil for the name of its ID.
	id func(d document.Document) []string
}

// filter reports whether a document has a value.
type filter func(typed any, value string) bool

// snapshot has the documents that a request needs besides those of its kind.
type snapshot struct {
	platforms map[string]document.Platform
	members   map[string][]membership
}

// users are meshUsers.
func users() resource {
	user := func(value func(document.User) string) filter {
		return func(typed any, want string) bool {
			u, ok := typed.(document.User)
			return ok && value(u) == want
		}
	}
	return resource{
		kind: document.KindUser, path: "meshusers", versions: []string{"v2"},
		filters: map[string]filter{
			"uuid":      user(func(u document.User) string { return uuidOf(document.ID{Kind: document.KindUser, Name: u.Name}) }),
			"username":  user(func(u document.User) string { return u.Name }),
			"email":     user(func(u document.User) string { return u.Email }),
			"euid":      user(func(u document.User) string { return u.EUID }),
			"firstName": user(func(u document.User) string { return u.FirstName }),
			"lastName":  user(func(u document.User) string { return u.LastName }),
		},
		convert: func(tree object, d document.Document, _ *snapshot, _ string) { metadata(tree)["uuid"] = uuidOf(d.ID) },
	}
}

// resources are the kinds that are read.
func resources() []resource {
	bindingFilters := map[string]filter{
		"workspaceIdentifier": func(typed any, want string) bool { return linksOf(typed).Workspace == want },
		"projectIdentifier":   func(typed any, want string) bool { return linksOf(typed).Project == want },
	}
	workspace := map[string]filter{"workspaceIdentifier": bindingFilters["workspaceIdentifier"]}
	all := []resource{
		users(),
		{kind: document.KindWorkspace, path: "meshworkspaces", versions: []string{"v2", "v1"}, convert: convertWorkspace},
		{kind: document.KindProject, path: "meshprojects", versions: []string{"v2"}, filters: workspace},
		{kind: document.KindUserGroup, path: "meshworkspaceusergroups", versions: []string{"v1"}, filters: workspace, id: groupIDs},
		{kind: document.KindProjectRole, path: "meshprojectroles", versions: []string{"v1"}},
		{kind: document.KindUserBinding, path: "meshprojectbindings/userbindings", versions: []string{"v3"}, filters: bindingFilters},
		{kind: document.KindGroupBinding, path: "meshprojectbindings/groupbindings", versions: []string{"v3"}, filters: bindingFilters},
		{kind: document.KindWorkspaceUserBinding, path: "meshworkspacebindings/userbindings", versions: []string{"v2"}, filters: workspace},
		{
			kind: document.KindWorkspaceGroupBinding, path: "meshworkspacebindings/groupbindings", versions: []string{"v2"},
			filters: workspace,
		},
		tenants(),
		{
			kind: document.KindPlatform, path: "meshplatforms", versions: []string{"v2-preview", "v2", "v1"}, id: withUUID,
			convert: func(tree object, d document.Document, _ *snapshot, _ string) { metadata(tree)["uuid"] = uuidOf(d.ID) },
		},
		{kind: document.KindLandingZone, path: "meshlandingzones", versions: []string{"v1", "v1-preview"}, convert: convertLandingZone},
	}
	return all
}

func tenants() resource {
	tenant := func(value func(document.Tenant) string) filter {
		return func(typed any, want string) bool {
			t, ok := typed.(document.Tenant)
			return ok && value(t) == want
		}
	}
	return resource{
		kind: document.KindTenant, path: "meshtenants", versions: []string{"v4", "v4-preview", "v3"},
		filters: map[string]filter{
			"workspaceIdentifier":   tenant(func(t document.Tenant) string { return t.Workspace }),
			"projectIdentifier":     tenant(func(t document.Tenant) string { return t.Project }),
			"platformIdentifier":    tenant(func(t document.Tenant) string { return t.Platform }),
			"landingZoneIdentifier": tenant(func(t document.Tenant) string { return t.LandingZone }),
			"platformTenantId":      tenant(func(t document.Tenant) string { return t.LocalID }),
		},
		platforms: true, convert: convertTenant,
		id: func(d document.Document) []string {
			return []string{uuidOf(d.ID), strings.ReplaceAll(d.ID.Name, "/", ".")}
		},
	}
}

// linksOf returns what a document refers to.
func linksOf(typed any) document.Links {
	switch v := typed.(type) {
	case document.Project:
		return document.Links{Workspace: v.Workspace, Project: v.Name}
	case document.UserGroup:
		return document.Links{Workspace: v.Workspace}
	case document.Binding:
		return document.Links{Workspace: v.Workspace, Project: v.Project}
	case document.WorkspaceBinding:
		return document.Links{Workspace: v.Workspace}
	default:
		return document.Links{}
	}
}

// groupIDs are <workspace>.<name>, and the name alone of a global group.
func groupIDs(d document.Document) []string {
	return []string{d.ID.Name, strings.TrimPrefix(d.ID.Name, ".")}
}

func withUUID(d document.Document) []string { return []string{uuidOf(d.ID), d.ID.Name} }

// uuidOf returns a UUID (version 8, RFC 9562) that follows from the kind and the name: Rollcall
// stores none, and an object that is created again has the same.
func uuidOf(id document.ID) string {
	sum := sha256.Sum256([]byte(string(id.Kind) + " " + id.Name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func metadata(tree object) object { return member(tree, "metadata") }

// member returns the object of a field, which it creates.
func member(tree object, name string) object {
	inner, ok := tree[name].(object)
	if !ok {
		inner = object{}
		tree[name] = inner
	}
	return inner
}

// convertWorkspace puts the tags where the version has them.
func convertWorkspace(tree object, _ document.Document, _ *snapshot, version string) {
	from, to := member(tree, "spec"), metadata(tree)
	if version == "v1" {
		from, to = to, from
	}
	if tags, ok := from["tags"]; ok {
		delete(from, "tags")
		to["tags"] = tags
	}
}

func convertTenant(tree object, d document.Document, s *snapshot, version string) {
	typed, _ := document.Parse(d)
	t, ok := typed.(document.Tenant)
	if !ok {
		return
	}
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	quotas, ok := member(tree, "spec")["quotas"]
	if !ok {
		quotas = []any{}
	}
	if version == "v3" {
		tree["metadata"] = object{"ownedByWorkspace": t.Workspace, "ownedByProject": t.Project, "platformIdentifier": t.Platform}
		tree["spec"] = object{"localId": orNull(t.LocalID), "landingZoneIdentifier": orNull(t.LandingZone), "quotas": quotas}
		return
	}
	tree["metadata"] = object{"uuid": uuidOf(d.ID), "ownedByWorkspace": t.Workspace, "ownedByProject": t.Project}
	spec := object{
		"platformIdentifier": t.Platform, "landingZoneIdentifier": orNull(t.LandingZone), "platformTenantId": orNull(t.LocalID),
		"quotas":      quotas,
		"platformRef": object{"kind": document.KindPlatform, "uuid": uuidOf(document.ID{Kind: document.KindPlatform, Name: t.Platform})},
	}
	if t.LandingZone != "" {
		spec["landingZoneRef"] = object{"kind": document.KindLandingZone, "name": t.LandingZone}
	}
	tree["spec"] = spec
	tree["status"] = object{
		"tenantName": d.ID.Name, "platformTypeIdentifier": s.platforms[t.Platform].Type, "tags": object{}, "appliedQuotas": quotas,
	}
}

func convertLandingZone(tree object, d document.Document, _ *snapshot, _ string) {
	typed, _ := document.Parse(d)
	if z, ok := typed.(document.LandingZone); ok {
		ref := member(member(tree, "spec"), "platformRef")
		ref["kind"], ref["uuid"] = document.KindPlatform, uuidOf(document.ID{Kind: document.KindPlatform, Name: z.Platform})
	}
	tree["status"] = object{"disabled": false, "restricted": false}
}

// mediaTypes are those of the versions.
func (r resource) mediaTypes() []string {
	types := make([]string, len(r.versions))
	for i, version := range r.versions {
		types[i] = vendor + strings.ToLower(string(r.kind)) + "." + version + ".hal+json"
	}
	return types
}

// accepted returns the media type and the version that the client accepts.
func (r resource) accepted(c *call) (kind, version string, err error) {
	types := r.mediaTypes()
	if kind, err = accepted(c.Request, false, types...); err != nil {
		return "", "", err
	}
	return kind, r.versions[slices.Index(types, kind)], nil
}

func (r resource) filterNames() []string {
	names := slices.Sorted(maps.Keys(r.filters))
	if r.kind == document.KindUser {
		names = append(names, membershipFilters()...)
	}
	return names
}

// link returns the path of an object.
func (r resource) link(d document.Document) string {
	id := d.ID.Name
	if r.id != nil {
		id = r.id(d)[0]
	}
	return "/api/meshobjects/" + r.path + "/" + url.PathEscape(id)
}

// tree returns a document as the API writes it.
func (r resource) tree(d document.Document, s *snapshot, version string) (object, error) {
	tree := object{}
	decoder := json.NewDecoder(strings.NewReader(string(d.Body)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("meshapi: %s: %w", d.ID, err)
	}
	tree["apiVersion"] = version
	if r.convert != nil {
		r.convert(tree, d, s, version)
	}
	tree["_links"] = object{"self": object{"href": r.link(d)}}
	return tree, nil
}

// read returns the documents of the kind that the caller sees, and what they need besides.
func (r resource) read(c *call) ([]document.Document, *snapshot, error) {
	s := &snapshot{}
	found, err := c.service.Get(c.ctx(), control.GetRequest{Kind: r.kind})
	if err != nil {
		return nil, nil, err
	}
	if r.platforms {
		if s.platforms, err = c.platforms(); err != nil {
			return nil, nil, err
		}
	}
	if r.kind == document.KindUser && c.filtersMemberships() {
		all, err := c.service.Get(c.ctx(), control.GetRequest{})
		if err != nil {
			return nil, nil, err
		}
		if s.members, err = membershipsOf(all); err != nil {
			return nil, nil, err
		}
	}
	return found, s, nil
}

// platforms returns the platforms that the caller sees, by identifier.
func (c *call) platforms() (map[string]document.Platform, error) {
	docs, err := c.service.Get(c.ctx(), control.GetRequest{Kind: document.KindPlatform})
	if err != nil {
		return nil, err
	}
	platforms := make(map[string]document.Platform, len(docs))
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil {
			return nil, err
		}
		if p, ok := typed.(document.Platform); ok {
			platforms[p.Identifier()] = p
		}
	}
	return platforms, nil
}

// get answers with one object.
func (r resource) get(c *call) error {
	kind, version, err := r.accepted(c)
	if err != nil {
		return err
	}
	docs, s, err := r.read(c)
	if err != nil {
		return err
	}
	name := c.PathValue("name")
	i := slices.IndexFunc(docs, func(d document.Document) bool {
		return r.id == nil && d.ID.Name == name || r.id != nil && slices.Contains(r.id(d), name)
	})
	if i < 0 {
		return &control.Error{
			Code: control.NotFound, Kind: string(r.kind), Name: name, Message: fmt.Sprintf("there is no %s %q", r.kind, name),
		}
	}
	tree, err := r.tree(docs[i], s, version)
	if err != nil {
		return err
	}
	return write(c.ResponseWriter, http.StatusOK, kind, tree)
}

// page is which part of a list a request asks for.
type page struct{ number, size int }

func (c *call) page() (page, error) {
	p := page{size: defaultPageSize}
	for name, into := range map[string]*int{"page": &p.number, "size": &p.size} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || name == "size" && n == 0 {
			return p, invalid(name, "%s is a number from 0, and size one from 1 to %d", name, maxPageSize)
		}
		*into = n
	}
	p.size = min(p.size, maxPageSize)
	return p, nil
}

// list answers with a page of the objects that match all filters.
func (r resource) list(c *call) error {
	kind, version, err := r.accepted(c)
	if err != nil {
		return err
	}
	p, err := c.page()
	if err != nil {
		return err
	}
	docs, s, err := r.read(c)
	if err != nil {
		return err
	}
	if docs, err = r.filter(c, docs, s); err != nil {
		return err
	}
	total, pages := len(docs), (len(docs)+p.size-1)/p.size
	first := total
	if p.number < pages {
		first = p.number * p.size
	}
	items := []object{}
	for _, d := range docs[first:min(first+p.size, total)] {
		tree, err := r.tree(d, s, version)
		if err != nil {
			return err
		}
		items = append(items, tree)
	}
	return write(c.ResponseWriter, http.StatusOK, kind, object{
		"_embedded": object{string(r.kind) + "s": items},
		"_links":    c.links(p, pages),
		"page":      object{"size": p.size, "totalElements": total, "totalPages": pages, "number": p.number},
	})
}

// filter returns the documents that match all filters of the request.
func (r resource) filter(c *call, docs []document.Document, s *snapshot) ([]document.Document, error) {
	var found []document.Document
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil {
			return nil, err
		}
		matches := s.members == nil || slices.ContainsFunc(s.members[d.ID.Name], c.hasMembership)
		for name, f := range r.filters {
			if c.query.Has(name) && !f(typed, c.query.Get(name)) {
				matches = false
			}
		}
		if matches {
			found = append(found, d)
		}
	}
	return found, nil
}

// links are those of a page.
func (c *call) links(p page, pages int) object {
	to := func(number int) object {
		query := maps.Clone(c.query)
		query.Set("page", strconv.Itoa(number))
		query.Set("size", strconv.Itoa(p.size))
		return object{"href": c.URL.Path + "?" + query.Encode()}
	}
	last := max(pages-1, 0)
	links := object{"self": to(p.number), "first": to(0), "last": to(last)}
	if p.number > 0 {
		links["prev"] = to(min(p.number-1, last))
	}
	if p.number < last {
		links["next"] = to(p.number + 1)
	}
	return links
}
