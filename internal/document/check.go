package document

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/naming"
)

// Validate checks what one document alone cannot show: that references lead
// somewhere and what must be unique is. The error is a Problems with all that
// is wrong. The end of a binding is compared with now. It takes time in proportion to the size
// of the set.
func (s *Set) Validate(now time.Time) error {
	return s.ValidateChanged(now, func(ID) bool { return true })
}

// ValidateChanged is Validate of the changed documents of the set. The others are there to be
// referred to, and what they refer to may be missing. What must be unique is so in the whole set.
func (s *Set) ValidateChanged(now time.Time, changed func(ID) bool) error {
	c := &checker{
		set: s, now: now, changed: changed, euids: map[identity.Key]int{}, localIDs: map[[2]string]int{}, numbers: map[[2]string]int{},
		guarded:    map[string]int{},
		tenantKeys: map[string]func(string) string{}, checks: map[string]func([]byte) (string, string){},
	}
	for _, of := range types.All() {
		c.tenantKeys[of.Name()], c.checks[of.Name()] = of.TenantKey, of.CheckSettings
	}
	for i := range s.docs {
		c.document(i)
	}
	return c.problems.err()
}

// checker gathers what is wrong with a set.
type checker struct {
	set *Set
	now time.Time
	// changed are the documents whose problems count; all if it is nil.
	changed  func(ID) bool
	problems Problems
	// The first document that has an euid, a platform and local id, or a
	// platform and tenant number.
	euids    map[identity.Key]int
	localIDs map[[2]string]int
	numbers  map[[2]string]int
	// guarded is the first guard that names a platform, or none.
	guarded map[string]int
	// tenantKeys and checks are what platform types compare tenants by, and how they check
	// settings, see driver.Type.
	tenantKeys map[string]func(id string) string
	checks     map[string]func(settings []byte) (field, problem string)
}

func (c *checker) add(i int, field, text string) {
	if !c.counts(i) {
		return
	}
	doc := c.set.docs[i]
	c.problems = append(c.problems, Problem{
		File: doc.File, Line: doc.Line, Object: doc.ID.String(), Field: field, Text: text,
	})
}

func (c *checker) counts(i int) bool { return c.changed == nil || c.changed(c.set.docs[i].ID) }

// placeholder stands for the other document in the text of a clash.
const placeholder = "\x00"

// clash adds a problem between two documents, at the one that was read last, or at the one
// whose problems count: that is what people can change now.
func (c *checker) clash(i, j int, field, text string) {
	if c.set.docs[j].File == "" && c.set.docs[i].File != "" || !c.counts(j) {
		i, j = j, i
	}
	other := c.set.docs[i]
	where := place(other)
	if other.ID != c.set.docs[j].ID {
		where = fmt.Sprintf("%s (%s)", other.ID, where)
	}
	c.add(j, field, strings.ReplaceAll(text, placeholder, where))
}

// exists adds a problem unless the set has the document.
func (c *checker) exists(i int, field string, kind Kind, name string) bool {
	ok := c.set.graph.exists(ID{Kind: kind, Name: name})
	if !ok {
		c.add(i, field, fmt.Sprintf("there is no %s %s", kind, quoted(name)))
	}
	return ok
}

func (c *checker) document(i int) {
	switch n := c.set.graph.nodes[i]; n.ID.Kind {
	case KindUser:
		c.user(i, n.text)
		return
	case KindUserBinding, KindGroupBinding:
		c.binding(i, n)
		return
	case KindWorkspaceUserBinding, KindWorkspaceGroupBinding:
		c.workspaceBinding(i, n)
		return
	case KindProject:
		c.exists(i, "metadata.ownedByWorkspace", KindWorkspace, n.Workspace)
		return
	default:
	}
	switch v := c.set.typedAt(i).(type) {
	case UserGroup:
		c.userGroup(i, v)
	case Platform:
		c.platform(i, v)
	case Guard:
		c.guard(i, v)
	case AccessPolicy:
		c.policy(i, v)
	case LandingZone:
		c.landingZone(i, v)
	case Tenant:
		c.tenant(i, v)
	}
}

