package aks

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Config is what the driver reads of a platform document's spec.config.aks,
// besides what azure.Config has.
type Config struct {
	kubernetes.Settings
	// ClusterResourceID is the cluster in Azure.
	ClusterResourceID string `json:"clusterResourceId"`
	// ClusterCredentials are those of the cluster, see kubernetes.Settings.
	ClusterCredentials credential.Config `json:"clusterCredentials"`
}

// resourcePattern is the id of a managed cluster.
var resourcePattern = regexp.MustCompile(`(?i)^/subscriptions/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}` +
	`/resourcegroups/[\w().\-]{1,90}/providers/microsoft\.containerservice/managedclusters/[\w\-]{1,63}$`)

// api is the three APIs that a tenant is spread over: Graph, Azure, the cluster.
type api struct {
	*azure.Directory
	grants   *azure.Grants
	cluster  *kubernetes.Cluster
	resource string // the cluster's id in Azure, in lower case
}

// connect reads both credentials and makes no call.
func connect(config driver.Config) (api, error) {
	var settings Config
	if err := json.Unmarshal(config.Settings, &settings); err != nil {
		return api{}, fmt.Errorf("%w: settings: %w", fault.ErrInvalid, err)
	}
	if !resourcePattern.MatchString(settings.ClusterResourceID) {
		return api{}, fmt.Errorf("%w: clusterResourceId is not the resource id of a managed cluster", fault.ErrInvalid)
	}
	directory, grants, err := azure.Connect(config)
	if err != nil {
		return api{}, err
	}
	settings.Credentials = settings.ClusterCredentials
	cluster, err := kubernetes.Connect(settings.Settings, config)
	if err != nil {
		return api{}, fmt.Errorf("clusterCredentials: %w", err)
	}
	return api{Directory: directory, grants: grants, cluster: cluster, resource: strings.ToLower(settings.ClusterResourceID)}, nil
}
