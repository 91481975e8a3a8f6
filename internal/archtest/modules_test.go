package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestModulesAgree: what is built on one machine from several modules shares the build
// cache only where the versions are the same. A first make demo compiled gRPC's and
// Kubernetes' packages twice because of a minor version of one small module.
func TestModulesAgree(t *testing.T) {
	requirement := regexp.MustCompile(`(?m)^(?:require |\t)(\S+) (v\S+)`)
	root := moduleRoot(t)
	type requires struct{ dir, version string }
	first := map[string]requires{}
	for _, dir := range []string{".", filepath.Join("deploy", "dev"), filepath.Join("deploy", "engines", "temporal")} {
		text, err := os.ReadFile(filepath.Join(root, dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range requirement.FindAllStringSubmatch(string(text), -1) {
			module, version := found[1], found[2]
			if known, ok := first[module]; ok && known.version != version && version != "v0.0.0-00010101000000-000000000000" {
				t.Errorf("%s requires %s %s and %s requires %s: run go get %s@ the newer in the other", known.dir, module, known.version, dir, version, module)
			} else if !ok {
				first[module] = requires{dir, version}
			}
		}
	}
}
