package trust

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkJudge judges 10,000 tight trusts, for which every probe is sent. The budget is
// 5 s on one core.
func BenchmarkJudge(b *testing.B) {
	const count = 10_000
	issuers := []struct{ issuer, subject string }{
		{issuer: github, subject: "repo:acme/app-%d:ref:refs/heads/main"},
		{issuer: github, subject: "repo:acme@1/app@%d:environment:prod"},
		{issuer: gitlab, subject: "project_path:acme/app-%d:ref_type:branch:ref:main"},
		{issuer: terraform, subject: "organization:acme:project:p:workspace:w-%d:run_phase:apply"},
		{issuer: eks, subject: "system:serviceaccount:data:writer-%d"},
	}
	trusts := make([]Trust, count)
	for i := range trusts {
		one := issuers[i%len(issuers)]
		trusts[i] = exactTrust(one.issuer, fmt.Sprintf(one.subject, i))
	}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		for i := range trusts {
			if found := Judge(trusts[i]); len(found) > 0 {
				b.Fatalf("%v: %+v", trusts[i].Comparisons, found)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/trust")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N)/count, "cpu-ns/trust")
}

// processorTime returns the time for which the process had a processor. On a shared machine
// it says more than the time on the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
