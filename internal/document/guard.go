package document

import (
	"cmp"
	"strconv"
)

// DefaultGuard returns the limits that hold on a platform that no Guard is for.
func DefaultGuard() Guard {
	return Guard{GroupMost: 2, GroupPercent: 20, ChangeMost: 200, HourMost: 1000}
}

// wireGuard is a guard; a limit that was left out has its default.
type wireGuard struct {
	wireEnvelope
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Platforms []string       `json:"platforms"`
		Group     wireGroupLimit `json:"group"`
		Change    wireLimit      `json:"change"`
		Hour      wireLimit      `json:"hour"`
	} `json:"spec"`
}

type wireGroupLimit struct {
	Most    *int `json:"most"`
	Percent *int `json:"percent"`
}

type wireLimit struct {
	Most *int `json:"most"`
}

func (w *wireGuard) name() string { return w.Metadata.Name }

func (w *wireGuard) typed() (any, error) {
	g := DefaultGuard()
	g.Name, g.Platforms = w.Metadata.Name, w.Spec.Platforms
	g.GroupMost = *cmp.Or(w.Spec.Group.Most, &g.GroupMost)
	g.GroupPercent = *cmp.Or(w.Spec.Group.Percent, &g.GroupPercent)
	g.ChangeMost = *cmp.Or(w.Spec.Change.Most, &g.ChangeMost)
	g.HourMost = *cmp.Or(w.Spec.Hour.Most, &g.HourMost)
	return g, nil
}

// Guard returns the limits in force on a platform: those of the guard that names
// it, else of the guard that names none, else the default.
func (s *Set) Guard(platform string) Guard {
	if id, ok := s.graph.guard(platform); ok {
		guard, _ := get[Guard](s, KindGuard, id.Name)
		return guard
	}
	return DefaultGuard()
}

// guard checks that every platform has one guard at most.
func (c *checker) guard(i int, g Guard) {
	for n, platform := range g.Platforms {
		field := "spec.platforms[" + strconv.Itoa(n) + "]"
		c.exists(i, field, KindPlatform, platform)
		if first, taken := c.guarded[platform]; taken {
			c.clash(first, i, field, quoted(platform)+" has the limits of "+placeholder+" already: name it in one guard only")
			continue
		}
		c.guarded[platform] = i
	}
	if len(g.Platforms) > 0 {
		return
	}
	if first, taken := c.guarded[""]; taken {
		c.clash(first, i, "spec.platforms", "is missing, as in "+placeholder+": only one guard is for all platforms that no other names")
		return
	}
	c.guarded[""] = i
}
