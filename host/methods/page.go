package methods

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Page is the page of a plugin in Markdown; equations and cost may be empty.
func Page(info sdk.Info, equations, cost string) string {
	var out strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&out, "\n## %s\n\n%s\n", title, text)
		}
	}
	fmt.Fprintf(&out, "# %s\n\n%s, version %s, licence %s.\n\n%s\n", info.Name, capitalise(string(info.Kind)), info.Version, orNone(info.Licence), info.Text)
	section("After", info.Citation)
	section("Equations", equations)
	section("What the mask does", Mask(info))
	section("Batches", batches(info))
	if info.Kind != sdk.KindSampler {
		section("Takes", takes(info.Capabilities))
	}
	section("Hyperparameters", table(info.Hyperparameters))
	if info.Kind == sdk.KindBackbone {
		cost = strings.TrimSpace(cost + "\n\n`make bench-backbones` measures a training step of every shipped backbone in turn with the same model in PyTorch; " +
			"BENCHMARKS.md has figures and how they were taken.")
	}
	section("Cost", cost)
	return out.String()
}

// Mask is what a plugin says of the availability mask: the sentences of its text that
// name it, or those about what is missing where none does.
func Mask(info sdk.Info) string {
	out := sentences(info.Text, "mask")
	if len(out) == 0 {
		out = sentences(info.Text, "missing", "availab", "observed")
	}
	if info.Capabilities.RevealsAvailability {
		out = append(out, "The head gets it beside h, in training and in prediction.")
	}
	return strings.Join(out, " ")
}

// sentences are those with one of the words.
func sentences(text string, words ...string) []string {
	var out []string
	for sentence := range strings.SplitSeq(text, ". ") {
		has := func(word string) bool { return strings.Contains(strings.ToLower(sentence), word) }
		if slices.ContainsFunc(words, has) {
			out = append(out, strings.TrimSuffix(sentence, ".")+".")
		}
	}
	return out
}

// batches says what rows of a batch have to do with each other.
func batches(info sdk.Info) string {
	switch {
	case info.Kind != sdk.KindBackbone:
		return ""
	case info.Capabilities.BatchIndependent:
		return "In evaluation a row's h does not depend on the other rows of its batch."
	}
	return "Rows of a batch see each other, also in evaluation: a prediction depends on what else is in the batch."
}

func takes(c sdk.Capabilities) string {
	list := func(what string, names []string) string {
		if len(names) == 0 {
			return what + ": all."
		}
		return what + ": " + strings.Join(names, ", ") + "."
	}
	var kinds, tasks []string
	for _, k := range c.ModalityKinds {
		kinds = append(kinds, string(k))
	}
	for _, t := range c.Tasks {
		tasks = append(tasks, string(t))
	}
	out := list("Modalities", kinds) + " " + list("Tasks", tasks)
	if c.NeedsLabels {
		out += " It is given the labels of training batches."
	}
	if !c.Deterministic {
		out += " It does not promise the same bits for the same requests."
	}
	return out
}

func table(parameters []sdk.Hyperparameter) string {
	if len(parameters) == 0 {
		return "None."
	}
	var out strings.Builder
	out.WriteString("| name | type | default | values | |\n|---|---|---|---|---|")
	for _, h := range parameters {
		fmt.Fprintf(&out, "\n| `%s` | %s | %s | %s | %s |", h.Name, h.Type, value(h.Default), values(h), cell(h.Text))
	}
	return out.String()
}

// values is what a hyperparameter may be.
func values(h sdk.Hyperparameter) string {
	switch {
	case len(h.Values) > 0:
		return cell(strings.Join(h.Values, ", "))
	case h.Type == sdk.Bool:
		return "true, false"
	case h.Type == sdk.String || h.Min == 0 && h.Max == 0:
		return "any"
	}
	low, high := "−∞", "∞"
	if !math.IsInf(h.Min, -1) {
		low = number(h.Min)
	}
	if !math.IsInf(h.Max, 1) {
		high = number(h.Max)
	}
	text := low + " to " + high
	if h.Log {
		text += ", log"
	}
	return text
}

func value(v any) string {
	switch x := v.(type) {
	case float64:
		return number(x)
	case string:
		return "`" + strconv.Quote(x) + "`"
	}
	return fmt.Sprint(v)
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// cell keeps a text within its cell.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

func capitalise(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func orNone(text string) string {
	if text == "" {
		return "not given"
	}
	return text
}
