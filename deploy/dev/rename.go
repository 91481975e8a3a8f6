package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
	"github.com/rollcall-iam/rollcall/deploy/dev/probe"
	"github.com/rollcall-iam/rollcall/internal/document"
)

const (
	// renameScenario is the scenario that gives all groups other names.
	renameScenario = "rename"
	// lookEvery is how often the probe looks at each tenant.
	lookEvery = 200 * time.Millisecond
	// afterwards is how long the probe goes on looking when all is done: longer than
	// a simulated cloud's reads lag.
	afterwards = 3 * time.Second
)

// errGap is how the scenario fails.
var errGap = errors.New("somebody was without access while groups were renamed")

// round is one change of all groups' names.
type round struct {
	// tag goes into the names.
	tag string
	// inPlace lets platforms that can give the groups they have another name.
	inPlace bool
}

// renameAll gives the groups of all platforms other names, twice: by new groups
// that take the place of the old ones, and in place where a platform can. Meanwhile
// a probe asks each platform what its people may do.
func (s *stack) renameAll(ctx context.Context) error {
	askers, err := s.askers(ctx)
	if err != nil {
		return err
	}
	var gaps []error
	for _, r := range []round{{tag: "a"}, {tag: "b", inPlace: true}} {
		if err := s.play(ctx, r, askers); errors.Is(err, errGap) {
			gaps = append(gaps, err)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(gaps...)
}

// renamesInPlace reports whether a type of platform can rename a group.
func renamesInPlace(kind string) bool {
	return slices.Contains([]string{"memory", "openstack", "aws", "azure", "aks", "marketplace"}, kind)
}

// mode is how the groups of a platform get their new names.
func (r round) mode(kind string) string {
	if r.inPlace && renamesInPlace(kind) {
		return "in-place"
	}
	return "recreate"
}

// askers say who asks which platform.
func (s *stack) askers(ctx context.Context) (map[string]probe.Asker, error) {
	azure := probe.NewAzure(s.clouds.URL(clouds.Azure), clouds.Tenant,
		s.accounts["ROLLCALL_AZURE_CLIENT_ID"], s.accounts["ROLLCALL_AZURE_CLIENT_SECRET"])
	google, err := probe.NewGoogle(s.clouds.URL(clouds.Google), s.accounts["ROLLCALL_GCP_CREDENTIALS_FILE"])
	if err != nil {
		return nil, err
	}
	all := map[string]probe.Asker{
		sandbox: probe.Sandbox{File: s.home.path(sandboxFile)},
		"aws.harbour": &probe.AWS{
			URL: s.clouds.URL(clouds.AWS), Region: clouds.Region,
			AccessKey: s.accounts["ROLLCALL_AWS_ACCESS_KEY_ID"], Secret: s.accounts["ROLLCALL_AWS_SECRET_ACCESS_KEY"],
		},
		"azure.harbour":       azure,
		"gcp.harbour":         google,
		"marketplace.harbour": probe.Marketplace{Azure: azure, Prefix: "marketplace."},
	}
	if s.keystone != nil {
		admin := s.keystone.Admin()
		all["openstack.harbour"] = &probe.Keystone{
			URL: s.keystone.URL(), User: admin.Username, Password: admin.Password, UserDomain: admin.UserDomainName,
			Project: admin.ProjectName, ProjectDomain: admin.ProjectDomainName,
		}
	}
	if s.kubernetes == nil {
		return all, nil
	}
	return all, s.askCluster(ctx, all, azure)
}

// askCluster adds the platforms on the cluster that have groups.
func (s *stack) askCluster(ctx context.Context, all map[string]probe.Asker, azure *probe.Azure) error {
	config, err := s.kubernetes.AdminConfig()
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	if err := probe.Aggregate(ctx, s.kubernetes.URL(), client); err != nil {
		return err
	}
	cluster, err := s.clouds.Place("cluster", "shared")
	if err != nil {
		return err
	}
	all["openshift.harbour"] = &probe.Cluster{
		URL: s.kubernetes.URL(), Client: client,
		Directory: probe.OpenShift{URL: s.openshiftURL, Token: s.accounts["ROLLCALL_OPENSHIFT_TOKEN"]},
	}
	all["aks.harbour"] = &probe.Cluster{
		URL: s.kubernetes.URL(), Client: client, Directory: probe.AKS{Azure: azure, Cluster: cluster},
	}
	return nil
}

// play renames all groups once and shows what the probe saw.
func (s *stack) play(ctx context.Context, r round, askers map[string]probe.Asker) error {
	file, err := s.writeRenamed(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.console.out, "\nAll groups get other names (%s), while each person's access is asked of the platforms:\n", r.tag)
	watches := map[string]*probe.Watch{}
	defer func() {
		for _, w := range watches {
			_, _ = w.Stop(ctx) // once more is no harm
		}
	}()
	for platform, asker := range askers {
		if watches[platform], err = probe.Start(ctx, platform, asker, s.there.tenants[platform], lookEvery); err != nil {
			delete(watches, platform)
			return err
		}
	}
	began := time.Now()
	took := clock(ctx, watches, began)
	if err := s.show(ctx, "apply", file); err != nil {
		return err
	}
	if err := s.show(ctx, "replicate", "--all", "--wait"); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(afterwards):
	}
	return s.judge(ctx, r, watches, took())
}

// clock notes when each platform has none of its former groups any more. What it
// returns waits for that, but not for long, and says how long it took.
func clock(ctx context.Context, watches map[string]*probe.Watch, began time.Time) func() map[string]time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var running sync.WaitGroup
	took := map[string]time.Duration{}
	for platform, w := range watches {
		running.Go(func() {
			for ctx.Err() == nil {
				if w.Renamed(ctx) {
					mu.Lock()
					defer mu.Unlock()
					took[platform] = time.Since(began)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(2 * lookEvery):
				}
			}
		})
	}
	return func() map[string]time.Duration {
		timer := time.AfterFunc(afterwards, cancel)
		defer timer.Stop()
		running.Wait()
		cancel()
		return took
	}
}

