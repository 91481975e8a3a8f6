package lint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// The parts of SARIF 2.1.0 that code scanners read. Source:
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string             `json:"id"`
		ShortDescription sarifText          `json:"shortDescription"`
		FullDescription  sarifText          `json:"fullDescription"`
		Help             sarifText          `json:"help"`
		Default          sarifConfiguration `json:"defaultConfiguration"`
		Properties       sarifProperties    `json:"properties"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifProperties struct {
		// SecuritySeverity is a number of 0 to 10, by which GitHub ranks.
		SecuritySeverity string   `json:"security-severity,omitempty"`
		Tags             []string `json:"tags,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Suppressions []sarifSuppressed `json:"suppressions,omitempty"`
		Properties   map[string]any    `json:"properties,omitempty"`
	}
	sarifSuppressed struct {
		Kind string `json:"kind"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF writes a report as SARIF 2.1.0. Waived findings are suppressed results.
func WriteSARIF(w io.Writer, report Report) error {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "rollcall trust lint", InformationURI: "https://github.com/rollcall-iam/rollcall"}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: len(report.Problems) == 0, Notifications: notifications(report)}},
		Results:     []sarifResult{},
		ColumnKind:  "utf16CodeUnits",
	}
	index := map[string]int{}
	for i, r := range Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.ID, ShortDescription: sarifText{r.Title}, FullDescription: sarifText{r.Title}, Help: sarifText{r.Help},
			Default:    sarifConfiguration{level(r.Severity)},
			Properties: sarifProperties{SecuritySeverity: score(r.Severity), Tags: []string{"security"}},
		})
	}
	for _, f := range report.Findings {
		run.Results = append(run.Results, result(f, index))
	}
	for _, f := range report.Waived {
		one := result(f, index)
		one.Suppressions = []sarifSuppressed{{Kind: "inSource"}}
		run.Results = append(run.Results, one)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
	if err := encoder.Encode(log); err != nil {
		return fmt.Errorf("lint: write SARIF: %w", err)
	}
	return nil
}

// notifications are the files that were not read.
func notifications(report Report) []sarifNotification {
	var all []sarifNotification
	add := func(level string, problems []Problem) {
		for _, p := range problems {
			all = append(all, sarifNotification{
				Level: level, Message: sarifText{p.File + ": " + p.Text},
				Locations: []sarifLocation{{Physical: sarifPhysical{Artifact: sarifArtifact{uri(p.File)}}}},
			})
		}
	}
	add("error", report.Problems)
	add("note", report.Notes)
	return all
}

func result(f trust.Finding, index map[string]int) sarifResult {
	at, known := index[f.Rule]
	if !known {
		at = -1
	}
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: at, Level: level(f.Severity),
		Message: sarifText{f.Message + " Fix: " + f.Fix},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{Artifact: sarifArtifact{uri(f.File)}},
			Logical:  []sarifLogical{{f.Trust}},
		}},
		Fingerprints: map[string]string{"rollcall/v1": fingerprint(f)},
	}
	if f.Line > 0 {
		r.Locations[0].Physical.Region = &sarifRegion{f.Line}
	}
	if f.AcceptedToken != nil {
		r.Properties = map[string]any{"acceptedToken": f.AcceptedToken}
	}
	return r
}

// fingerprint is the same for a finding whose line has moved.
func fingerprint(f trust.Finding) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule, filepath.ToSlash(f.File), f.Trust}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// uri returns a file name as a relative reference.
func uri(name string) string {
	name = strings.TrimPrefix(filepath.ToSlash(name), "./")
	escape := strings.NewReplacer("%", "%25", " ", "%20", "#", "%23", "?", "%3F", "[", "%5B", "]", "%5D")
	return escape.Replace(name)
}

// level returns the level of SARIF for a severity.
func level(s trust.Severity) string {
	switch s {
	case trust.Critical, trust.High:
		return "error"
	case trust.Medium:
		return "warning"
	case trust.Low:
		return "note"
	default:
		return "none"
	}
}

// score returns the severity in numbers, as GitHub ranks them.
func score(s trust.Severity) string {
	switch s {
	case trust.Critical:
		return "9.5"
	case trust.High:
		return "8.0"
	case trust.Medium:
		return "5.5"
	case trust.Low:
		return "2.0"
	default:
		return "0.0"
	}
}
