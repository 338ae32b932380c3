package dataset

import (
	"math"
	"strings"

	"github.com/deconfound/deconfound/host/dataset/manifest"
)

// elapsed is the first column of an event sequence: the time since the step
// before, in seconds for dates; 0 for the first step.
const elapsed = "elapsed"

// events turns chosen codes of an event table, such as MEDS (Arnrich et al.,
// 2024), into a sequence. A code that ends in * stands for all codes that begin
// like it.
//
// With a bucket, a step is a period with at least one event, counted from the
// row's first event, and has one column a code: the aggregate of its values.
// Without one, a step is an event, and every code has two columns: whether it is
// this event, and its value.
func (l *loader) events(path string, spec manifest.Modality) (block, error) {
	t, tspec := l.long(spec.Table)
	code, err := l.longColumn(path+".code", t, spec.Code)
	if err != nil {
		return block{}, err
	}
	value, err := l.longColumn(path+".value", t, spec.Value)
	if err != nil {
		return block{}, err
	}
	// The column of every event, -1 for codes that were not chosen.
	chosen, known := make([]int, t.Rows), map[string]int{}
	used := make([]bool, len(spec.Codes))
	for line := range chosen {
		text := code.Text(line)
		k, ok := known[text]
		if !ok {
			k = matchCode(spec.Codes, text)
			known[text] = k
		}
		if chosen[line] = k; k >= 0 {
			used[k] = true
		}
	}
	for k, found := range used {
		if !found {
			return block{}, l.manifest.Errorf(path+".codes", "no event in table %s has code %q", t.Name, spec.Codes[k])
		}
	}
	belongs, err := l.lines(path, spec, t, tspec, func(line int) bool { return chosen[line] >= 0 })
	if err != nil {
		return block{}, err
	}
	head := header{names: []string{elapsed}}
	for _, c := range spec.Codes {
		head.add(encoded{names: []string{c}, oneHot: spec.Bucket == ""})
		if spec.Bucket == "" {
			head.add(encoded{names: []string{c + ":value"}})
		}
	}
	b := newSequence(head, spec.Length, len(l.rows))
	bucket := 0.0
	if spec.Bucket != "" {
		if bucket, err = manifest.ParseBucket(spec.Bucket); err != nil {
			return block{}, err
		}
	}
	for i := range l.rows {
		s := steps{width: b.width}
		events := make([]event, 0, len(belongs.byRow[i]))
		for _, line := range belongs.byRow[i] {
			v, err := value.Number(line)
			if err != nil {
				return block{}, err
			}
			if math.Abs(v) > math.MaxFloat32 {
				return block{}, value.Errorf(line, "%v is too large for single precision", v)
			}
			events = append(events, event{belongs.time[line], chosen[line], v})
		}
		if bucket > 0 {
			s.bucketed(events, bucket, spec.Aggregate)
		} else {
			s.ordered(events)
		}
		b.set(i, s, spec.Keep)
		b.present[i] = b.observed(i, spec)
	}
	return b, nil
}

// observed applies the availability rule to the codes.
func (b *block) observed(i int, spec manifest.Modality) bool {
	if spec.Bucket != "" {
		return b.available(i, 1, spec.Availability)
	}
	if spec.Availability == "any" {
		return b.values.Lengths[i] > 0
	}
	seen, found := make([]bool, len(spec.Codes)), 0
	start := i * b.length * b.width
	for j, v := range b.values.Data[start : start+int(b.values.Lengths[i])*b.width] {
		if c := j % b.width; c > 0 && c%2 == 1 && v == 1 && !seen[c/2] {
			seen[c/2] = true
			found++
		}
	}
	return found == len(spec.Codes)
}

type event struct {
	time  float64
	code  int
	value float64 // NaN for an event without one
}

func matchCode(codes []string, text string) int {
	for k, code := range codes {
		if prefix, wild := strings.CutSuffix(code, "*"); text != "" && (text == code || (wild && strings.HasPrefix(text, prefix))) {
			return k
		}
	}
	return -1
}

func (s *steps) ordered(events []event) {
	for i, e := range events {
		dst := s.add()
		dst[0] = 0
		if i > 0 {
			dst[0] = float32(e.time - events[i-1].time)
		}
		for c := 1; c < s.width; c += 2 {
			dst[c] = 0
		}
		dst[1+2*e.code] = 1
		dst[2+2*e.code] = float32(e.value)
	}
}

// bucketed aggregates events, which are in order of time. An event without a
// value only counts where events are counted.
func (s *steps) bucketed(events []event, width float64, aggregate string) {
	last := math.Inf(-1)
	var dst []float32
	var counts []float64
	for _, e := range events {
		if aggregate != "count" && math.IsNaN(e.value) {
			continue
		}
		period := math.Floor((e.time - events[0].time) / width)
		if period != last {
			dst = s.add()
			counts = make([]float64, s.width)
			dst[0] = 0
			if !math.IsInf(last, 0) {
				dst[0] = float32((period - last) * width)
			}
			if aggregate == "count" {
				clear(dst[1:])
			}
			last = period
		}
		c := 1 + e.code
		counts[c]++
		v := float32(e.value)
		switch first := counts[c] == 1; {
		case aggregate == "count":
			dst[c] = float32(counts[c])
		case first || aggregate == "last":
			dst[c] = v
		case aggregate == "sum":
			dst[c] += v
		case aggregate == "min":
			dst[c] = min(dst[c], v)
		case aggregate == "max":
			dst[c] = max(dst[c], v)
		default: // the running mean
			dst[c] += (v - dst[c]) / float32(counts[c])
		}
	}
}
