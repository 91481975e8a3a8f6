package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Where the mark is. An installation's name fits a label, a tenant's does not.
const (
	labelManagedBy    = "app.kubernetes.io/managed-by"
	LabelInstallation = "rollcall-iam.github.io/installation"
	annotationTenant  = "rollcall-iam.github.io/tenant"
)

// intent is all that we say about a RoleBinding. The API's own type leaves empty
// subjects out, which server-side apply takes for having no opinion.
type intent struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Metadata   metadata         `json:"metadata"`
	RoleRef    rbacv1.RoleRef   `json:"roleRef"`
	Subjects   []rbacv1.Subject `json:"subjects"`
}

type metadata struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID and ResourceVersion are conditions: the object as it was then.
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Labels and Annotations are the mark; a binding that is carried has none.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// toIntent is the binding of people as it shall be, under the given name.
func toIntent(scope driver.Scope, name string, want access.Binding) (intent, error) {
	subjects := []rbacv1.Subject{}
	for _, m := range want.Subjects {
		if m.Ref == "" {
			return intent{}, fmt.Errorf("kubernetes: role %q: %w: a subject without an id", want.Role, fault.ErrInvalid)
		}
		subjects = append(subjects, toSubject(m.Ref))
	}
	return newIntent(scope, name, want.Role, subjects), nil
}

// newIntent is a binding of the subjects to a ClusterRole, with our mark.
func newIntent(scope driver.Scope, name, role string, subjects []rbacv1.Subject) intent {
	labels, annotations := Marks(scope.Mark)
	return intent{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding",
		Metadata: metadata{Namespace: scope.ID, Name: name, Labels: labels, Annotations: annotations},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: clusterRole, Name: role},
		Subjects: subjects,
	}
}

// newCarried is a binding of the subjects for somebody else: it has no mark, and a
// name that no binding of ours has. The name is the same whenever the same binding
// is carried to the same subjects.
func newCarried(scope driver.Scope, b access.Binding, subjects []rbacv1.Subject) intent {
	want := newIntent(scope, carriedName(b, subjects[0].Name), b.Role, subjects)
	want.Metadata.Labels, want.Metadata.Annotations = nil, nil
	if name, local := strings.CutPrefix(b.Role, rules.LocalRole); local {
		want.RoleRef.Kind, want.RoleRef.Name = "Role", name
	}
	return want
}

// carriedName holds the role's name without the slash that one of a namespace has.
func carriedName(b access.Binding, subject string) string {
	return hashed("carried-", strings.TrimPrefix(b.Role, rules.LocalRole), b.Role+"\x00"+b.Name+"\x00"+subject)
}

// Marks returns the mark as labels and annotations, which say besides what a list
// of all of ours is made with.
func Marks(mark access.Mark) (labels, annotations map[string]string) {
	return map[string]string{labelManagedBy: manager, LabelInstallation: mark.Installation},
		map[string]string{annotationTenant: mark.Tenant}
}

// toBinding is a RoleBinding as Rollcall sees it.
func toBinding(scope driver.Scope, b rbacv1.RoleBinding) access.Binding {
	binding := access.Binding{
		Role: roleOf(b), Name: b.Name, Subjects: subjectsOf(b),
		Ref: bindingRef(b), Version: b.ResourceVersion, Mark: MarkOf(&b),
	}
	// Ours, or in the place where ours would be.
	if isClusterRole(b) && (ours(scope, b) || b.Name == names(b.RoleRef.Name)[0]) {
		binding.Name = ""
	}
	return binding
}

// clusterRole is the kind of the roles that documents name.
const clusterRole = "ClusterRole"

func isClusterRole(b rbacv1.RoleBinding) bool { return b.RoleRef.Kind == clusterRole }

// roleOf returns the role's name as documents write it. One of a namespace has a
// slash, so that no document names it.
func roleOf(b rbacv1.RoleBinding) string {
	if isClusterRole(b) {
		return b.RoleRef.Name
	}
	return b.RoleRef.Kind + "/" + b.RoleRef.Name
}

