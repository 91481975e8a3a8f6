package azure

import (
	"maps"
	"net/http"
	"slices"
)

func (sub *subscription) shape() map[string]any {
	state := "Enabled"
	if sub.Disabled {
		state = "Disabled"
	}
	return map[string]any{
		"id": "/subscriptions/" + sub.ID, "subscriptionId": sub.ID, "tenantId": sub.Tenant, "displayName": sub.Name, "state": state,
		"authorizationSource": "RoleBased", "managedByTenants": []any{},
	}
}

func (g resourceGroup) shape(sub string) map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + sub + "/resourceGroups/" + g.Name, "name": g.Name, "type": "Microsoft.Resources/resourceGroups",
		"location": "westeurope", "properties": map[string]any{"provisioningState": "Succeeded"},
	}
}

// listSubscriptions lists those that the caller can see.
func (c *armCall) listSubscriptions() (answer, error) {
	rows := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.server.state.Subscriptions)) {
		if sub := c.server.state.Subscriptions[id]; sub.Tenant == c.dir.ID && !c.app.Permissions.NoSubscriptions {
			rows = append(rows, sub.shape())
		}
	}
	return answer{http.StatusOK, map[string]any{"value": rows, "count": map[string]any{"type": "Total", "value": len(rows)}}}, nil
}

func (c *armCall) getSubscription() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.server.state.Subscriptions[place.sub].shape()}, nil
}

func (c *armCall) listResourceGroups() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	rows := []any{}
	groups := c.server.state.Subscriptions[place.sub].Groups
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		rows = append(rows, groups[key].shape(place.sub))
	}
	return answer{http.StatusOK, map[string]any{"value": rows}}, nil
}

func (c *armCall) getResourceGroup() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.server.state.Subscriptions[place.sub].Groups[place.group].shape(place.sub)}, nil
}

func (c *armCall) getCluster() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, map[string]any{
		"id": c.canonical(place), "name": c.server.state.Subscriptions[place.sub].Groups[place.group].Clusters[place.cluster],
		"type": "Microsoft.ContainerService/ManagedClusters", "location": "westeurope",
		"properties": map[string]any{
			"provisioningState": "Succeeded", "aadProfile": map[string]any{"managed": true, "enableAzureRBAC": false},
		},
	}}, nil
}
