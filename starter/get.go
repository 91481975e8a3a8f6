package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

func getCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "get [KIND [NAME]]",
		Short: "Show stored documents",
		Long: `get lists stored documents: all, those of a kind, or one. A kind is written as in
documents or as people say it: meshUser, user, users, userbinding. With -o yaml
it writes the documents themselves, as apply takes them. Where documents or fields belong
to another source than the documents that were applied, as a directory or a sign-in, the
table has a column for it.`,
		Example: `  rollcall get
  rollcall get users
  rollcall get meshTenant marketing.web/openstack.eu -o yaml`,
		Args:              atMost(2, "name a kind, or a kind and a document"),
		ValidArgsFunction: c.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			var request control.GetRequest
			if len(args) > 0 {
				kind, err := parseKind(args[0])
				if err != nil {
					return err
				}
				request.Kind = kind
			}
			if len(args) > 1 {
				request.Name = args[1]
			}
			docs, err := c.service().Get(cmd.Context(), request)
			if err != nil {
				return err
			}
			return c.printDocuments(docs)
		},
	}
}

func (c *cli) printDocuments(docs []document.Document) error {
	switch c.format {
	case formatYAML:
		return document.Encode(c.out, docs)
	case formatJSON:
		return c.printTrees(docs)
	}
	if len(docs) == 0 {
		fmt.Fprintln(c.err, "There are none: rollcall apply stores documents.")
		return nil
	}
	head := []string{"KIND", "NAME", "VERSION"}
	sources := slices.ContainsFunc(docs, func(d document.Document) bool { return d.Source != "" || len(d.Fields) > 0 })
	if sources {
		head = append(head, "SOURCE")
	}
	lines := make([][]string, len(docs))
	for i, d := range docs {
		lines[i] = []string{string(d.ID.Kind), d.ID.Name, d.APIVersion}
		if sources {
			lines[i] = append(lines[i], sourceText(d))
		}
	}
	rows(c.out, head, lines)
	return nil
}

// sourceText names what a document and its fields belong to, as
// "documents (spec.euid: sign-in:corp)".
func sourceText(d document.Document) string {
	var fields []string
	for _, path := range slices.Sorted(maps.Keys(d.Fields)) {
		fields = append(fields, path+": "+d.Fields[path].Source.String())
	}
	if len(fields) == 0 {
		return d.Source.String()
	}
	return d.Source.String() + " (" + strings.Join(fields, ", ") + ")"
}

// printTrees writes documents as one list in JSON: what Encode writes, drawn
// numbers included.
func (c *cli) printTrees(docs []document.Document) error {
	var written bytes.Buffer
	if err := document.Encode(&written, docs); err != nil {
		return err
	}
	trees := make([]map[string]any, len(docs))
	decoder := yaml.NewDecoder(&written)
	for i := range trees {
		if err := decoder.Decode(&trees[i]); err != nil {
			return fmt.Errorf("read what was written: %w", err)
		}
	}
	return c.print(trees, nil)
}

func exportCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write all stored documents, so that apply restores them",
		Long: `export writes all stored documents as YAML, drawn numbers included: applied to an
empty database they give every group the name it has now. With -o json it writes
one list, which apply takes as well.`,
		Example: "  rollcall export > backup.yaml",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := c.service().Export(cmd.Context())
			if err != nil {
				return err
			}
			if c.format == formatJSON {
				return c.printDocuments(docs)
			}
			return document.Encode(c.out, docs)
		},
	}
}

func schemaCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "schema KIND",
		Short: "Write the JSON Schema of a kind of document",
		Long: `schema writes the JSON Schema (draft 2020-12) of a kind of document, as apply
checks it: for editors that complete and check YAML, and for your own checks.`,
		Example:           "  rollcall schema meshPlatform > meshPlatform.schema.json",
		Args:              exactly(1, "name a kind of document: "+kindList(document.Kinds())),
		ValidArgsFunction: c.completeKinds,
		RunE: func(_ *cobra.Command, args []string) error {
			kind, err := parseKind(args[0])
			if err != nil {
				return err
			}
			schema, err := document.Schema(kind)
			if err != nil {
				return err
			}
			_, err = c.out.Write(schema)
			return err
		},
	}
}
