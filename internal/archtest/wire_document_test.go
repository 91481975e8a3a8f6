package archtest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// documentNames collects the keys of documents and the values that they may have,
// from the published schemas. They are the users'.
func documentNames(t *testing.T) []wireName {
	t.Helper()
	root := filepath.Join(moduleRoot(t), "internal/document/schema")
	var names []wireName
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".json" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var schema any
		if err := json.Unmarshal(text, &schema); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		where, err := filepath.Rel(root, file)
		names = append(names, inSchema(filepath.ToSlash(where), "", schema)...)
		return err
	})
	if err != nil {
		t.Fatalf("read the schemas: %v", err)
	}
	return names
}

// inSchema returns the keys below a part of a schema, each with its path.
func inSchema(file, path string, schema any) []wireName {
	var names []wireName
	switch part := schema.(type) {
	case []any:
		for _, element := range part {
			names = append(names, inSchema(file, path, element)...)
		}
	case map[string]any:
		for key, value := range part {
			switch key {
			case "properties", "$defs":
				names = append(names, inProperties(file, path, value)...)
			case "enum":
				names = append(names, inEnum(file, path, value)...)
			default:
				names = append(names, inSchema(file, path, value)...)
			}
		}
	}
	return names
}

func inProperties(file, path string, value any) []wireName {
	var names []wireName
	properties, _ := value.(map[string]any)
	for name, part := range properties {
		below := path + "." + name
		names = append(names, wireName{"document-key", file, below})
		names = append(names, inSchema(file, below, part)...)
	}
	return names
}

func inEnum(file, path string, value any) []wireName {
	var names []wireName
	list, _ := value.([]any)
	for _, one := range list {
		names = append(names, wireName{"document-value", file, fmt.Sprintf("%s=%v", path, one)})
	}
	return names
}
