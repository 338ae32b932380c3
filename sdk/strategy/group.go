package strategy

import "github.com/deconfound/deconfound/sdk"

// EnvironmentHyperparameter lets a sweep choose what a group is for a rule that
// compares groups: the availability pattern or a declared environment, such as
// the site. Groups crossed with the label are not offered: within one the label is
// constant, and what such rules ask of a group is then degenerate.
func EnvironmentHyperparameter() sdk.Hyperparameter {
	return sdk.Hyperparameter{
		Name: "groups", Type: sdk.String, Default: "pattern", Values: []string{"pattern", "environment"},
		Text: "what a group is: availability pattern (rare ones merged) or environment",
	}
}

// GroupHyperparameter lets a sweep choose what a group is for a rule that
// weighs groups.
func GroupHyperparameter() sdk.Hyperparameter {
	return sdk.Hyperparameter{
		Name: "groups", Type: sdk.String, Default: "pattern", Values: []string{"pattern", "pattern_label", "environment"},
		Text: "what a group is: availability pattern, pattern and label, or environment",
	}
}

// GroupSizes counts the training rows of every group. Without groups it is an
// error with code bad_request.
func (c Config) GroupSizes() ([]int, error) {
	if len(c.Open.Groups) == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the strategy needs groups of training rows, and there are none")
	}
	var sizes []int
	for _, g := range c.Open.Groups {
		for int(g) >= len(sizes) {
			sizes = append(sizes, 0)
		}
		sizes[g]++
	}
	return sizes, nil
}

// ByGroup parts the rows of the batch, as places in the batch in ascending order,
// by group: one list for each group with a minimum of rows, in ascending order of
// group. Without groups all rows are one.
func (b Batch) ByGroup(minimum int) [][]int {
	var lists [][]int
	for i := range b.Rows {
		g := int(b.Group(i))
		for g >= len(lists) {
			lists = append(lists, nil)
		}
		lists[g] = append(lists[g], i)
	}
	out := lists[:0]
	for _, list := range lists {
		if len(list) >= max(minimum, 1) {
			out = append(out, list)
		}
	}
	return out
}

// Group is the group of a row by its place in the batch; 0 without groups.
func (b Batch) Group(i int) int32 {
	if b.Groups == nil {
		return 0
	}
	return b.Groups[i]
}

// EqualGroups returns row weights under which the weighted mean loss of the batch
// is the mean over the groups that are there of their mean losses; they have mean
// 1.
func (b Batch) EqualGroups() []float32 {
	groups := b.ByGroup(1)
	weights := make([]float32, len(b.Rows))
	for _, rows := range groups {
		w := float64(len(b.Rows)) / float64(len(groups)*len(rows))
		for _, i := range rows {
			weights[i] = float32(w)
		}
	}
	return weights
}
