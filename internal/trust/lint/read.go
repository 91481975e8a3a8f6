package lint

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
	"github.com/rollcall-iam/rollcall/internal/trust/entra"
	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
	"github.com/rollcall-iam/rollcall/internal/trust/keys"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
	"github.com/rollcall-iam/rollcall/internal/trust/terraform"
)

// part is what one file or one directory of Terraform says.
type part struct {
	trusts    []trust.Trust
	providers []aws.Provider
	google    gcp.Input
	manifests []kubernetes.Manifests
	findings  []trust.Finding
	waivers   []waiver
	intents   []intention
	problems  []Problem
	notes     []Problem
	// unknown are the placeholders of Terraform. A part of Terraform is judged by itself.
	unknown   map[string]string
	terraform bool
	// names are names of providers of Google Cloud that a file says.
	names []string
	files int
}

// task is files that are read together.
type task struct {
	files  []File
	format format
}

// tasks groups the files: those of a directory of Terraform are one task.
func tasks(files []File) []task {
	var all []task
	directories := map[string]int{}
	for _, f := range files {
		format := recognise(f)
		if format == hclFormat {
			directory := path.Dir(f.Name)
			if at, ok := directories[directory]; ok {
				all[at].files = append(all[at].files, f)
				continue
			}
			directories[directory] = len(all)
		}
		all = append(all, task{[]File{f}, format})
	}
	return all
}

// readAll reads files, several at the same time.
func readAll(ctx context.Context, files []File, workers int) ([]part, error) {
	all := tasks(files)
	parts := make([]part, len(all))
	err := parallel(ctx, len(all), workers, func(i int) { parts[i] = all[i].read() })
	return parts, err
}

// parallel calls work with the numbers below n.
func parallel(ctx context.Context, n, workers int, work func(i int)) error {
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, n) {
		group.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	return ctx.Err()
}

// read reads the files of a task.
func (t task) read() part {
	var p part
	switch t.format {
	case hclFormat:
		p.hcl(t.files)
	case jsonFormat, yamlFormat:
		p.document(t.files[0], t.format)
	case textFormat:
		p.findings = keys.Text(t.files[0].Name, t.files[0].Text)
	case noFormat:
	}
	for _, f := range t.files {
		if t.format != textFormat {
			p.names = append(p.names, terraform.ProviderNames(f.Text)...)
		}
		if t.format != jsonFormat {
			p.waivers = append(p.waivers, comments(f)...)
		}
	}
	if len(p.trusts)+len(p.google.Providers)+len(p.google.Policies)+len(p.findings)+len(p.manifests) > 0 {
		p.files += len(t.files)
	}
	return p
}

// hcl reads a directory of Terraform.
func (p *part) hcl(files []File) {
	input := make([]terraform.File, 0, len(files))
	for _, f := range files {
		input = append(input, terraform.File{Name: f.Name, Text: f.Text})
	}
	result, err := terraform.Read(input)
	p.terraformResult(result)
	for _, one := range split(err) {
		p.problems = append(p.problems, Problem{fileOf(one, files), one.Error()})
	}
}

func (p *part) terraformResult(r terraform.Result) {
	p.trusts, p.providers, p.google = r.Trusts, r.Providers, r.Google
	p.findings = append(p.findings, r.Findings...)
	for _, m := range r.Manifests {
		p.kubernetes(m)
	}
	p.unknown, p.terraform = r.Unknown, true
}

// fileOf returns the file that an error names, else the first one.
func fileOf(err error, files []File) string {
	for _, f := range files {
		if strings.Contains(err.Error(), f.Name+":") {
			return f.Name
		}
	}
	return files[0].Name
}

// split returns the errors that errors.Join has joined.
func split(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || joined.(error).Error() != err.Error() { //nolint:forcetypeassert // the type is an error's
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, split(one)...)
	}
	return all
}

// fail records what could not be read. A file of a directory that is not about trust need
// not be readable.
func (p *part) fail(f File, about topics, err error) {
	for _, one := range split(err) {
		if f.Named || about.strict() {
			p.problems = append(p.problems, Problem{f.Name, one.Error()})
		} else {
			p.notes = append(p.notes, Problem{f.Name, one.Error()})
		}
	}
}

