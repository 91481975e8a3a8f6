// Package e2e tests Rollcall as its users run it: the built programs, a real
// PostgreSQL, a real Temporal, and the platforms behind them.
package e2e