// MarkOf returns what the object says about its owner.
func MarkOf(o metav1.Object) access.Mark {
	installation := o.GetLabels()[LabelInstallation]
	if installation == "" {
		return access.Mark{}
	}
	return access.Mark{Installation: installation, Tenant: o.GetAnnotations()[annotationTenant]}
}

// ours reports whether the object says that it is this tenant's.
func ours(scope driver.Scope, b rbacv1.RoleBinding) bool {
	mark := MarkOf(&b)
	return mark != access.Mark{} && mark == scope.Mark
}

// bindingRef is "name/uid": the one finds the object, the other tells it from
// one that was made in its place.
func bindingRef(b rbacv1.RoleBinding) string { return b.Name + "/" + string(b.UID) }

// place returns where the binding is: as its ref says, else as its role does.
func place(b access.Binding) (name, uid string) {
	name, uid, _ = strings.Cut(b.Ref, "/")
	if name == "" {
		name = names(b.Role)[0]
	}
	return name, uid
}

// names returns what our binding of the role, or of the role and a group, may be
// called: the first, or the second if the first is taken by a binding to another
// role.
func names(role string) [2]string {
	const prefix = "rollcall-"
	unique := hashed(prefix, role, role)
	if len(prefix)+len(role) > rules.MaxRoleName {
		return [2]string{unique, unique + "2"}
	}
	return [2]string{prefix + role, unique}
}

// hashed returns a name that begins with the prefix and as much of the text as fits,
// and ends with the hash of what it is for.
func hashed(prefix, text, of string) string {
	const digits = 16
	sum := sha256.Sum256([]byte(of))
	hash := "-" + hex.EncodeToString(sum[:])[:digits]
	for len(prefix)+len(text)+len(hash) > rules.MaxRoleName {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return prefix + text + hash
}

// What the refs of subjects begin with that are no people. A person of such a
// name is written as "User/" and the name, so that no two subjects have one ref.
const (
	userPrefix    = rbacv1.UserKind + "/"
	groupPrefix   = rbacv1.GroupKind + "/"
	accountPrefix = rbacv1.ServiceAccountKind + "/"
)

// userRef is the ref of a person: their name.
func userRef(name string) string {
	for _, prefix := range []string{userPrefix, groupPrefix, accountPrefix} {
		if strings.HasPrefix(name, prefix) {
			return userPrefix + name
		}
	}
	return name
}

// subjectRef is the ref of any subject.
func subjectRef(s rbacv1.Subject) string {
	switch s.Kind {
	case rbacv1.UserKind:
		return userRef(s.Name)
	case rbacv1.ServiceAccountKind:
		return accountPrefix + s.Namespace + "/" + s.Name
	default:
		return s.Kind + "/" + s.Name
	}
}

// toSubject is the subject with that ref.
func toSubject(ref string) rbacv1.Subject {
	if name, ok := strings.CutPrefix(ref, groupPrefix); ok {
		return rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: name}
	}
	if account, ok := strings.CutPrefix(ref, accountPrefix); ok {
		namespace, name, _ := strings.Cut(account, "/")
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	}
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: strings.TrimPrefix(ref, userPrefix)}
}

// subjectsOf returns everybody the binding lists, sorted, each once.
func subjectsOf(b rbacv1.RoleBinding) []access.Member {
	var members []access.Member
	for _, ref := range refsOf(b) {
		m := access.Member{Account: access.Account{Ref: ref}}
		if s := toSubject(ref); s.Kind == rbacv1.UserKind {
			m.Name = s.Name
		}
		members = append(members, m)
	}
	return members
}

func refsOf(b rbacv1.RoleBinding) []string {
	var refs []string
	for _, s := range b.Subjects {
		refs = append(refs, subjectRef(s))
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

// lists reports whether the binding has exactly these subjects.
func lists(b rbacv1.RoleBinding, subjects []access.Member) bool {
	var refs []string
	for _, m := range subjects {
		refs = append(refs, m.Ref)
	}
	slices.Sort(refs)
	return slices.Equal(refsOf(b), slices.Compact(refs))
}