func (c *checker) user(i int, euid string) {
	if euid == "" {
		return
	}
	input := c.set.docs[i].File != ""
	if err := identity.Check(euid); err != nil && input {
		c.add(i, "spec.euid", strings.TrimPrefix(err.Error(), "identity: "))
		return
	}
	key := identity.Exact.Key(euid)
	first, taken := c.euids[key]
	if !taken {
		c.euids[key] = i
		return
	}
	if !input && c.set.docs[first].File == "" {
		return // they were stored before euids were compared so: plans warn of them
	}
	text := quoted(euid) + " is also that of " + placeholder + ": an euid is one person's"
	if c.set.graph.nodes[first].text != euid {
		text += "; the two differ by composition only, as an accented letter can be one character or two"
	}
	c.clash(first, i, "spec.euid", text)
}

func (c *checker) userGroup(i int, g UserGroup) {
	if g.Workspace != "" {
		c.exists(i, "metadata.ownedByWorkspace", KindWorkspace, g.Workspace)
	}
	for n, member := range g.Members {
		c.exists(i, "spec.members["+strconv.Itoa(n)+"]", KindUser, member)
	}
}

func (c *checker) platform(i int, p Platform) {
	field := "spec.config." + p.Type + ".replication."
	if _, err := euid.Parse(p.Replication.EUIDPattern); err != nil {
		c.add(i, field+"euidPattern", err.Error())
	}
	if p.Replication.GroupNamePattern != "" {
		if _, err := naming.Parse(p.Replication.GroupNamePattern); err != nil {
			c.add(i, field+"groupNamePattern", err.Error())
		}
	}
	c.mappings(i, field+"roleMappings", p.Replication.RoleMappings)
	if check := c.checks[p.Type]; check != nil {
		if field, problem := check(p.Settings); problem != "" {
			c.add(i, "spec.config."+p.Type+"."+field, problem)
		}
	}
}

func (c *checker) mappings(i int, field string, mappings []RoleMapping) {
	mapped := map[string]int{}
	for n, m := range mappings {
		at := fmt.Sprintf("%s[%d].projectRoleRef.name", field, n)
		if !c.role(i, at, m.Role) {
			continue
		}
		role := c.set.roleName(m.Role)
		if first, twice := mapped[role]; twice {
			c.add(i, at, fmt.Sprintf("%s has a mapping already, the %d. of the list: join the two", quoted(m.Role), first+1))
			continue
		}
		mapped[role] = n
	}
}

// role adds a problem unless ref means exactly one role.
func (c *checker) role(i int, field, ref string) bool {
	found := c.set.roleRefs[ref]
	switch len(found) {
	case 0:
		c.add(i, field, fmt.Sprintf("there is no %s with the name %s", KindProjectRole, quoted(ref)))
	case 1:
		return true
	default:
		c.add(i, field, quoted(ref)+" means several: "+list(c.names(found), "and")+"; rename one of them")
	}
	return false
}

func (c *checker) names(indices []int) []string {
	var names []string
	for _, i := range indices {
		names = append(names, c.set.docs[i].ID.String())
	}
	return names
}

func (c *checker) landingZone(i int, z LandingZone) {
	if c.exists(i, "spec.platformRef.name", KindPlatform, z.Platform) {
		platform, _ := get[Platform](c.set, KindPlatform, z.Platform)
		if z.Type != "" && z.Type != platform.Type {
			c.add(i, "spec.platformProperties", fmt.Sprintf("is for %s, but %s is %s", z.Type, z.Platform, platform.Type))
		}
	}
	c.mappings(i, "spec.platformProperties."+z.Type+".roleMappings", z.RoleMappings)
}

func (c *checker) tenant(i int, t Tenant) {
	fields := tenantFieldsOf(c.set.docs[i].APIVersion)
	if c.exists(i, "metadata.ownedByWorkspace", KindWorkspace, t.Workspace) {
		c.exists(i, "metadata.ownedByProject", KindProject, t.ProjectID())
	}
	c.exists(i, fields.platform, KindPlatform, t.Platform)
	if t.LandingZone != "" && c.exists(i, fields.landingZone, KindLandingZone, t.LandingZone) {
		zone, _ := get[LandingZone](c.set, KindLandingZone, t.LandingZone)
		if zone.Platform != t.Platform {
			c.add(i, fields.landingZone, fmt.Sprintf("%s is of platform %s, but the tenant is on %s",
				quoted(t.LandingZone), zone.Platform, t.Platform))
		}
	}
	if t.LocalID != "" {
		c.unique(c.localIDs, [2]string{t.Platform, c.tenantKey(t)}, t.LocalID, i, fields.localID)
	}
	if drawn := c.set.docs[i].Drawn; drawn != nil {
		number := strconv.Itoa(drawn.Number)
		c.unique(c.numbers, [2]string{t.Platform, number}, number, i, "rollcall.tenantPlatformNumber")
	}
}

