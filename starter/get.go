package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func getCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "get [KIND [NAME]]",
		Short: "Show stored documents",
		Example: `  rollcall get
  rollcall get users
  rollcall get meshTenant marketing.web/openstack.eu -o yaml`,
		Args: atMost(2, "name a kind, or a kind and a document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var filter store.Filter
			if len(args) > 0 {
				kind, err := parseKind(args[0])
				if err != nil {
					return err
				}
				filter.Kind = kind
			}
			if len(args) > 1 {
				filter.Name = args[1]
			}
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			docs, err := s.Documents(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if len(docs) == 0 && filter.Name != "" {
				return invalid(fmt.Errorf("there is no %s %q: rollcall get %s lists those there are",
					filter.Kind, filter.Name, filter.Kind))
			}
			return c.printDocuments(docs)
		},
	}
}

func (c *cli) printDocuments(docs []document.Document) error {
	bodies := make([]json.RawMessage, len(docs))
	for i, d := range docs {
		bodies[i] = d.Body
	}
	if c.format == formatYAML {
		return document.Encode(c.out, docs)
	}
	return c.print(bodies, func(w io.Writer) {
		lines := make([][]string, len(docs))
		for i, d := range docs {
			lines[i] = []string{string(d.ID.Kind), d.ID.Name, d.APIVersion}
		}
		rows(w, []string{"KIND", "NAME", "VERSION"}, lines)
	})
}

func exportCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write all stored documents, so that apply restores them",
		Long: `export writes all stored documents as YAML, drawn numbers included: applied to an
empty database they give every group the name it has now.`,
		Example: "  rollcall export > backup.yaml",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			docs, err := s.Export(cmd.Context())
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
		Use:     "schema KIND",
		Short:   "Write the JSON Schema of a kind of document",
		Example: "  rollcall schema meshPlatform",
		Args:    exactly(1, "name a kind of document"),
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
