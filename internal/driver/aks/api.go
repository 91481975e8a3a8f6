package aks

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Connection is what the driver reads of a connection of type aks. It is composed of
// "directory", a connection of type azure, and "cluster", one of type kubernetes.
type Connection struct {
	// ClusterResourceID is the cluster in Azure.
	ClusterResourceID string `json:"clusterResourceId"`
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
	var settings Connection
	entra, errDirectory := config.Connection.Part("directory")
	clusterPart, errCluster := config.Connection.Part("cluster")
	if err := errors.Join(config.Connection.Decode(&settings), errDirectory, errCluster); err != nil {
		return api{}, err
	}
	if !resourcePattern.MatchString(settings.ClusterResourceID) {
		return api{}, fmt.Errorf("%w: clusterResourceId is not the resource id of a managed cluster", fault.ErrInvalid)
	}
	entra.RedirectURLs = append(entra.RedirectURLs, config.Connection.RedirectURLs...)
	directory, grants, err := azure.Connect(config, entra)
	if err != nil {
		return api{}, fmt.Errorf("connection %q: %w", entra.Name, err)
	}
	cluster, err := kubernetes.Connect(clusterPart, config.Env())
	if err != nil {
		return api{}, fmt.Errorf("connection %q: %w", clusterPart.Name, err)
	}
	return api{Directory: directory, grants: grants, cluster: cluster, resource: strings.ToLower(settings.ClusterResourceID)}, nil
}
