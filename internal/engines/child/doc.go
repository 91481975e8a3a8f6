// Package child runs servers that live no longer than the process that started
// them, as a user without privileges where that process is root's.
package child
