package script

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/dataset/table"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

// records reads a CSV file that was written for a script.
func records(t *testing.T, path string) (header []string, rows map[string][]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string][]string{}
	for _, r := range all[1:] {
		rows[r[0]] = r[1:]
	}
	if len(rows) != len(all)-1 {
		t.Errorf("%s has keys twice", path)
	}
	return all[0], rows
}

// constant predicts the same of every row of val and test.
func constant(t *testing.T, scores ...string) trainer {
	return func(fields map[string]string, _ func(string) (bool, error)) error {
		header := "row,score"
		if len(scores) > 1 {
			header = "row"
			for c := range scores {
				header += fmt.Sprintf(",score_%d", c)
			}
		}
		var text strings.Builder
		text.WriteString(header + "\n")
		for _, part := range []string{"test", "val"} {
			_, rows := records(t, fields[part])
			for key := range rows {
				text.WriteString(key + "," + strings.Join(scores, ",") + "\n")
			}
		}
		return os.WriteFile(filepath.Join(fields["out"], "p.csv"), []byte(text.String()), 0o600)
	}
}

func TestTrain(t *testing.T) {
	for task, scores := range map[string][]string{"binary": {"0.25"}, "multiclass": {"0.25", "0.5", "0.25"}, "multilabel": {"0.25", "1"}} {
		t.Run(task, func(t *testing.T) {
			d := data(t, cohort(t, task))
			var work string
			run := constant(t, scores...)
			done, err := Train(t.Context(), trainer(func(fields map[string]string, line func(string) (bool, error)) error {
				work = filepath.Dir(fields["out"])
				if line != nil || fields["param.prior"] != "0.25" || fields["seed"] == "" {
					t.Errorf("got the fields %v", fields)
				}
				return run(fields, line)
			}), entry("csv", ""), config(), d, recorder{})
			if err != nil {
				t.Fatal(err)
			}
			if done.Memory != 1<<20 {
				t.Errorf("got a memory of %d", done.Memory)
			}
			if _, err := os.Stat(work); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", work, err)
			}
			sets := map[string]int{}
			for _, p := range done.Outcome.Predictions {
				sets[p.TestSet]++
				c := p.Class
				if task == "binary" {
					c = 0
				}
				if want, _ := strconv.ParseFloat(scores[c], 32); p.Score != float32(want) || p.Observed != p.Score {
					t.Fatalf("got %+v, want a score of %v", p, want)
				}
			}
			for _, test := range d.Tests {
				if sets[test.Name] == 0 {
					t.Errorf("no predictions of %s: %v", test.Name, sets)
				}
			}
			for _, m := range []train.Metric{{Name: "log_loss", Split: "val"}, {Name: "log_loss", Split: "test"}, {Name: "n", Split: "do"}} {
				if v, ok := done.Outcome.Values[m]; !ok || math.IsNaN(v) {
					t.Errorf("%v is %v", m, v)
				}
			}
		})
	}
}

