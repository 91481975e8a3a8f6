package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// The formats of every command's output. JSON is stable: fields are added,
// never renamed.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
	// formatMarkdown is a format of plan alone.
	formatMarkdown = "markdown"
)

func formats() []string { return []string{formatTable, formatJSON, formatYAML} }

func checkFormat(format string) error {
	if slices.Contains(formats(), format) {
		return nil
	}
	return invalid(fmt.Errorf("--output %q: write one of %s", format, strings.Join(formats(), ", ")))
}

// print writes value in the chosen format; table writes it for people.
func (c *cli) print(value any, table func(io.Writer)) error {
	switch c.format {
	case formatJSON:
		encoder := json.NewEncoder(c.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	case formatYAML:
		return writeYAML(c.out, value)
	default:
		table(c.out)
		return nil
	}
}

// writeYAML writes value with the names it has in JSON.
func writeYAML(w io.Writer, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(body, &node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	unquote(&node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return encoder.Close()
}

// unquote takes from a tree read from JSON the look of JSON.
func unquote(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		unquote(child)
	}
}

// rows writes a table whose columns line up.
func rows(w io.Writer, header []string, lines [][]string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, line := range lines {
		for i := range line {
			line[i] = visible(line[i])
		}
		fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	// The streams a command writes to report their own failures at exit.
	_ = t.Flush()
}

// visible takes out control characters: names come from platforms, and a
// terminal obeys.
func visible(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, line)
}

// count writes "1 tenant" and "2 tenants".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}
