package methods

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// costFile is what the tests of a backbone in Go count of it and hold it to.
const costFile = "testdata/cost.json"

// cost is what costFile has: work in multiplications, each with an addition, a row, and
// memory in bytes a row.
type cost struct {
	Rows       int   `json:"rows"`
	Columns    []int `json:"columns"`
	Width      int   `json:"width"`
	Parameters int   `json:"parameters"`
	Step       int   `json:"step"`
	Prediction int   `json:"prediction"`
	Memory     int   `json:"memory"`
}

// Cost says what a step of a plugin costs: of a backbone the figures that its source in
// dir has, "" if there are none, and of a strategy what travels for it.
func Cost(info sdk.Info, dir string) (string, error) {
	if info.Kind == sdk.KindStrategy {
		return strategyCost(info.Capabilities), nil
	}
	text, err := os.ReadFile(filepath.Join(dir, costFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var c cost
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return "", fmt.Errorf("read cost: %w", err)
	}
	var columns []string
	for _, n := range c.Columns {
		columns = append(columns, fmt.Sprint(n))
	}
	return fmt.Sprintf(`| parameters | work of a training step | work of a prediction | memory of a training step |
|---|---|---|---|
| %s | %s | %s | %s |

Work in multiplications, each with an addition, of matrix products and attention, and memory of activations and their
gradients without parameters, both a row; counted with the defaults, %d rows a batch, tables of %s columns that all rows
have, and h of width %d.`, thousands(c.Parameters), thousands(c.Step), thousands(c.Prediction), bytes(c.Memory), c.Rows, strings.Join(columns, ", "), c.Width), nil
}

// strategyCost follows from what a strategy declares: which calls the host makes, with
// what.
func strategyCost(c sdk.Capabilities) string {
	out := []string{
		"A training step of B rows asks it first for the availability that the backbone is shown, 20·B bytes there and back, and then sends it " +
			"4·B·(d + k + 6) bytes with h of width d, k logits and one label a row, beside losses, row numbers, groups and availability. Back comes at most " +
			"a weight a row and gradients as large as h and the logits. Neither backbone nor head runs again for it.",
	}
	if c.Mixes {
		out = append(out, "Before that it is asked for partners of the rows, which costs another call without h.")
	}
	if c.Stages {
		out = append(out, "Its stages share the epochs of the run; before each of them but the first, all training rows are predicted once.")
	}
	switch c.PostHoc {
	case sdk.NoPostHoc:
	case sdk.PostHocRepresentation:
		out = append(out, "After training it is fitted once, to predictions and h of the validation rows, and gets both of all rows that are predicted.")
	default:
		out = append(out, "After training it is fitted once, to predictions of the validation rows, and gets those of all rows that are predicted.")
	}
	return strings.Join(out, " ")
}

// thousands is a number with its digits in groups.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// bytes is a number of bytes to three digits.
func bytes(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
