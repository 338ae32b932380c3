package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/dataset/bundled"
)

// Build the store of the bundled dataset, look at what is missing, and split it.
func Example() {
	dir, err := os.MkdirTemp("", "deconfound")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	paths, err := bundled.Extract(filepath.Join(dir, "data"))
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := dataset.Key(filepath.Join(dir, "installation.key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	src, err := dataset.Load(paths["nafld"])
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := dataset.Build(src, filepath.Join(dir, "stores"), key)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	for _, m := range store.Audit().Modalities {
		fmt.Printf("%-8s %d columns, %4.1f %% missing, deaths %4.1f %% with it and %4.1f %% without\n",
			m.Name, m.Width, 100*m.Missing, 100*m.Observed, 100*m.Absent)
	}
	split, err := store.Split(dataset.SplitSpec{Scheme: dataset.Holdout}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	tests, err := store.Tests([]string{dataset.ShiftDo, dataset.ShiftFlip}, split, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(split.Train), "train,", len(split.Validation), "validate,", len(split.Test), "are tested, in", len(tests), "test sets")
	// Output:
	// base     10 columns,  0.0 % missing, deaths  6.8 % with it and  0.0 % without
	// anthro   3 columns, 15.5 % missing, deaths  7.0 % with it and  5.9 % without
	// lipid    2 columns, 26.5 % missing, deaths  7.3 % with it and  5.6 % without
	// bp       2 columns, 70.1 % missing, deaths 11.0 % with it and  5.1 % without
	// fibrosis 1 columns, 92.7 % missing, deaths 27.5 % with it and  5.2 % without
	// smoking  1 columns, 94.2 % missing, deaths 16.5 % with it and  6.2 % without
	// 6422 train, 2084 validate, 2146 are tested, in 3 test sets
}