// What a script sees: labels of training and validation rows and of no other, values
// as they were recorded, and nothing of what a row lacks or is not to be shown.
func TestTrain_files(t *testing.T) {
	d := data(t, cohort(t, "binary"))
	store := d.Store
	run := constant(t, "0.5")
	_, err := Train(t.Context(), trainer(func(fields map[string]string, line func(string) (bool, error)) error {
		header, train := records(t, fields["train"])
		want := []string{
			"row", "label", "base.available", "base.age", "labs.available", "labs.crp", "notes.available", "notes.0", "notes.1",
			"visits.available", "visits.0.pulse", "visits.1.pulse", "visits.2.pulse",
		}
		if !slices.Equal(header, want) {
			t.Errorf("got the columns %v", header)
		}
		if len(train) != len(d.Split.Train) {
			t.Errorf("%d training rows, want %d", len(train), len(d.Split.Train))
		}
		for _, row := range d.Split.Train {
			got := train[strconv.FormatInt(store.UnitHash()[row], 10)]
			if got == nil || got[0] != strconv.Itoa(int(store.Labels()[row])) {
				t.Fatalf("row %d: got %v", row, got)
			}
			crp, err := store.Features().Raw(1, row)
			if err != nil {
				t.Fatal(err)
			}
			seen := store.Availability()[row]>>1&1 == 1
			if v, err := strconv.ParseFloat(got[4], 32); seen != (got[3] == "1") || seen != (err == nil) || seen && float32(v) != crp[0] {
				t.Errorf("row %d has a crp of %v (%v), the script sees %v", row, crp, seen, got)
			}
		}
		header, tested := records(t, fields["test"])
		if slices.ContainsFunc(header, func(s string) bool { return strings.HasPrefix(s, "label") }) || len(header) != len(want)-1 {
			t.Errorf("the test file has the columns %v", header)
		}
		// Every test row as it is, and those of do that have lost something.
		changed := 0
		for i, row := range d.Tests[1].Rows {
			if d.Tests[1].Availability[i] != store.Availability()[row] {
				changed++
			}
		}
		if changed == 0 || len(tested) != len(d.Split.Test)+changed {
			t.Errorf("%d test rows, want %d and %d with less", len(tested), len(d.Split.Test), changed)
		}
		for key, got := range tested {
			for j, name := range header[1:] {
				block, _, _ := strings.Cut(name, ".")
				at := slices.Index(header, block+".available") - 1
				if got[at] == "0" && j != at && got[j] != "" {
					t.Errorf("row %s sees %s, which it does not have: %v", key, name, got)
				}
			}
		}
		return run(fields, line)
	}), entry("csv", ""), config(), d, recorder{})
	if err != nil {
		t.Fatal(err)
	}
}

// The three formats say the same.
func TestSample_formats(t *testing.T) {
	for task := range labels {
		t.Run(task, func(t *testing.T) {
			store := cohort(t, task)
			d, dir := data(t, store), t.TempDir()
			s := plainSample(store, d.Split.Validation)
			paths := map[string]string{}
			for _, format := range []string{"csv", "npy", "parquet"} {
				path, err := s.write(store, format, dir, "val")
				if err != nil {
					t.Fatal(err)
				}
				paths[format] = path
			}
			names := append(labelColumns(store), columns(store)...)
			var want [][]float32
			for i := range s.keys {
				values, err := s.record(store, i)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, values)
			}
			for _, format := range []string{"csv", "parquet"} {
				read, err := table.Read([]table.File{{Path: paths[format]}}, table.Options{Format: format})
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if key := read.Column("row").Text(i); format == "csv" && key != strconv.FormatInt(s.keys[i], 10) {
						t.Fatalf("row %d has the key %s, want %d", i, key, s.keys[i])
					}
					for j, name := range names {
						got := math.NaN()
						if column := read.Column(name); !column.Missing(i) {
							if got, err = column.Number(i); err != nil {
								t.Fatal(err)
							}
						}
						if !close32(float32(got), want[i][j]) {
							t.Fatalf("%s, %s of row %d: got %v, want %v", format, name, i, got, want[i][j])
						}
					}
				}
			}
			array := func(name string) []float32 {
				text, err := os.ReadFile(filepath.Join(paths["npy"], name))
				if err != nil {
					t.Fatal(err)
				}
				values, shape, err := npy.Read[float32](text)
				if err != nil || shape[0] != len(want) {
					t.Fatalf("%s: %v, shape %v", name, err, shape)
				}
				return values
			}
			x, y, labelled := array("features.npy"), array("labels.npy"), len(labelColumns(store))
			for i := range want {
				for j, v := range want[i] {
					of, at, width := y, j, labelled
					if j >= labelled {
						of, at, width = x, j-labelled, len(names)-labelled
					}
					got := of[i*width+at]
					if !close32(got, v) {
						t.Fatalf("npy, %s of row %d: got %v, want %v", names[j], i, got, v)
					}
				}
			}
			text, err := os.ReadFile(filepath.Join(paths["npy"], "rows.npy"))
			if err != nil {
				t.Fatal(err)
			}
			if keys, _, err := npy.Read[int64](text); err != nil || !slices.Equal(keys, s.keys) {
				t.Errorf("got the keys %v, %v", keys, err)
			}
			hidden, _ := testSample(store, d.Tests, 1)
			path, err := hidden.write(store, "npy", dir, "test")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(path, "labels.npy")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the test rows have labels: %v", err)
			}
		})
	}
}

