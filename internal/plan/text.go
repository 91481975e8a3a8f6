package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// String shows the plan like a good diff: what, on which platform, for whom and
// why. A line that starts with +, - or ~ creates, deletes or changes; = replaces
// a group by one of another name; ! is held back; ? is a remark.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Tenant, p.Summary())
	part := map[string]bool{}
	for _, r := range p.Renames {
		p.writeRenaming(&b, r, part)
	}
	for _, s := range p.Steps {
		if !part[s.ID] {
			writeStep(&b, s, "  ")
		}
	}
	for _, s := range p.Held {
		writeStep(&b, s, "  ! held: ")
	}
	for _, r := range p.Remarks {
		fmt.Fprintf(&b, "  ? %s %s: %s\n", r.Code, r.Object, r.Text)
	}
	return b.String()
}

// writeRenaming writes one renaming with its steps, in their order, and notes
// them in part. What is lost by it comes first.
func (p Plan) writeRenaming(b *strings.Builder, r Renaming, part map[string]bool) {
	for _, from := range append([]access.Group{r.From}, r.Also...) {
		fmt.Fprintf(b, "  = rename %q to %q (%s", from.Name, r.To, r.Mode)
		if r.Waits {
			b.WriteString(", and the old group waits")
		}
		b.WriteString(")\n")
	}
	for _, lost := range r.Loses {
		fmt.Fprintf(b, "    - loses %q, which another system gave\n", lost.Key())
	}
	mine := map[string]bool{}
	for _, id := range slices.Concat(r.Build, r.Remove) {
		mine[id], part[id] = true, true
	}
	for _, s := range p.Steps {
		if mine[s.ID] {
			writeStep(b, s, "    ")
		}
	}
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
	fmt.Fprintf(b, "      %s %s", sign, AccountName(m))
	if m.Why != "" {
		fmt.Fprintf(b, "  (%s)", m.Why)
	}
	b.WriteByte('\n')
}

// AccountName returns the account's name, or its id where the name is unknown.
func AccountName(m access.Member) string { return cmp.Or(m.Name, "account "+m.Ref) }