// document reads a file of JSON or YAML.
func (p *part) document(f File, format format) {
	about := topicsOf(f.Text)
	switch {
	case !about.any():
		if _, err := manifest.Read(f.Name, f.Text); f.Named && err != nil {
			p.fail(f, about, err)
		}
	case format == yamlFormat && about.template:
		p.cloudFormation(f, about)
	case format == yamlFormat && isTemplate(f.Text):
		p.notes = append(p.notes, Problem{f.Name, "is a template, which is not read: render it first, such as with helm template"})
	case format == yamlFormat:
		p.objects(f, about)
	default:
		p.json(f, about)
	}
}

// isTemplate reports whether a file of YAML is a template of Go, as Helm has them. The
// expressions of GitHub, ${{ }}, are no templates.
func isTemplate(text []byte) bool {
	for i := bytes.Index(text, []byte("{{")); i >= 0; {
		if i == 0 || text[i-1] != '$' {
			return !bytes.Contains(text, []byte("jobs:"))
		}
		next := bytes.Index(text[i+2:], []byte("{{"))
		if next < 0 {
			return false
		}
		i += 2 + next
	}
	return false
}

// objects reads Kubernetes objects, pipelines and the documents of this package.
func (p *part) objects(f File, about topics) {
	if about.own {
		p.documents(f)
	}
	if about.kubernetes {
		m, err := kubernetes.Parse(f.Name, f.Text)
		if err != nil {
			p.fail(f, about, err)
			return
		}
		p.kubernetes(m)
	}
	if about.keys {
		p.keys(f, about)
	}
}

// kubernetes adds the objects of a file.
func (p *part) kubernetes(m kubernetes.Manifests) {
	p.manifests = append(p.manifests, m)
	p.trusts = append(p.trusts, m.Trusts...)
	p.findings = append(p.findings, m.Findings...)
}

func (p *part) keys(f File, about topics) {
	findings, err := keys.Parse(f.Name, f.Text)
	p.findings = append(p.findings, findings...)
	if err != nil {
		p.fail(f, about, err)
	}
}

// json reads a file of JSON.
func (p *part) json(f File, about topics) {
	if about.plan {
		result, err := terraform.ReadPlan(f.Name, f.Text)
		if !errors.Is(err, terraform.ErrNoPlan) {
			p.terraformResult(result)
			p.fail(f, about, err)
			return
		}
	}
	if about.kubernetes {
		documents, err := manifest.ReadJSON(f.Name, f.Text)
		if err != nil {
			p.fail(f, about, err)
			return
		}
		if len(documents) > 0 && documents[0].Get("kind").Text() != "" {
			p.objects(f, about)
			return
		}
	}
	if about.aws {
		p.aws(f, about)
	}
	if about.gcp {
		in, err := gcp.Read(f.Name, f.Text)
		p.google = in
		p.fail(f, about, err)
	}
	if about.entra {
		trusts, findings, err := entra.Parse(f.Name, f.Text)
		p.trusts = append(p.trusts, trusts...)
		p.findings = append(p.findings, findings...)
		p.fail(f, about, err)
	}
	if about.keys {
		p.keys(f, about)
	}
}

func (p *part) aws(f File, about topics) {
	d, err := aws.Parse(f.Name, f.Text, nil)
	p.awsDocument(f, about, d, err)
}

// cloudFormation reads a file of YAML that may be a template of CloudFormation.
func (p *part) cloudFormation(f File, about topics) {
	d, err := aws.ParseYAML(f.Name, f.Text)
	if errors.Is(err, aws.ErrNoTrust) {
		p.objects(f, about)
		return
	}
	p.awsDocument(f, about, d, err)
	if about.keys {
		p.keys(f, about)
	}
}

// awsDocument adds what a document of AWS says.
func (p *part) awsDocument(f File, about topics, d aws.Document, err error) {
	if errors.Is(err, aws.ErrNoTrust) {
		return
	}
	p.trusts = append(p.trusts, d.Trusts...)
	p.providers = append(p.providers, d.Providers...)
	p.findings = append(p.findings, d.Findings...)
	p.unknown = d.Unknown
	p.fail(f, about, err)
}
