package oracle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// id derives a step's ID from the change it makes, whatever the reasons.
func id(t access.TenantID, s Step) string {
	sig := make(signature, 0, 512)
	sig.text(t.Workspace, t.Project, t.Platform, string(s.Op))
	if s.Carries != "" {
		sig.text("carries", s.Carries)
	}
	sig.object(s.Have)
	sig.object(s.Want)
	return digest(sig)
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// signature is what an ID is derived from. Every text is preceded by its
// length and every set by its size, so that different steps never look alike.
// It is written by hand because JSON took most of the planner's time.
type signature []byte

func (sig *signature) text(texts ...string) {
	for _, t := range texts {
		*sig = append(binary.AppendUvarint(*sig, uint64(len(t))), t...)
	}
}

func (sig *signature) object(o Object) {
	switch {
	case o.Group != nil:
		sig.text("group", o.Group.Name, o.Group.Ref)
		sig.mark(o.Group.Mark)
	case o.Members != nil:
		sig.text("members", o.Members.Group, o.Members.GroupRef)
		sig.members(o.Members.Accounts)
	case o.Binding != nil:
		b := o.Binding
		sig.text("binding", b.Role, b.Name, b.Group, b.GroupRef, b.Ref, b.Version, b.Condition,
			strconv.FormatBool(b.Shielded), strconv.FormatBool(b.InUse))
		sig.mark(b.Mark)
		sig.members(b.Subjects)
	case o.Account != nil:
		a := o.Account
		sig.text("account", a.Name, a.Ref, a.Person, a.Email, a.FirstName, a.LastName)
	default:
		sig.text("nothing")
	}
}

func (sig *signature) mark(m access.Mark) {
	sig.text(m.Installation, m.Tenant, strconv.FormatBool(m.Unread))
}

func (sig *signature) members(accounts []access.Member) {
	*sig = binary.AppendUvarint(*sig, uint64(len(accounts)))
	for _, a := range accounts {
		sig.text(a.Ref, a.Name, a.Person)
	}
}
