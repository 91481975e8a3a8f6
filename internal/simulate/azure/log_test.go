package azure

import (
	"fmt"
	"testing"
	"time"
)

// TestALongLogIsFolded changes two groups for weeks: the log forgets what no link
// can ask for, and a first delta query still tells all.
func TestALongLogIsFolded(t *testing.T) {
	s, err := New(Options{Stale: -1})
	if err != nil {
		t.Fatal(err)
	}
	tenant := s.AddTenant("", "contoso.example")
	d := s.directory(tenant)
	at := time.Now()
	d.putGroup(at, Group{ID: "gone"})
	d.deleteGroup(at, Group{ID: "gone"})
	for i := range 2 * foldAfter {
		at = at.Add(time.Minute)
		d.putGroup(at, Group{ID: fmt.Sprint("g", i%2), Members: []string{fmt.Sprint("p", i%7)}})
	}
	kept := int((deltaKept + time.Hour) / time.Minute)
	if n := len(d.Log); n > kept+foldAfter {
		t.Errorf("after %d changes the log has %d", 2*foldAfter, n)
	}
	for i := 1; i < len(d.Log); i++ {
		if d.Log[i].Seq <= d.Log[i-1].Seq {
			t.Fatalf("change %d follows %d", d.Log[i].Seq, d.Log[i-1].Seq)
		}
	}
	c := &call{server: s, dir: d, seen: at}
	groups, members := c.pending(journey{From: -1, To: c.visible()})
	if len(groups) != 2 {
		t.Errorf("a first query tells of %v", groups)
	}
	for _, id := range groups {
		g, _ := d.Groups.Get(id)
		for who, in := range members[id] {
			if in != (who == g.Members[0]) {
				t.Errorf("%s in %s is %v", who, id, in)
			}
		}
	}
}
