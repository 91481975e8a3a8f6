package access

import (
	"regexp"
	"strings"
)

// Mark is what Rollcall writes on an object (description, label, tag) to say
// which installation made it and for which tenant. The zero Mark means that
// there was a place for a mark and none of Rollcall's was in it.
type Mark struct {
	// Installation names one Rollcall database; two installations may share a
	// platform and never touch each other's objects.
	Installation string `json:"installation,omitempty"`
	// Tenant is the TenantID in its String form.
	Tenant string `json:"tenant,omitempty"`
	// Unread is true where the platform has no place for a mark, or where this
	// read did not look. It neither confirms nor contradicts ownership.
	Unread bool `json:"unread,omitempty"`
}

// Unread is the mark of an object whose mark nobody could see.
func Unread() Mark { return Mark{Unread: true} }

// Agrees reports whether m does not contradict want.
func (m Mark) Agrees(want Mark) bool {
	return m.Unread || (m.Installation == want.Installation && m.Tenant == want.Tenant)
}

// markPattern finds a mark inside a longer text: people may add to a description.
var markPattern = regexp.MustCompile(`\[rollcall ([^\s\]]+) ([^\s\]]+)\]`)

// Text returns the mark for places that hold free text, such as a description.
// ParseMark reads it back.
func (m Mark) Text() string {
	if m.Installation == "" {
		return ""
	}
	return "Managed by Rollcall; changes are overwritten. [rollcall " + m.Installation + " " + m.Tenant + "]"
}

// ParseMark finds a mark in free text. Text without one gives the zero Mark.
func ParseMark(text string) Mark {
	if !strings.Contains(text, "[rollcall ") {
		return Mark{}
	}
	found := markPattern.FindStringSubmatch(text)
	if found == nil {
		return Mark{}
	}
	return Mark{Installation: found[1], Tenant: found[2]}
}

// Contradicts reports whether m names another owner than want does. An object
// without a mark belongs to nobody in that sense, and one whose mark nobody read
// may.
func (m Mark) Contradicts(want Mark) bool { return m != Mark{} && !m.Agrees(want) }

// AddTo returns free text with the mark in it: behind what people wrote there, or
// the text as it is where it has this mark already.
func (m Mark) AddTo(text string) string {
	switch {
	case ParseMark(text) == m:
		return text
	case text == "":
		return m.Text()
	default:
		return text + "\n" + m.Text()
	}
}