// A script that fails, or has written nothing, fails its run with its own code.
func TestTrain_failures(t *testing.T) {
	d := data(t, cohort(t, "binary"))
	refused := sdk.Errorf(sdk.CodeDeadline, "late")
	for name, c := range map[string]struct {
		run  trainer
		code sdk.Code
	}{
		"late":    {func(map[string]string, func(string) (bool, error)) error { return refused }, sdk.CodeDeadline},
		"nothing": {func(map[string]string, func(string) (bool, error)) error { return nil }, sdk.CodeBadRequest},
		"link": {func(fields map[string]string, _ func(string) (bool, error)) error {
			return os.Symlink("/dev/zero", filepath.Join(fields["out"], "p.csv"))
		}, sdk.CodeBadRequest},
		"nan": {constant(t, "nan"), sdk.CodeNotFinite},
	} {
		if _, err := Train(t.Context(), c.run, entry("csv", ""), config(), d, recorder{}); sdk.CodeOf(err) != c.code {
			t.Errorf("%s: got %v (%s), want %s", name, err, sdk.CodeOf(err), c.code)
		}
	}
	e := entry("csv", "")
	e.Script.Info.Capabilities.Tasks = []sdk.TaskKind{sdk.Multiclass}
	if _, err := Train(t.Context(), constant(t, "0.5"), e, config(), d, recorder{}); sdk.CodeOf(err) != sdk.CodeUnsupported {
		t.Errorf("another task: got %v", err)
	}
}

// Metrics come from the output or from a file, by epoch.
func TestTrain_metrics(t *testing.T) {
	d := data(t, cohort(t, "binary"))
	want := recorder{
		0: {{Name: "log_loss", Split: "train"}: 0.7, {Name: "auroc", Split: "val"}: 0.5},
		3: {{Name: "log_loss", Split: "train"}: 0.6},
	}
	for metrics, text := range map[string]string{
		"stdout":  "",
		"m.jsonl": "{\"epoch\": 0, \"log_loss\": 0.7, \"val/auroc\": 0.5}\n\n{\"epoch\": 3, \"train/log_loss\": 0.6, \"note\": \"best\"}\n",
		"m.csv":   "epoch,train/log_loss,val/auroc\n0,0.7,0.5\n3,0.6,\n",
	} {
		got := recorder{}
		run := constant(t, "0.5")
		_, err := Train(t.Context(), trainer(func(fields map[string]string, line func(string) (bool, error)) error {
			if metrics != "stdout" {
				write(t, filepath.Join(fields["out"], metrics), text)
				return run(fields, line)
			}
			for _, l := range []struct {
				text  string
				taken bool
			}{
				{`{"epoch": 0, "train/log_loss": 0.7}`, true},
				{`{"epoch": 0, "val/auroc": 0.5}`, true},
				{`{"epoch": NaN}`, false},
				{`{"message": "no epoch"}`, false},
				{"epoch 1", false},
				{`{"epoch": 3, "train/log_loss": 0.6}`, true},
			} {
				if taken, err := line(l.text); err != nil || taken != l.taken {
					t.Errorf("%s: got %v, %v", l.text, taken, err)
				}
			}
			return run(fields, line)
		}), entry("csv", metrics), config(), d, got)
		if err != nil {
			t.Errorf("%s: %v", metrics, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", metrics, got, want)
		}
	}
}

func TestProgress_refuses(t *testing.T) {
	for name, lines := range map[string][]string{
		"backwards": {`{"epoch": 2, "a": 1}`, `{"epoch": 1, "a": 1}`},
		"half":      {`{"epoch": 0.5, "a": 1}`},
		"negative":  {`{"epoch": -1, "a": 1}`},
		"name":      {`{"epoch": 1, "a b": 1}`},
		"split":     {`{"epoch": 1, "/a": 1}`},
	} {
		p := newProgress(recorder{})
		var err error
		for _, l := range lines {
			_, err = p.line(l)
		}
		if sdk.CodeOf(err) != sdk.CodeBadRequest {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p := newProgress(recorder{})
	var err error
	for i := range mostMetrics + 1 {
		_, err = p.line(fmt.Sprintf(`{"epoch": %d, "m%d": 1}`, i, i))
	}
	if sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("many metrics: got %v", err)
	}
}