// tenantKey returns the tenant's id on its platform as the platform compares it.
func (c *checker) tenantKey(t Tenant) string {
	platform, _ := get[Platform](c.set, KindPlatform, t.Platform)
	if key := c.tenantKeys[platform.Type]; key != nil {
		return key(t.LocalID)
	}
	return t.LocalID
}

// unique adds a problem if another tenant of the platform key[0] has key[1], of which the
// document says value.
func (c *checker) unique(taken map[[2]string]int, key [2]string, value string, i int, field string) {
	if first, twice := taken[key]; twice {
		c.clash(first, i, field, quoted(value)+" is also that of "+placeholder)
		return
	}
	taken[key] = i
}

// tenantFields are the names of a tenant's fields, which differ by version.
type tenantFields struct{ platform, landingZone, localID string }

func tenantFieldsOf(version string) tenantFields {
	if version == "v3" {
		return tenantFields{"metadata.platformIdentifier", "spec.landingZoneIdentifier", "spec.localId"}
	}
	return tenantFields{"spec.platformRef", "spec.landingZoneRef", "spec.platformTenantId"}
}

func (c *checker) binding(i int, b *Node) {
	if b.Ends != nil {
		c.checkEnd(i, *b.Ends)
	}
	c.role(i, "roleRef.name", b.text)
	if c.exists(i, "targetRef.ownedByWorkspace", KindWorkspace, b.Workspace) {
		c.exists(i, "targetRef.name", KindProject, dotted(b.Workspace, b.Project))
	}
	if b.ID.Kind == KindUserBinding {
		c.exists(i, "subject.name", KindUser, b.Subject)
		return
	}
	c.boundGroup(i, b, "the project is of")
}

// workspaceBinding checks a binding to a workspace. The schema has checked its role. Its end is
// no end of access on platforms: the node has none.
func (c *checker) workspaceBinding(i int, b *Node) {
	if typed, ok := c.set.typedAt(i).(WorkspaceBinding); ok && !typed.Ends.IsZero() {
		c.checkEnd(i, typed.Ends)
	}
	c.exists(i, "targetRef.name", KindWorkspace, b.Workspace)
	if b.ID.Kind == KindWorkspaceUserBinding {
		c.exists(i, "subject.name", KindUser, b.Subject)
		return
	}
	c.boundGroup(i, b, "the binding is for")
}

// boundGroup adds a problem unless the subject of a group binding is one user group that may
// be bound in the workspace: its own or a global one. target says what the workspace is.
func (c *checker) boundGroup(i int, b *Node, target string) {
	found, ok := c.set.graph.Group(b.Workspace, b.Subject)
	global := UserGroupID("", b.Subject)
	switch {
	case ok && found != global && c.set.graph.exists(global):
		c.add(i, "subject.name", fmt.Sprintf("%s means two user groups: that of the workspace %s and the global one; rename one of them",
			quoted(b.Subject), quoted(b.Workspace)))
	case ok:
	case len(c.set.groups[b.Subject]) == 0:
		c.add(i, "subject.name", fmt.Sprintf("there is no %s %s", KindUserGroup, quoted(b.Subject)))
	default:
		var owners []string
		for _, g := range c.set.groups[b.Subject] {
			owners = append(owners, quoted(c.set.graph.nodes[g].Workspace))
		}
		c.add(i, "subject.name", fmt.Sprintf("the user group %s is of the workspace %s, but %s %s: "+
			"a workspace's group can be bound in its own workspace only; create the group in %s, or bind a global group",
			quoted(b.Subject), list(owners, "or"), target, quoted(b.Workspace), quoted(b.Workspace)))
	}
}
