package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Names of the search attributes. They are never encrypted and hold no people.
const (
	PlatformAttribute = "RollcallPlatform"
	ProjectAttribute  = "RollcallProject"
	OutcomeAttribute  = "RollcallOutcome"
	RemarksAttribute  = "RollcallWarnings"
)

// Attributes returns the search attributes a namespace needs, with their types.
func Attributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		PlatformAttribute: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		ProjectAttribute:  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		OutcomeAttribute:  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		RemarksAttribute:  enumspb.INDEXED_VALUE_TYPE_INT,
	}
}

// RegisterAttributes adds the search attributes that the namespace lacks.
func RegisterAttributes(ctx context.Context, c client.Client, namespace string) error {
	operator := c.OperatorService()
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("engine: list the search attributes of namespace %q: %w", namespace, err)
	}
	missing := Attributes()
	maps.DeleteFunc(missing, func(name string, _ enumspb.IndexedValueType) bool {
		_, found := have.GetCustomAttributes()[name]
		return found
	})
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	_, exists := errors.AsType[*serviceerror.AlreadyExists](err)
	if err != nil && !exists {
		return fmt.Errorf("engine: add the search attributes %q to namespace %q: %w: an administrator can add them, "+
			"and remove those of earlier builds where the namespace has no room",
			slices.Sorted(maps.Keys(missing)), namespace, err)
	}
	return nil
}

// LacksAttributes reports whether a start failed because the namespace has not
// got the search attributes, or has them so lately that its server does not know.
func LacksAttributes(err error) bool {
	refused, ok := errors.AsType[*serviceerror.InvalidArgument](err)
	return ok && slices.ContainsFunc(slices.Collect(maps.Keys(Attributes())), func(name string) bool {
		return strings.Contains(refused.Message, "search attribute "+name)
	})
}

func outcomeKey() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword(OutcomeAttribute)
}

func remarksKey() temporal.SearchAttributeKeyInt64 {
	return temporal.NewSearchAttributeKeyInt64(RemarksAttribute)
}

// TenantAttributes are what a run of a tenant starts with. The outcome and the
// remarks are those of the run before; an empty outcome means there was none.
func TenantAttributes(t access.TenantID, outcome string, remarks int64) temporal.SearchAttributes {
	updates := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(PlatformAttribute).ValueSet(t.Platform),
		temporal.NewSearchAttributeKeyKeyword(ProjectAttribute).ValueSet(t.ProjectID()),
	}
	if outcome != "" {
		updates = append(updates, outcomeKey().ValueSet(outcome), remarksKey().ValueSet(remarks))
	}
	return temporal.NewSearchAttributes(updates...)
}

// PlatformAttributes are what a run of a whole platform starts with.
func PlatformAttributes(platform string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(PlatformAttribute).ValueSet(platform))
}

// ReportOutcome writes the outcome and the number of remarks into the run's
// search attributes where they changed: each write costs an event. A run that
// started without them and has nothing to tell writes nothing.
func ReportOutcome(ctx workflow.Context, outcome string, remarks int64) error {
	now := workflow.GetTypedSearchAttributes(ctx)
	was, known := now.GetKeyword(outcomeKey())
	had, _ := now.GetInt64(remarksKey())
	if known && was == outcome && had == remarks {
		return nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, outcomeKey().ValueSet(outcome), remarksKey().ValueSet(remarks)); err != nil {
		return fmt.Errorf("engine: write the outcome: %w", err)
	}
	return nil
}

// AttributeValues returns search attributes by name, as JSON can hold them.
func AttributeValues(attributes temporal.SearchAttributes) map[string]any {
	values := map[string]any{}
	for key, value := range attributes.GetUntypedValues() {
		values[key.GetName()] = value
	}
	return values
}

// AttributesOf is the reverse of AttributeValues, also for values that were decoded from JSON.
// It leaves out attributes that Attributes does not have.
func AttributesOf(values map[string]any) temporal.SearchAttributes {
	var updates []temporal.SearchAttributeUpdate
	for _, name := range slices.Sorted(maps.Keys(values)) {
		kind, known := Attributes()[name]
		switch value := values[name].(type) {
		case string:
			if known && kind == enumspb.INDEXED_VALUE_TYPE_KEYWORD {
				updates = append(updates, temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value))
			}
		case int64:
			if known && kind == enumspb.INDEXED_VALUE_TYPE_INT {
				updates = append(updates, temporal.NewSearchAttributeKeyInt64(name).ValueSet(value))
			}
		case float64:
			if known && kind == enumspb.INDEXED_VALUE_TYPE_INT {
				updates = append(updates, temporal.NewSearchAttributeKeyInt64(name).ValueSet(int64(value)))
			}
		}
	}
	return temporal.NewSearchAttributes(updates...)
}
