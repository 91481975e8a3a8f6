package plan

// Schedule is the order in which the steps of a plan may run. Every step is in
// it once.
type Schedule struct {
	// Now may run at once, wave by wave.
	Now [][]Work
	// Renamings run after Now, at once.
	Renamings []RenamingSchedule
	// After may run after the renamings: their steps need some of theirs.
	After [][]Work
}

// RenamingSchedule is the order of one renaming's steps. In mode Recreate Remove
// runs when all of Build is done and seen, in mode Strict before any of it.
type RenamingSchedule struct {
	ID            string
	Build, Remove [][]Work
	// Needs is true where a step of the renaming needs one of Schedule.Now.
	Needs bool
}

// Schedule returns the order in which the steps may run. A step that needs one
// of a renaming, itself or through others, is After; all that a step needs
// besides is in an earlier part, or in an earlier wave of its own.
func (p Plan) Schedule(u Unit) Schedule {
	if len(p.Renames) == 0 {
		return Schedule{Now: p.Waves(u)}
	}
	const now, after = 0, -1
	part := make(map[string]int, len(p.Steps))
	for i, r := range p.Renames {
		for _, id := range r.Build {
			part[id] = 2*i + 1
		}
		for _, id := range r.Remove {
			part[id] = 2*i + 2
		}
	}
	parts, needsNow := map[int][]Step{}, map[int]bool{}
	for _, s := range p.Steps {
		in := part[s.ID]
		for _, need := range s.Needs {
			switch {
			case in == now && part[need.ID] != now:
				in = after
			case part[need.ID] == now:
				needsNow[in] = true
			}
		}
		part[s.ID] = in
		parts[in] = append(parts[in], s)
	}
	out := Schedule{Now: waves(parts[now], u), After: waves(parts[after], u)}
	for i, r := range p.Renames {
		out.Renamings = append(out.Renamings, RenamingSchedule{
			ID: r.ID, Build: waves(parts[2*i+1], u), Remove: waves(parts[2*i+2], u),
			Needs: needsNow[2*i+1] || needsNow[2*i+2],
		})
	}
	return out
}
