package cloudfoundry

import "time"

// JobTimeout sets how long one Apply polls a job.
func (d *Driver) JobTimeout(limit time.Duration) { d.jobTimeout = limit }

// What fuzz targets read with.
var (
	RetryAfter = retryAfter
	Batches    = batches
	ParseID    = func(id string) (org, space string, ok bool) {
		at, ok := parse(id)
		return at.org, at.space, ok
	}
)

// MostNames is the longest list of names in an address.
const MostNames = mostNames
