package drivertest

import (
	"encoding/json"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Config returns what a driver is opened with, of one JSON text that has the fields
// of a document (replication, origin) and those of a connection side by side. Parts
// of a composed connection are in "uses", by name. What is no such text is the
// connection's as it is.
func Config(platform string, text []byte, limits *budget.Budget, getenv func(string) string) driver.Config {
	config := driver.Config{Platform: platform, Getenv: getenv}
	config.Connection = driver.Connection{Name: "test", Settings: text, Budget: limits}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return config
	}
	document := map[string]json.RawMessage{}
	for _, name := range []string{"replication", "origin"} {
		if part, ok := fields[name]; ok {
			document[name] = part
			delete(fields, name)
		}
	}
	config.Settings = encode(document)
	config.Connection = connection("test", fields, limits)
	return config
}

func connection(name string, fields map[string]json.RawMessage, limits *budget.Budget) driver.Connection {
	c := driver.Connection{Name: name, Budget: limits}
	var parts map[string]map[string]json.RawMessage
	if json.Unmarshal(fields["uses"], &parts) == nil {
		c.Uses = map[string]driver.Connection{}
		for part, of := range parts {
			c.Uses[part] = connection(part, of, limits)
		}
		delete(fields, "uses")
	}
	_ = json.Unmarshal(fields["redirectUrls"], &c.RedirectURLs) // none where there are none
	delete(fields, "redirectUrls")
	c.Settings = encode(fields)
	return c
}

func encode(fields map[string]json.RawMessage) json.RawMessage {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil // raw messages that were read always marshal
	}
	return text
}
