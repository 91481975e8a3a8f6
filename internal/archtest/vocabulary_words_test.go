package archtest

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// splitName returns the words of a name in camelCase, snake_case, kebab-case or
// with dots, in lower case. An abbreviation in capitals is one word, with its
// plural: "userIDs" is "user" and "ids". Digits separate words.
func splitName(name string) []string {
	var words []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) }) {
		words = append(words, splitCamel([]rune(part))...)
	}
	return words
}

func splitCamel(runes []rune) []string {
	var words []string
	start := 0
	for i := 1; i < len(runes); i++ {
		if startsWord(runes, i) {
			words = append(words, strings.ToLower(string(runes[start:i])))
			start = i
		}
	}
	return append(words, strings.ToLower(string(runes[start:])))
}

// startsWord reports whether the capital at i begins a word: after a small
// letter, or as the last capital of a row that goes on in small runes.
func startsWord(runes []rune, i int) bool {
	if !unicode.IsUpper(runes[i]) {
		return false
	}
	if !unicode.IsUpper(runes[i-1]) {
		return true
	}
	next := i + 1
	if next >= len(runes) || unicode.IsUpper(runes[next]) {
		return false
	}
	suffix := runes[next] == 's' && (next+1 == len(runes) || unicode.IsUpper(runes[next+1]))
	return !suffix
}

// notProse matches the parts of a text that are not words of it: verbs of
// fmt, flags, environment variables, placeholders, paths, addresses and names.
var notProse = regexp.MustCompile(`%[-+# 0]*[0-9*.\[\]]*[a-zA-Z]|--[a-z-]+|\$\w+|\b[A-Z][A-Z0-9_|]+\b|\S*[/@_]\S*|\w+\.\w\S*|[a-z]+[A-Z]\w*`)

// splitText returns the words of a text for people, in lower case, a "."
// wherever a sentence or a part of one begins, and "0" for a number.
func splitText(text string) []string {
	text = notProse.ReplaceAllString(text, " x ")
	words := []string{"."}
	for _, match := range textWord.FindAllString(strings.ToLower(text), -1) {
		switch {
		case strings.ContainsAny(match, ".;:!?"):
			match = "."
		case unicode.IsDigit(rune(match[0])):
			match = "0" // between words, so that they are in no row
		}
		match = strings.TrimSuffix(match, "'s")
		if match != "." || words[len(words)-1] != "." {
			words = append(words, match)
		}
	}
	return words
}

var textWord = regexp.MustCompile(`\pL+(?:'\pL+)?|[0-9]+|[.;:!?]`)

// baseForms returns a word and the words that it may be an inflection of, most
// likely first. It is cheap, so some are no words at all.
func baseForms(word string) []string {
	forms := []string{word}
	add := func(base string) {
		if len(base) < 3 {
			return
		}
		forms = append(forms, base, base+"e")
		if n := len(base); base[n-1] == base[n-2] {
			forms = append(forms, base[:n-1])
		}
		if strings.HasSuffix(base, "i") {
			forms = append(forms, base[:len(base)-1]+"y")
		}
	}
	for _, suffix := range []string{"s", "es", "ed", "ing", "er", "ers", "or", "ors", "ly"} {
		if base, ok := strings.CutSuffix(word, suffix); ok {
			add(base)
		}
	}
	return forms
}

// isListed reports whether a list has a word, an inflection's base included.
func isListed(word string, has func(string) bool) bool {
	if len(word) < 3 || slices.ContainsFunc(baseForms(word), has) {
		return true
	}
	for _, prefix := range []string{"un", "re", "non"} {
		rest, ok := strings.CutPrefix(word, prefix)
		if ok && len(rest) > 3 && slices.ContainsFunc(baseForms(rest), has) {
			return true
		}
	}
	return false
}
