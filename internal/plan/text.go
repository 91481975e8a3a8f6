package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// String shows the plan like a good diff: what, on which platform, for whom and
// why. A line that starts with +, - or ~ creates, deletes or changes; ! is held
// back; ? is a remark.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Tenant, p.Summary())
	for _, s := range p.Steps {
		writeStep(&b, s, "  ")
	}
	for _, s := range p.Held {
		writeStep(&b, s, "  ! held: ")
	}
	for _, r := range p.Remarks {
		fmt.Fprintf(&b, "  ? %s %s: %s\n", r.Code, r.Object, r.Text)
	}
	return b.String()
}

// Summary counts the plan in one line: "2 to create, 1 to change, 0 to delete".
func (p Plan) Summary() string {
	if len(p.Steps)+len(p.Held) == 0 {
		return "nothing to do"
	}
	counts := map[Op]int{}
	for _, s := range p.Steps {
		counts[s.Op]++
	}
	text := fmt.Sprintf("%d to create, %d to change, %d to delete", counts[Create], counts[Change], counts[Delete])
	if len(p.Held) > 0 {
		text += fmt.Sprintf(", %d held", len(p.Held))
	}
	return text
}

// sign returns how a diff writes the operation.
func (o Op) sign() string {
	switch o {
	case Create:
		return "+"
	case Delete:
		return "-"
	case Change:
		return "~"
	default:
		return string(o)
	}
}

func writeStep(b *strings.Builder, s Step, indent string) {
	fmt.Fprintf(b, "%s%s %s %q", indent, s.Op.sign(), s.Kind, s.Object)
	if s.Why != "" {
		fmt.Fprintf(b, "  (%s)", s.Why)
	}
	b.WriteByte('\n')
	for _, m := range s.Adds() {
		writeMember(b, "+", m)
	}
	for _, m := range s.Removes() {
		writeMember(b, "-", m)
	}
}

func writeMember(b *strings.Builder, sign string, m access.Member) {
	fmt.Fprintf(b, "      %s %s", sign, cmp.Or(m.Name, "account "+m.Ref))
	if m.Why != "" {
		fmt.Fprintf(b, "  (%s)", m.Why)
	}
	b.WriteByte('\n')
}
