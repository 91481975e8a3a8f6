package oracle

// LacksGroupRef reports whether the step is about a group whose id was not
// known when the plan was made.
func (s Step) LacksGroupRef() bool {
	for _, o := range []Object{s.Want, s.Have} {
		if o.Members != nil && o.Members.GroupRef == "" ||
			o.Binding != nil && o.Binding.Group != "" && o.Binding.GroupRef == "" {
			return true
		}
	}
	return false
}

// WithGroupRef returns a copy of the step that knows the id of its group. The
// step keeps its ID: it is the same change.
func (s Step) WithGroupRef(ref string) Step {
	s.Have, s.Want = s.Have.withGroupRef(ref), s.Want.withGroupRef(ref)
	return s
}

func (o Object) withGroupRef(ref string) Object {
	if o.Members != nil {
		m := *o.Members
		m.GroupRef = ref
		o.Members = &m
	}
	if o.Binding != nil {
		b := *o.Binding
		b.GroupRef = ref
		o.Binding = &b
	}
	return o
}
