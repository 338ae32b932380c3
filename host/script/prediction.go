package script

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// largestFile bounds what is read of a script.
	largestFile = 1 << 30
	// sumTolerance is how far the probabilities of a row's classes may be from 1.
	sumTolerance = 1e-3
)

// scoreColumns names the columns of a prediction: score, or score_0, score_1 and so
// on where there are several classes or labels.
func scoreColumns(outputs int) []string {
	if outputs == 1 {
		return []string{"score"}
	}
	out := make([]string, outputs)
	for i := range out {
		out[i] = "score_" + strconv.Itoa(i)
	}
	return out
}

// readPredictions reads a CSV file with a column row, the hash that the script was
// given, and the scores, in any order; other columns are ignored. It answers the
// scores, [len(want), outputs], in the order of want. Every row of want must have one
// prediction of probabilities, and no other row may.
func readPredictions(path string, want addressed, outputs int, exclusive bool) ([]float32, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the script ended and did not write %s", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > largestFile:
		return nil, sdk.Errorf(sdk.CodeBadRequest, "%s is no file of at most %d bytes", path, largestFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	scores, err := parsePredictions(f, want, outputs, exclusive)
	if err != nil {
		return nil, fmt.Errorf("predictions %s: %w", path, err)
	}
	return scores, nil
}

func parsePredictions(in io.Reader, want addressed, outputs int, exclusive bool) ([]float32, error) {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	bad := func(code sdk.Code, format string, args ...any) error {
		line, _ := r.FieldPos(0)
		return sdk.Errorf(code, "line %d: %s", line, fmt.Sprintf(format, args...))
	}
	header, err := r.Read()
	if err != nil {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "no header: %v", err)
	}
	names := append([]string{"row"}, scoreColumns(outputs)...)
	at := make([]int, len(names))
	for i, name := range names {
		if at[i] = slices.Index(header, name); at[i] < 0 {
			return nil, sdk.Errorf(sdk.CodeBadShape, "there is no column %q; a file for this task has %q", name, names)
		}
	}
	scores, found := make([]float32, len(want)*outputs), make([]bool, len(want))
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "%v", err)
		}
		key, err := strconv.ParseInt(record[at[0]], 10, 64)
		if err != nil {
			return nil, bad(sdk.CodeBadRequest, "row is %q; it must be the whole number of the column row, unchanged (64 bits do not fit into a float)", record[at[0]])
		}
		i, known := want[key]
		if !known {
			return nil, bad(sdk.CodeBadRequest, "row %d is in neither the validation nor the test file", key)
		}
		if found[i] {
			return nil, bad(sdk.CodeBadRequest, "row %d is predicted twice", key)
		}
		found[i] = true
		sum := 0.
		for c := range outputs {
			v, err := strconv.ParseFloat(record[at[c+1]], 64)
			switch {
			case err != nil:
				return nil, bad(sdk.CodeNotFinite, "%s of row %d is %q, not a number", names[c+1], key, record[at[c+1]])
			case !(v >= 0 && v <= 1):
				return nil, bad(sdk.CodeNotFinite, "%s of row %d is %v, not a probability from 0 to 1", names[c+1], key, v)
			}
			scores[i*outputs+c] = float32(v)
			sum += v
		}
		if exclusive && outputs > 1 && math.Abs(sum-1) > sumTolerance {
			return nil, bad(sdk.CodeBadRequest, "the probabilities of row %d sum to %v, not 1", key, sum)
		}
	}
	missing, first := 0, int64(0)
	for key, i := range want {
		if !found[i] {
			if missing == 0 || key < first {
				first = key
			}
			missing++
		}
	}
	if missing > 0 {
		return nil, sdk.Errorf(sdk.CodeBadShape, "%d of %d validation and test rows have no prediction, among them row %d", missing, len(want), first)
	}
	return scores, nil
}
