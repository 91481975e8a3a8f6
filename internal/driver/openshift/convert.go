package openshift

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	userv1 "github.com/openshift/api/user/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// labelTenant finds the groups of one tenant. Its value is a hash: a tenant's name
// does not fit a label. It is no part of the mark.
const labelTenant = "rollcall-iam.github.io/tenant-hash"

func tenantHash(mark access.Mark) string {
	const digits = 32
	sum := sha256.Sum256([]byte(mark.Tenant))
	return hex.EncodeToString(sum[:])[:digits]
}

// selector asks for the groups of one tenant.
func selector(mark access.Mark) string {
	return kubernetes.LabelInstallation + "=" + mark.Installation + "," + labelTenant + "=" + tenantHash(mark)
}

// newGroup is a group of ours with nobody in it.
func newGroup(name string, mark access.Mark) *userv1.Group {
	labels, annotations := marks(mark)
	return &userv1.Group{
		TypeMeta:   metav1.TypeMeta{Kind: "Group", APIVersion: userv1.GroupVersion.String()},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations},
		Users:      userv1.OptionalNames{},
	}
}

// marks are the labels and annotations of a group of ours.
func marks(mark access.Mark) (labels, annotations map[string]string) {
	labels, annotations = kubernetes.Marks(mark)
	labels[labelTenant] = tenantHash(mark)
	return labels, annotations
}

// holds reports whether all of some are among all.
func holds(all, some map[string]string) bool {
	for key, value := range some {
		if has, ok := all[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// toGroup is a group as Rollcall sees it. Its name is its ref, and so are those of
// its users.
func toGroup(g userv1.Group) access.Group {
	group := access.Group{Name: g.Name, Ref: g.Name, Mark: kubernetes.MarkOf(&g)}
	for _, name := range unique(g.Users) {
		group.Members = append(group.Members, access.Member{Account: access.Account{Name: name, Ref: name}})
	}
	return group
}

// unique returns the names in order, each once: OpenShift takes repetitions.
func unique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// changed returns the group's users with some more and some less, and whether that
// is a change.
func changed(g *userv1.Group, add, remove []access.Member) (users []string, differs bool) {
	out := map[string]bool{}
	for _, m := range remove {
		out[m.Ref] = true
	}
	before := unique(g.Users)
	users = slices.DeleteFunc(slices.Clone(before), func(name string) bool { return out[name] })
	for _, m := range add {
		users = append(users, m.Ref)
	}
	users = append([]string{}, unique(users)...) // never null
	return users, !slices.Equal(before, users)
}

// agrees refuses a group whose mark does not say that it is ours.
func agrees(g *userv1.Group, mark access.Mark) error {
	if kubernetes.MarkOf(g) != mark {
		return fmt.Errorf("openshift: group %q: %w: the mark on it is not ours", g.Name, fault.ErrConflict)
	}
	return nil
}
