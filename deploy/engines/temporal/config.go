package main

import (
	"path/filepath"
	"strconv"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
)

const (
	clusterName = "active"
	host        = "127.0.0.1"
	stateFile   = "temporal.db"
)

// serverConfig is one cluster on one machine with one history shard.
func serverConfig(options Options, p ports) *config.Config {
	sql := sqlConfig(options, p)
	disabled := "disabled"
	return &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     sqlite.PluginName,
			VisibilityStore:  sqlite.PluginName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{sqlite.PluginName: {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
				Enabled: true, InitialFailoverVersion: 1, RPCAddress: p.address(p.frontend),
			}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			"frontend": service(p.frontend), "history": service(p.history),
			"matching": service(p.matching), "worker": service(p.worker),
		},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: disabled},
			Visibility: config.VisibilityArchival{State: disabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: disabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: disabled},
		}},
		PublicClient: config.PublicClient{HostPort: p.address(p.frontend)},
	}
}

// sqlConfig names the database: the state file, or one in memory whose name,
// made of a port that this process holds, no other server here has.
func sqlConfig(options Options, p ports) *config.SQL {
	if options.Dir == "" {
		return &config.SQL{
			PluginName:        sqlite.PluginName,
			DatabaseName:      "temporal-" + strconv.Itoa(p.frontend),
			ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
		}
	}
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: filepath.Join(options.Dir, stateFile),
		ConnectAttributes: map[string]string{
			"mode": "rwc", "journal_mode": "wal", "synchronous": "normal",
		},
	}
}

func service(port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
}

// drainage is how soon after its last run a worker version counts as drained:
// runs show in this server's lists at once.
const drainage = 2 * time.Second

// dynamicConfig lifts the limits that a real cluster shares between tenants,
// makes changes of search attributes and worker versions visible at once, and
// switches on what Rollcall counts on: dispatch that is fair between projects, and
// that workers which stop are known to be gone.
func dynamicConfig() dynamicconfig.Client {
	return dynamicconfig.StaticClient{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
		dynamicconfig.ForceNexusEndpointRefreshOnRead.Key():              true,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10_000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45_000,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8_096,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		dynamicconfig.EnableServerVersionCheck.Key():                     false,
		dynamicconfig.MatchingEnableFairness.Key():                       true,
		dynamicconfig.EnableCancelWorkerPollsOnShutdown.Key():            true,
		dynamicconfig.VersionDrainageStatusVisibilityGracePeriod.Key():   drainage,
		dynamicconfig.VersionDrainageStatusRefreshInterval.Key():         drainage,
	}
}
