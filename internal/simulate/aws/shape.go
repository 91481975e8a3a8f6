package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// shape is what a model says about a text.
type shape struct {
	min, max int // in characters
	pattern  *regexp.Regexp
	of       []string // an enumeration
}

// shapes are those of the models, by the name they have there. A field's tag
// `shape` names one; "!" before it means that the field is required.
func shapes() map[string]shape {
	text := func(least, most int, pattern string) shape {
		return shape{min: least, max: most, pattern: regexp.MustCompile(`^(?:` + pattern + `)$`)}
	}
	const guid = `[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}`
	const instance = `(sso)?ins-[a-zA-Z0-9-.]{16}`
	const arn = `arn:aws(-[a-z]{1,5}){0,3}:sso:::`
	const printable = `\p{L}\p{M}\p{S}\p{N}\p{P}`
	return map[string]shape{
		"IdentityStoreId":     text(1, 36, `d-[0-9a-f]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		"ResourceId":          text(1, 47, `([0-9a-f]{10}-|)`+guid),
		"GroupDisplayName":    text(1, 1024, `[`+printable+`\t\n\r `+"\u00a0"+`]+`),
		"SensitiveStringType": text(1, 1024, `[`+printable+`\t\n\r `+"\u00a0\u3000"+`]+`),
		"UserName":            text(1, 128, `[`+printable+`]+`),
		"AttributePath":       text(1, 255, `\p{L}+:\p{L}+:\p{L}+(\.\p{L}+){0,3}|\p{L}+(\.\p{L}+){0,2}`),
		"NextToken":           text(1, 65535, `[-a-zA-Z0-9+=/:_]*`),
		"Token":               text(0, 2048, `[-a-zA-Z0-9+=/_]*`),
		"OrganizationsToken":  text(0, 100000, `[\s\S]*`),
		"InstanceArn":         text(10, 1224, arn+`instance/`+instance),
		"PermissionSetArn":    text(10, 1224, arn+`permissionSet/`+instance+`/ps-[a-zA-Z0-9-./]{16}`),
		"AccountId":           text(12, 12, `\d{12}`),
		"OperationId":         text(36, 36, `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		"TargetType":          {max: 20, of: []string{"AWS_ACCOUNT"}},
		"StatusValues":        {max: 20, of: []string{"IN_PROGRESS", "FAILED", "SUCCEEDED"}},
		"PrincipalType":       {max: 20, of: []string{"USER", "GROUP"}},
		"ProvisioningStatus":  {max: 50, of: []string{"LATEST_PERMISSION_SET_PROVISIONED", "LATEST_PERMISSION_SET_NOT_PROVISIONED"}},
	}
}

// refuses says what a value lacks of the shape, in the vendor's words, or "".
func (s shape) refuses(value string) string {
	switch n := utf8.RuneCountInString(value); {
	case len(s.of) > 0 && !slices.Contains(s.of, value):
		return "Member must satisfy enum value set: [" + strings.Join(s.of, ", ") + "]"
	case n < s.min:
		return fmt.Sprintf("Member must have length greater than or equal to %d", s.min)
	case n > s.max:
		return fmt.Sprintf("Member must have length less than or equal to %d", s.max)
	case s.pattern != nil && !s.pattern.MatchString(value):
		return "Member must satisfy regular expression pattern"
	default:
		return ""
	}
}

// decode reads a request's body and checks it against the shapes.
func (s *Server) decode(body []byte, input any) *refusal {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(input); err != nil {
		return refuse(serialization, "the request cannot be read: %s", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return refuse(serialization, "the request does not end where it should")
	}
	if complaints := s.complaints("", reflect.ValueOf(input).Elem()); len(complaints) > 0 {
		noun := "error"
		if len(complaints) > 1 {
			noun = "errors"
		}
		return refuse(validation, "%d validation %s detected: %s", len(complaints), noun, strings.Join(complaints, "; "))
	}
	return nil
}

// complaints checks each field of a structure that names a shape.
func (s *Server) complaints(path string, v reflect.Value) []string {
	var all []string
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name, required := strings.CutPrefix(field.Tag.Get("shape"), "!")
		at := path + strings.ToLower(field.Name[:1]) + field.Name[1:]
		all = append(all, s.complaintsAbout(at, name, required, value)...)
	}
	return all
}

func (s *Server) complaintsAbout(at, name string, required bool, value reflect.Value) []string {
	if required && value.IsZero() {
		return []string{fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", at)}
	}
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.Struct:
		return s.complaints(at+".", value)
	case reflect.Slice:
		var all []string
		for i := range value.Len() {
			all = append(all, s.complaintsAbout(fmt.Sprintf("%s.%d.member", at, i+1), name, required, value.Index(i))...)
		}
		return all
	case reflect.String, reflect.Int:
		if what := s.complaint(name, value); what != "" {
			return []string{fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", at, what)}
		}
	default:
	}
	return nil
}

// complaint says what a text or a number lacks of its shape, or "".
func (s *Server) complaint(name string, value reflect.Value) string {
	if known, ok := s.shapes[name]; ok && value.Kind() == reflect.String {
		return known.refuses(value.String())
	}
	most, ok := map[string]int64{"MaxResults": maxPage, "OrganizationsMax": maxAccounts}[name]
	if ok && (value.Int() < 1 || value.Int() > most) {
		return fmt.Sprintf("Member must have value between 1 and %d", most)
	}
	return ""
}
