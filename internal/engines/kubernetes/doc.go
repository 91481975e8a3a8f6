// Package kubernetes runs a real kube-apiserver on an etcd of its own, both built
// from their Go modules, for tests and the one-command stack.
//
// It is a control plane without controllers: objects are stored, checked and
// authorized, and nothing acts on them. There are no nodes and no service
// accounts but those somebody makes.
//
// Everything it needs is in one directory: data, keys, certificates. Both servers
// listen on 127.0.0.1 only, speak TLS under a CA of the directory's own, and ask
// every client who it is; etcd takes nobody but the API server. Never put real
// data into one.
//
// The package needs Linux: the servers are killed when their parent dies.
package kubernetes