// judge shows the reports, and fails where there was a gap or a group kept its name.
func (s *stack) judge(ctx context.Context, r round, watches map[string]*probe.Watch, took map[string]time.Duration) error {
	out := s.console.out
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "PLATFORM\tMODE\tTENANTS\tGROUPS RENAMED\tRIGHTS\tPROBES\tLOOKS APART\tLONGEST GAP\tTIME")
	var wrong []error
	for _, platform := range slices.Sorted(maps.Keys(watches)) {
		report, err := watches[platform].Stop(ctx)
		if err != nil {
			return err
		}
		gap := "none"
		if longest := report.Longest(); longest > 0 {
			gap = longest.Round(time.Millisecond).String()
			wrong = append(wrong, fmt.Errorf("%w: on %s for %s", errGap, platform, gap))
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d of %d\t%d\t%d\t%s\t%s\t%s\n", platform, r.mode(s.typeOf(platform)), report.Tenants,
			report.Renamed(), len(report.Before), report.Rights, report.Probes, report.Apart.Round(time.Millisecond), gap,
			took[platform].Round(100*time.Millisecond))
		if report.Renamed() != len(report.Before) || len(report.After) != len(report.Before) {
			return fmt.Errorf("scenario: %s had the groups %v and has %v", platform, report.Before, report.After)
		}
	}
	return errors.Join(append(wrong, table.Flush())...)
}

// writeRenamed writes the platforms' documents with other names for their groups.
func (s *stack) writeRenamed(r round) (string, error) {
	entries, err := os.ReadDir(s.home.path(documentsDir))
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	var all bytes.Buffer
	for _, e := range entries {
		body, err := os.ReadFile(s.home.path(documentsDir, e.Name()))
		if err != nil {
			return "", fmt.Errorf("scenario: %w", err)
		}
		docs, _, err := document.Decode(bytes.NewReader(body), e.Name())
		if err != nil {
			return "", fmt.Errorf("scenario: %w", err)
		}
		for _, d := range docs {
			if err := r.rename(&all, d); err != nil {
				return "", err
			}
		}
	}
	file := s.home.path("renamed-" + r.tag + ".yaml")
	if err := os.WriteFile(file, all.Bytes(), 0o644); err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	return file, nil
}

// rename writes a platform's document with another pattern. Documents without one
// are left out.
func (r round) rename(to *bytes.Buffer, d document.Document) error {
	if d.ID.Kind != document.KindPlatform {
		return nil
	}
	var body map[string]any
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	spec, _ := body["spec"].(map[string]any)
	config, _ := spec["config"].(map[string]any)
	for kind, settings := range config {
		of, _ := settings.(map[string]any)
		replication, _ := of["replication"].(map[string]any)
		pattern, named := replication["groupNamePattern"].(string)
		if !named {
			return nil
		}
		replication["groupNamePattern"] = strings.Replace(pattern, "#{projectIdentifier}", "#{projectIdentifier}-"+r.tag, 1)
		replication["rename"] = r.mode(kind)
		replication["skipUserGroupPermissionCleanup"] = false // a renamed group leaves nothing behind
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	fmt.Fprintf(to, "---\n%s\n", text)
	return nil
}
