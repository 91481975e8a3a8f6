package azure

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// change is one entry in the log that delta queries read.
type change struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"` // when reads show it, less Stale
	Group   string    `json:"group"`
	Added   []string  `json:"added,omitempty"`
	Removed []string  `json:"removed,omitempty"`
}

// nothing is the number of the log's state before its first change.
const nothing = int64(1)

// foldAfter is how long the log gets before its old part is folded.
const foldAfter = 10_000

// record logs a change of a group and keeps the index of memberships.
func (d *directory) record(at time.Time, group string, before, after []string) {
	c := change{Seq: nothing + 1, At: at, Group: group}
	if n := len(d.Log); n > 0 {
		c.Seq = d.Log[n-1].Seq + 1
	}
	was, is := set(before), set(after)
	for _, id := range after {
		if !was[id] {
			c.Added = append(c.Added, id)
			if d.Memberships[id] == nil {
				d.Memberships[id] = map[string]bool{}
			}
			d.Memberships[id][group] = true
		}
	}
	for _, id := range before {
		if !is[id] {
			c.Removed = append(c.Removed, id)
			delete(d.Memberships[id], group)
		}
	}
	d.Log = append(d.Log, c)
	if len(d.Log) > foldAfter && len(d.Log)%foldAfter == 0 {
		d.fold(at.Add(-deltaKept - time.Hour))
	}
}

// fold makes the changes before a time, which no delta link remembers any more,
// one for each group that there still is.
func (d *directory) fold(before time.Time) {
	old := slices.IndexFunc(d.Log, func(c change) bool { return !c.At.Before(before) })
	if old < 0 {
		old = len(d.Log) - 1 // the last one stays, for its number
	}
	last, members := map[string]change{}, map[string]map[string]bool{}
	for _, c := range d.Log[:old] {
		if members[c.Group] == nil {
			members[c.Group] = map[string]bool{}
		}
		for _, id := range c.Added {
			members[c.Group][id] = true
		}
		for _, id := range c.Removed {
			delete(members[c.Group], id)
		}
		last[c.Group] = change{Seq: c.Seq, At: c.At, Group: c.Group}
	}
	var folded []change
	for group, c := range last {
		if _, there := d.Groups.Get(group); there {
			c.Added = slices.Sorted(maps.Keys(members[group]))
			folded = append(folded, c)
		}
	}
	slices.SortFunc(folded, func(a, b change) int { return cmp.Compare(a.Seq, b.Seq) })
	d.Log = append(folded, d.Log[old:]...)
}
