package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"go.temporal.io/sdk/worker"
)

// Environment variables that name a worker's version, as Temporal's worker
// controller for Kubernetes sets them.
const (
	DeploymentVariable = "TEMPORAL_DEPLOYMENT_NAME"
	BuildVariable      = "TEMPORAL_WORKER_BUILD_ID"
)

// DefaultDeployment is the worker deployment of an environment that names none.
const DefaultDeployment = "rollcall"

// ErrVersion reports a deployment name or a build id that Temporal cannot hold.
var ErrVersion = errors.New("not a worker version")

const (
	// revisionLength is how much of a revision names a build.
	revisionLength = 12
	// digestLength is how much of a program's digest does.
	digestLength = 12
	// nameLength is how long a name of a deployment or a build may be, in bytes.
	nameLength = 255
)

// Deployment returns the name of the worker deployment, from the environment.
func Deployment(getenv func(string) string) string {
	if name := getenv(DeploymentVariable); name != "" {
		return name
	}
	return DefaultDeployment
}

// Version returns the version that this program's workers belong to: what the
// environment says, else the revision that the program was built from. A program
// built from changed files, or without a revision, is told apart by its digest:
// two such builds of one revision are two versions.
func Version(getenv func(string) string) (worker.WorkerDeploymentVersion, error) {
	v := worker.WorkerDeploymentVersion{DeploymentName: Deployment(getenv), BuildID: getenv(BuildVariable)}
	if v.BuildID == "" {
		info, _ := debug.ReadBuildInfo()
		id, err := buildID(info, executableDigest)
		if err != nil {
			return v, fmt.Errorf("engine: find the build id: %w: set %s", err, BuildVariable)
		}
		v.BuildID = id
	}
	return v, CheckVersion(v)
}

// CheckVersion refuses names that Temporal would refuse, and some that only make
// trouble: both are letters, digits and - _ + /, a build id may have dots too.
func CheckVersion(v worker.WorkerDeploymentVersion) error {
	if !plain(v.DeploymentName, "-_+/") {
		return fmt.Errorf("engine: %w: deployment %q: write letters, digits and - _ + /", ErrVersion, v.DeploymentName)
	}
	if !plain(v.BuildID, "-_+/.") {
		return fmt.Errorf("engine: %w: build id %q: write letters, digits and - _ + / .", ErrVersion, v.BuildID)
	}
	return nil
}

// plain reports whether a name is not empty, not too long, none of those that
// Temporal keeps for itself, and made of letters, digits and marks.
func plain(name, marks string) bool {
	rest := strings.TrimFunc(name, func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(marks, r)
	})
	return name != "" && rest == "" && len(name) <= nameLength && !strings.HasPrefix(name, "__")
}

// buildID names the build that info describes. The program itself is read only
// when no revision says all.
func buildID(info *debug.BuildInfo, digest func() (string, error)) (string, error) {
	settings := map[string]string{}
	if info != nil {
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
	}
	revision := settings["vcs.revision"]
	revision = revision[:min(len(revision), revisionLength)]
	if revision != "" && settings["vcs.modified"] == "false" {
		return revision, nil
	}
	sum, err := digest()
	if err != nil {
		return "", err
	}
	if revision == "" {
		return sum, nil
	}
	return revision + "-dirty-" + sum, nil
}

// executableDigest returns a digest of this program's file.
func executableDigest() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	file, err := os.Open(path) //nolint:gosec // it is this program
	if err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:digestLength], nil
}
