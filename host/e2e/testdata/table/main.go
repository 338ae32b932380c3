// Program table is a training script that knows nothing of Deconfound: a logistic
// regression on the columns of a CSV file, by gradient descent.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

type table struct {
	rows   []string
	labels []float64
	x      [][]float64
}

func main() {
	paths := map[string]*string{}
	for _, name := range []string{"train", "val", "test", "out", "mode"} {
		paths[name] = flag.String(name, "", "")
	}
	steps, seed := flag.Int("steps", 1, ""), flag.Uint64("seed", 0, "")
	flag.Parse()
	train, val, test := read(*paths["train"], true), read(*paths["val"], true), read(*paths["test"], false)
	switch *paths["mode"] {
	case "hang":
		fmt.Println("training for ever")
		<-time.After(time.Hour)
	case "crash":
		fmt.Fprintln(os.Stderr, "out of patience")
		os.Exit(5)
	}
	scale(train.x, val.x, test.x, train.x)
	r := rand.New(rand.NewPCG(*seed, 0))
	w := make([]float64, len(train.x[0])+1)
	for j := range w {
		w[j] = 0.01 * r.NormFloat64()
	}
	for step := range *steps {
		gradient, loss := make([]float64, len(w)), 0.
		for i, x := range train.x {
			p := predict(w, x)
			loss -= math.Log(max(1e-9, 1-math.Abs(train.labels[i]-p)))
			for j, v := range x {
				gradient[j] += (p - train.labels[i]) * v
			}
			gradient[len(x)] += p - train.labels[i]
		}
		for j := range w {
			w[j] -= gradient[j] / float64(len(train.x))
		}
		fmt.Printf("{\"epoch\": %d, \"train/log_loss\": %v}\n", step, loss/float64(len(train.x)))
	}
	f, err := os.Create(filepath.Join(*paths["out"], "predictions.csv"))
	fail(err)
	fmt.Fprintln(f, "row,score")
	for _, t := range []table{val, test} {
		for i, row := range t.rows {
			if *paths["mode"] == "half" && i%2 == 1 {
				continue
			}
			fmt.Fprintf(f, "%s,%v\n", row, predict(w, t.x[i]))
		}
	}
	fail(f.Close())
}

func predict(w, x []float64) float64 {
	sum := w[len(x)]
	for j, v := range x {
		sum += w[j] * v
	}
	return 1 / (1 + math.Exp(-sum))
}

// scale standardises columns by their mean and deviation in train.
func scale(train [][]float64, tables ...[][]float64) {
	n := float64(len(train))
	for j := range train[0] {
		sum, squares := 0., 0.
		for _, x := range train {
			sum, squares = sum+x[j], squares+x[j]*x[j]
		}
		mean := sum / n
		deviation := math.Sqrt(max(squares/n-mean*mean, 1e-9))
		for _, table := range tables {
			for _, x := range table {
				x[j] = (x[j] - mean) / deviation
			}
		}
	}
}

// read reads a file; a label where none belongs is an error.
func read(path string, labelled bool) table {
	f, err := os.Open(path)
	fail(err)
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	fail(err)
	var t table
	for i, record := range records {
		first := 1
		if labelled {
			first = 2
		}
		if i == 0 {
			if (record[1] == "label") != labelled {
				fail(fmt.Errorf("%s: %v", path, record))
			}
			continue
		}
		if labelled {
			y, err := strconv.ParseFloat(record[1], 64)
			fail(err)
			t.labels = append(t.labels, y)
		}
		var x []float64
		for _, text := range record[first:] {
			v := 0.
			if text != "" {
				v, err = strconv.ParseFloat(text, 64)
				fail(err)
			}
			x = append(x, v)
		}
		t.rows, t.x = append(t.rows, record[0]), append(t.x, x)
	}
	return t
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
