package azure

import "slices"

// listMemberOf lists the groups that have a user as a direct member. Roles and
// administrative units, which a real directory lists among them, hold no users here.
// Source: "List a user's direct memberships".
func (c *call) listMemberOf() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	u, err := c.user(c.args[0])
	if err != nil {
		return answer{}, err
	}
	var ids []string
	for _, g := range c.dir.Groups.AllAt(c.seen) {
		if slices.Contains(g.Members, u.ID) {
			ids = append(ids, g.ID)
		}
	}
	return c.listObjects(ids)
}
