package control

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Local is a Service in this process.
type Local struct {
	// Store and Temporal connect when a method first needs the server, and may return one
	// connection each time.
	Store    func(context.Context) (*store.Store, error)
	Temporal func(context.Context) (Temporal, error)
	// Platform returns a type of platform, and false for one without a driver.
	Platform func(platformType string) (Platform, bool)
	Now      func() time.Time
	// Deployment is the worker deployment that new runs begin on.
	Deployment string

	// review decides about changes of documents; nil accepts all. See For.
	review func([]store.DocumentChange) error
}

// Temporal is a connection to Temporal.
type Temporal struct {
	Client    client.Client
	Namespace string
	// Payloads decrypts failures; nil without a key ring.
	Payloads converter.DataConverter
}

// Platform describes a type of platform.
type Platform struct {
	Profile driver.Profile
	Rules   desired.Rules
}

var _ Service = (*Local)(nil)
