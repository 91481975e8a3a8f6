package document

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// check returns everything in which tree, read from n, breaks the schema of k.
func (c *catalog) check(k Kind, tree map[string]any, n *yaml.Node) []flaw {
	err := c.compiled[k].Validate(tree)
	if err == nil {
		return nil
	}
	var broken *jsonschema.ValidationError
	if !errors.As(err, &broken) {
		return []flaw{{line: n.Line, text: err.Error()}}
	}
	e := &explainer{catalog: c, root: n, unknown: map[string]bool{}}
	e.walk(broken)
	for _, choice := range e.choices {
		// Who misspelt the one name that is asked for need not be told twice.
		if !e.unknown[choice.field] {
			e.flaws = append(e.flaws, choice)
		}
	}
	return e.flaws
}

// explainer says in our words what a validator found.
type explainer struct {
	catalog *catalog
	root    *yaml.Node
	flaws   []flaw
	// choices are the flaws of objects that miss the one field they need.
	choices []flaw
	// unknown are the objects with a field that nobody knows.
	unknown map[string]bool
}

func (e *explainer) walk(v *jsonschema.ValidationError) {
	switch k := v.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		e.unknownFields(v, k.Properties)
	case *kind.Required:
		for _, field := range k.Missing {
			at, line := locate(e.root, v.InstanceLocation)
			text := "is missing"
			if advice := e.catalog.rule(v.SchemaURL + "/properties/" + field); advice != "" {
				text += ": " + advice
			}
			e.flaws = append(e.flaws, flaw{line: line, field: at.child(field).String(), text: text})
		}
	case *kind.OneOf, *kind.AnyOf:
		at, line := locate(e.root, v.InstanceLocation)
		e.choices = append(e.choices, flaw{line: line, field: at.String(), text: e.catalog.rule(v.SchemaURL)})
	default:
		if len(v.Causes) > 0 {
			for _, cause := range v.Causes {
				e.walk(cause)
			}
			return
		}
		at, line := locate(e.root, v.InstanceLocation)
		e.flaws = append(e.flaws, flaw{line: line, field: at.String(), text: e.text(v)})
	}
}

// secretName finds fields that somebody may have put a secret in.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|private.?key|api.?key|credential`)

func (e *explainer) unknownFields(v *jsonschema.ValidationError, names []string) {
	object, _ := locate(e.root, v.InstanceLocation)
	e.unknown[object.String()] = true
	known := e.catalog.fields(v.SchemaURL)
	for _, name := range names {
		at, line := locate(e.root, append(slices.Clone(v.InstanceLocation), name))
		text := "unknown field" + didYouMean(name, known)
		rule := e.catalog.rule(v.SchemaURL)
		switch {
		case secretName.MatchString(name) && !strings.Contains(text, "?"):
			text += ": nothing here holds a secret; a connection's auth names the file with it"
		case rule != "":
			text += ": " + rule
		default:
			text += "; known are " + list(known, "and")
		}
		e.flaws = append(e.flaws, flaw{line: line, field: at.String(), text: text})
	}
}

// text words a failure that has no causes of its own.
func (e *explainer) text(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *kind.Type:
		return typeText(k)
	case *kind.Enum:
		return fmt.Sprintf("%s is not allowed: write %s", quoted(fmt.Sprint(k.Got)), list(words(k.Want), "or"))
	case *kind.Const:
		return fmt.Sprintf("%s is not allowed: write %v", quoted(fmt.Sprint(k.Got)), k.Want)
	case *kind.Pattern:
		rule := "is not allowed: " + e.catalog.rule(v.SchemaURL)
		if strings.Contains(k.Got, "://") {
			return rule // The reason may be a password in the URL.
		}
		return quoted(k.Got) + " " + rule
	case *kind.Not:
		return "is not allowed here: " + e.catalog.rule(v.SchemaURL)
	case *kind.UniqueItems:
		return fmt.Sprintf("the items %d and %d are equal", k.Duplicates[0]+1, k.Duplicates[1]+1)
	default:
		return e.sizeText(v)
	}
}

func (e *explainer) sizeText(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("is shorter than %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, at most %d are allowed", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has %d items, at least %d are needed", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d items, at most %d are allowed", k.Got, k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("has %d fields, at least %d are needed", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("has %d fields, at most %d are allowed", k.Got, k.Want)
	case *kind.Minimum:
		return number(k.Got) + " is less than " + number(k.Want)
	case *kind.Maximum:
		return number(k.Got) + " is more than " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return number(k.Got) + " is not more than " + number(k.Want)
	default:
		// A keyword that our schemas do not use yet: the validator's own words.
		return v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	}
}

func typeText(k *kind.Type) string {
	names := map[string]string{
		"string": "a text", "number": "a number", "integer": "a whole number",
		"boolean": "true or false", "object": "a mapping", "array": "a list", "null": "nothing",
	}
	wants := make([]string, 0, len(k.Want))
	for _, want := range k.Want {
		wants = append(wants, names[want])
	}
	text := fmt.Sprintf("is %s, but must be %s", names[k.Got], list(wants, "or"))
	if slices.Contains(k.Want, "string") && (k.Got == "number" || k.Got == "boolean") {
		text += ": put it in quotes"
	}
	return text
}

func words(values []any) []string {
	out := make([]string, 0, len(values))
	for _, value := range values {
		out = append(out, fmt.Sprint(value))
	}
	return out
}

func number(r *big.Rat) string {
	text := r.FloatString(6)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// didYouMean returns ` (did you mean "x"?)` for the known word nearest to a
// misspelt one, or nothing when none is near.
func didYouMean(word string, known []string) string {
	best, least := "", 3
	for _, candidate := range known {
		d := distance(strings.ToLower(word), strings.ToLower(candidate))
		if d < least && d < len(candidate)/2+1 {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is the number of characters to add, drop or change from a to b
// (Levenshtein). Words of very different lengths are just far apart.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
