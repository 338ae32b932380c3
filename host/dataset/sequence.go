package dataset

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
	"github.com/deconfound/deconfound/sdk/features"
)

// steps is a sequence under construction: [n, width].
type steps struct {
	width  int
	values []float32
}

func (s *steps) add() []float32 {
	n := len(s.values)
	for range s.width {
		s.values = append(s.values, missingCell)
	}
	return s.values[n:]
}

// newSequence makes an empty block of n rows.
func newSequence(head header, length, n int) block {
	b := block{header: head, width: len(head.names), length: length, present: make([]bool, n)}
	b.values = features.Values{Data: make([]float32, n*length*b.width), Lengths: make([]int32, n)}
	for i := range b.values.Data {
		b.values.Data[i] = missingCell
	}
	return b
}

// set stores the steps of row i, as many as fit.
func (b *block) set(i int, s steps, keep string) {
	n := len(s.values) / b.width
	values := s.values
	if n > b.length {
		if keep == "last" {
			values = values[(n-b.length)*b.width:]
		}
		n = b.length
	}
	b.values.Lengths[i] = int32(n)
	copy(b.values.Data[i*b.length*b.width:], values[:n*b.width])
}

// available reports whether the columns from skip on have enough values among
// the stored steps of row i.
func (b *block) available(i, skip int, rule string) bool {
	seen, found := make([]bool, b.width), 0
	start := i * b.length * b.width
	for j, v := range b.values.Data[start : start+int(b.values.Lengths[i])*b.width] {
		if c := j % b.width; c >= skip && v == v && !seen[c] {
			seen[c] = true
			found++
		}
	}
	return found == b.width-skip || (found > 0 && rule == "any")
}

// lines of a long table that belong to each row of the dataset, in the order of
// time and not after the row's limit.
type lines struct {
	byRow [][]int
	time  []float64 // by line
}

func (l *loader) lines(path string, spec manifest.Modality, t *table.Table, tspec manifest.Table, use func(line int) bool) (lines, error) {
	key, err := l.longColumn(path+".table", t, tspec.Key)
	if err != nil {
		return lines{}, err
	}
	when, err := l.longColumn(path+".time", t, spec.Time)
	if err != nil {
		return lines{}, err
	}
	on, err := l.column(fmt.Sprintf("table[%d].on", slices.IndexFunc(l.manifest.Tables, func(x manifest.Table) bool { return x.Name == tspec.Name })), tspec.On)
	if err != nil {
		return lines{}, err
	}
	var until field
	if spec.Until != "" {
		if until, err = l.column(path+".until", spec.Until); err != nil {
			return lines{}, err
		}
	}
	out := lines{byRow: make([][]int, len(l.rows)), time: make([]float64, t.Rows)}
	byKey := map[string][]int{}
	keys, timeless := 0, 0
	for line := range t.Rows {
		if key.Missing(line) {
			continue
		}
		keys++
		if !use(line) {
			continue
		}
		if out.time[line], err = when.Time(line); err != nil {
			return lines{}, err
		}
		if math.IsNaN(out.time[line]) {
			timeless++
			continue
		}
		byKey[key.Text(line)] = append(byKey[key.Text(line)], line)
	}
	if timeless > 0 {
		l.dropped = append(l.dropped, Dropped{Reason: fmt.Sprintf("lines of table %s without a time, for modality %s", t.Name, spec.Name), Count: timeless})
	}
	for _, of := range byKey {
		sort.SliceStable(of, func(i, j int) bool { return out.time[of[i]] < out.time[of[j]] })
	}
	matched := false
	for i, row := range l.rows {
		of := byKey[on.Text(row)]
		matched = matched || len(of) > 0
		if spec.Until != "" {
			limit := math.NaN()
			if !until.Missing(row) {
				if limit, err = until.Column.Time(until.at(row)); err != nil {
					return lines{}, err
				}
			}
			// A row without a limit has no lines: nothing says which came before.
			n := sort.Search(len(of), func(j int) bool { return !(out.time[of[j]] <= limit) })
			of = of[:n]
		}
		out.byRow[i] = of
	}
	if !matched {
		return lines{}, l.manifest.Errorf(path, "no line of table %s belongs to a row of the dataset: check key = %q, on = %q%s", t.Name, tspec.Key, tspec.On, codesHint(spec, keys))
	}
	return out, nil
}

func codesHint(spec manifest.Modality, keys int) string {
	if len(spec.Codes) > 0 && keys > 0 {
		return " and the codes"
	}
	return ""
}

// sequence makes one step out of every line of a long table that has a value.
func (l *loader) sequence(path string, spec manifest.Modality) (block, error) {
	t, tspec := l.long(spec.Table)
	columns := slices.Clone(spec.Columns)
	for _, name := range t.Names() {
		if spec.Prefix != "" && strings.HasPrefix(name, spec.Prefix) && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	if len(columns) == 0 {
		return block{}, l.manifest.Errorf(path+".prefix", "no column of table %s begins with %q", t.Name, spec.Prefix)
	}
	all := make([]int, t.Rows)
	for line := range all {
		all[line] = line
	}
	var head header
	encodings := make([]encoded, len(columns))
	for i, name := range columns {
		c, err := l.longColumn(path+".columns", t, name)
		if err != nil {
			return block{}, err
		}
		if encodings[i], err = l.encode(path+".columns", name, field{c, nil}, all); err != nil {
			return block{}, err
		}
		head.add(encodings[i])
	}
	belongs, err := l.lines(path, spec, t, tspec, func(int) bool { return true })
	if err != nil {
		return block{}, err
	}
	b := newSequence(head, spec.Length, len(l.rows))
	for i := range l.rows {
		s := steps{width: b.width}
		for _, line := range belongs.byRow[i] {
			dst, found := s.add(), false
			for _, e := range encodings {
				ok, err := e.cell(line, dst[:len(e.names)])
				if err != nil {
					return block{}, err
				}
				found = found || ok
				dst = dst[len(e.names):]
			}
			if !found {
				s.values = s.values[:len(s.values)-s.width]
			}
		}
		b.set(i, s, spec.Keep)
		b.present[i] = b.available(i, 0, spec.Availability)
	}
	return b, nil
}
