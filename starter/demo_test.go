package main

import (
	"os"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestUseDemo: commands use the demo unless they are told of another installation.
func TestUseDemo(t *testing.T) {
	const url = "postgres://of-the-demo"
	for name, c := range map[string]struct {
		reason  string
		environ map[string]string
		want    string
	}{
		"Nothing":  {"a newcomer has set nothing", nil, url},
		"Others":   {"what Rollcall does not read counts for nothing", map[string]string{"HOME": "/root"}, url},
		"Database": {"another database", map[string]string{store.URLVariable: "postgres://mine"}, "postgres://mine"},
		"Temporal": {"a Temporal without a database is a mistake to tell", map[string]string{"TEMPORAL_ADDRESS": "here:7233"}, ""},
		"Profile":  {"as is a profile", map[string]string{"TEMPORAL_PROFILE": "prod"}, ""},
		"Keys":     {"and keys", map[string]string{engine.KeyringVariable: "/keys"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{store.URLVariable, engine.KeyringVariable, "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"} {
				t.Setenv(variable, c.environ[variable])
			}
			cl := &cli{getenv: os.Getenv, findDemo: func() (map[string]string, error) {
				return map[string]string{store.URLVariable: url}, nil
			}}
			for range 2 { // it looks once
				if err := cl.useDemo(); err != nil {
					t.Fatal(err)
				}
			}
			if got := os.Getenv(store.URLVariable); got != c.want {
				t.Errorf("%s: the database is %q, want %q", c.reason, got, c.want)
			}
		})
	}
}
