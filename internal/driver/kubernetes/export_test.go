package kubernetes

// What the tests of the package's behaviour need to know of its inside.
var (
	// OpenAt opens a driver in a pod whose cluster puts its files into a directory.
	OpenAt = open
	// GroupNames is what our binding of a role to a group may be called.
	GroupNames = groupNames
)
