package aws

import "time"

// QueueFor sets how long the driver waits while another's change is in the way.
func (d *Driver) QueueFor(patience time.Duration) { d.queueFor = patience }

// WatchFor sets how long the driver polls a change of an assignment.
func (d *Driver) WatchFor(patience time.Duration) { d.watchFor = patience }
