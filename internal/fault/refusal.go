package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Refusal is a row of a driver's table of refusals: what an answer of the vendor means.
// An empty Status, Codes or Message matches every answer.
type Refusal struct {
	// Status is the answer's HTTP status.
	Status int
	// Codes are the vendor's codes for the refusal: one of them has to match.
	Codes []string
	// Message is a part of the vendor's message, in any case.
	Message string
	// Class is one of this package's errors: retried ones are transient.
	Class error
	// Until says what ends a transient refusal, such as "the account is active".
	Until string
	// MaxAge is the age of the object up to which the refusal is transient; 0 for any age.
	// Expired is the class of the refusal for an older object, ErrDenied where it is nil.
	MaxAge  time.Duration
	Expired error
	// Advice is what a user can do about it, see Advise; empty where the class says enough.
	Advice string
	// Source is the page of the vendor's documents, or the part of its source, that has it.
	Source string
}

// Answer is a refusal as a platform sends it. Message may name users: it is compared,
// and never quoted.
type Answer struct {
	Status        int
	Code, Message string
	// After is the delay that the answer asks for, 0 for none.
	After time.Duration
}

// Refusals is a driver's table of refusals. The first row that matches counts, so that
// rows with a code stand before those with a status only.
type Refusals []Refusal

// Find returns the row of the answer, and whether there is one.
func (t Refusals) Find(a Answer) (Refusal, bool) {
	message := strings.ToLower(a.Message)
	for _, row := range t {
		if (row.Status == 0 || row.Status == a.Status) && (len(row.Codes) == 0 || slices.Contains(row.Codes, a.Code)) &&
			(row.Message == "" || strings.Contains(message, strings.ToLower(row.Message))) {
			return row, true
		}
	}
	return Refusal{}, false
}

// Wrap returns text with the class and the advice of the answer's row. An answer
// without a row is ErrUnknown.
func (t Refusals) Wrap(text error, a Answer) error {
	row, known := t.Find(a)
	if !known {
		row.Class = ErrUnknown
	}
	return row.Wrap(text, a.After)
}

// Wrap returns text with the row's class and advice. after is the delay that the
// platform asks for; only throttles and pending writes have one.
func (r Refusal) Wrap(text error, after time.Duration) error {
	switch {
	case errors.Is(r.Class, ErrThrottled):
		return Advise(Throttled(text, after), r.Advice)
	case errors.Is(r.Class, ErrPending):
		return Advise(Pending(text, after), r.Advice)
	default:
		return Advise(fmt.Errorf("%w: %w", text, r.Class), r.Advice)
	}
}

// At returns the row for an object of that age: an older one than MaxAge has the class
// Expired.
func (r Refusal) At(age time.Duration) Refusal {
	if r.MaxAge > 0 && age > r.MaxAge {
		r.Class = r.Expired
		if r.Class == nil {
			r.Class = ErrDenied
		}
	}
	return r
}

// Findings returns what is wrong with the table, and with a driver's function that
// classifies answers by it: rows that an earlier row hides, rows without a source,
// transient rows that do not say what ends them, lasting refusals without advice, and
// errors that quote the answer. Tests of drivers call it.
func (t Refusals) Findings(wrap func(Answer) error) []string {
	var all []string
	for i, row := range t {
		codes := row.Codes
		if len(codes) == 0 {
			codes = []string{""}
		}
		for _, code := range codes {
			for _, finding := range row.findings(code, wrap) {
				all = append(all, fmt.Sprintf("row %d (status %d, code %q, message %q): %s", i, row.Status, code, row.Message, finding))
			}
		}
	}
	if err := wrap(Answer{Status: 418, Message: example}); !errors.Is(err, ErrUnknown) || !Retryable(err) {
		all = append(all, fmt.Sprintf("an answer that no row has is %v, want ErrUnknown", err))
	}
	return all
}

// example is a message that names a user.
const example = "ada@example.com"

func (r Refusal) findings(code string, wrap func(Answer) error) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	err := wrap(Answer{Status: r.Status, Code: code, Message: example + ": " + r.Message, After: 7 * time.Second})
	switch {
	case r.Class == nil:
		return []string{"it has no class"}
	case !errors.Is(Class(err), Class(r.Class)):
		add("it is classified as %v, want %v", err, r.Class)
	case Advice(err) != r.Advice:
		add("its advice is %q, want %q", Advice(err), r.Advice)
	case strings.Contains(err.Error(), example) || strings.Contains(Advice(err), example):
		add("the error quotes the answer, which may name users: %v", err)
	}
	if after, _ := RetryAfter(err); errors.Is(r.Class, ErrThrottled) && r.Status > 0 && after != 7*time.Second {
		add("its delay is %v, want what the answer asks for", after)
	}
	if r.Source == "" || strings.Contains(r.Source, "//") {
		add("its source is %q, want the name of a page", r.Source)
	}
	if Retryable(r.Class) && r.Until == "" {
		add("it is transient and does not say what ends it")
	}
	planned := errors.Is(r.Class, ErrConflict) || errors.Is(r.Class, ErrNotFound) // the next plan knows more
	if !planned && !Retryable(r.Class) && code+r.Message != "" && r.Advice == "" {
		add("no retry helps, and it does not say what does")
	}
	return all
}
