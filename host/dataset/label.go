package dataset

import (
	"maps"
	"slices"
	"strconv"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/sdk"
)

// label sets the task and the labels.
func (l *loader) label() error {
	spec := l.manifest.Label
	path, columns := "label.column", []string{spec.Column}
	l.src.task = sdk.Task{Kind: sdk.TaskKind(spec.Task), Classes: 2}
	l.src.classes = []string{"0", "1"}
	switch l.src.task.Kind {
	case sdk.Multiclass:
		l.src.task.Classes, l.src.classes = len(spec.Classes), spec.Classes
	case sdk.Multilabel:
		path, columns = "label.columns", spec.Columns
		l.src.task.Classes, l.src.classes = len(columns), columns
	}
	fields := make([]field, len(columns))
	for i, name := range columns {
		var err error
		if fields[i], err = l.column(path, name); err != nil {
			return err
		}
	}
	meaning := labelTexts(spec)
	match := newMatcher(meaning)
	for _, row := range l.rows {
		for i, c := range fields {
			text := c.Text(row)
			value, ok := match.find(text)
			switch {
			case text == "" && l.src.task.Kind == sdk.Multilabel:
				l.src.labels = append(l.src.labels, missingCell)
				continue
			case text == "":
				return l.manifest.Errorf(path, "%w", l.lineErrorf(row, "the row has no label; list %q under rows.drop_empty to drop such rows", columns[i]))
			case !ok && len(spec.Positive) > 0:
				value = "0"
			case !ok:
				return l.manifest.Errorf(path, "%w", l.lineErrorf(row, "label %q is not one of %s; %s", text, quote(slices.Sorted(maps.Keys(meaning))), labelHint(l.src.task.Kind)))
			}
			v, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			l.src.labels = append(l.src.labels, float32(v))
		}
	}
	return nil
}

// labelTexts says which value each text stands for.
func labelTexts(spec manifest.Label) map[string]string {
	meaning := map[string]string{}
	switch {
	case len(spec.Classes) > 0:
		for i, class := range spec.Classes {
			meaning[class] = strconv.Itoa(i)
		}
	case len(spec.Positive) > 0:
		for _, text := range spec.Positive {
			meaning[text] = "1"
		}
	default:
		meaning["0"], meaning["1"] = "0", "1"
	}
	return meaning
}

// labelHint says what can be done about a label without a meaning.
func labelHint(kind sdk.TaskKind) string {
	if kind == sdk.Multiclass {
		return "add it to label.classes, or give the column a map"
	}
	return "list what counts as 1 under label.positive, or make the task multiclass with label.classes"
}
