package search

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Outside is the method whose points come from outside of this package: the machine
// says what it wants proposed (Ask), and the caller hands it the point (Offer).
const Outside = "plugin"

// Plugin names who proposes, by method Outside.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Hash    string `json:"hash"` // of its files
	// Settings are complete; values are float64, int64, bool or string.
	Settings map[string]any `json:"settings"`
}

// Ask is all that the proposal of a trial may depend on. Without a stopping rule it
// is the same whatever the order of events.
type Ask struct {
	Plugin Plugin
	// Dimensions are those to choose: neither fixed nor following another.
	Dimensions []Dimension
	Goal       string
	Epochs     int
	Trials     []Shown // by number
	Number     int
	Seed       uint64
	Refused    []Point // of this trial, by Judge
}

// Shown is another trial as the proposal sees it.
type Shown struct {
	Number int
	// State is Training of one whose result does not count yet.
	State State
	Point Point // of Ask.Dimensions, without what it does not have
	Epoch int   // that Value is of; 0: nothing is known
	Value float64
}

// asked takes what was offered.
type asked struct {
	trials, parallel int
	offered          map[int]Point
}

func (a *asked) total() int { return a.trials }

func (a *asked) ready(_ *Machine, k int) bool {
	_, ok := a.offered[k]
	return ok
}

func (a *asked) propose(_ *Machine, k int) (Point, bool) {
	p, ok := a.offered[k]
	return p, ok
}

// settled are how many trials have a result that counts for trial k.
func (a *asked) settled(k int) int { return max(0, k-a.parallel+1) }

// Ask says what is to be proposed next; false if nothing is, now or ever. It waits
// until every trial but the last Parallel-1 has shown a value or ended, and shows
// those last ones as Training even if they have ended.
func (m *Machine) Ask() (Ask, bool) {
	a, ok := m.sampler.(*asked)
	k := len(m.trials)
	if !ok || k >= a.trials {
		return Ask{}, false
	}
	settled := a.settled(k)
	for _, t := range m.trials[:settled] {
		if t.State == Training && len(t.Reports) == 0 {
			return Ask{}, false
		}
	}
	sum := m.config.Source.sum("sampler", 0)
	out := Ask{
		Plugin: *m.config.Plugin, Goal: m.config.Goal, Epochs: m.config.Epochs, Number: k,
		Seed: binary.LittleEndian.Uint64(sum[:]),
	}
	for _, d := range m.space.Dimensions {
		if d.asked() {
			d.Values = slices.Clone(d.Values)
			for i, v := range d.Values {
				d.Values[i] = d.typed(v)
			}
			out.Dimensions = append(out.Dimensions, d)
		}
	}
	for _, t := range m.trials {
		if t.Point != nil {
			out.Trials = append(out.Trials, m.shown(t, t.Number < settled))
		}
	}
	return out, true
}

// asked reports whether somebody has to choose a value of the dimension.
func (d *Dimension) asked() bool { return d.Free() && d.With == "" }

func (m *Machine) shown(t *Trial, counts bool) Shown {
	out := Shown{Number: t.Number, State: Training, Point: Point{}, Value: math.NaN()}
	for i := range m.space.Dimensions {
		d := &m.space.Dimensions[i]
		if v, ok := t.Point[d.Name]; ok && d.asked() {
			out.Point[d.Name] = v
		}
	}
	if !counts {
		return out
	}
	if t.State == Repeat {
		t = m.trials[t.Of] // an earlier one, so it counts too
	}
	out.Epoch, out.Value = t.last(m.config.Epochs)
	if t.State != Waiting {
		out.State = t.State
	}
	return out
}

// Judge makes the point of a trial out of one that has a value for each of
// Ask.Dimensions: values are rounded as those of all methods are, and what the
// conditions rule out is left away. An error says what is wrong with it; allowed is
// false if a constraint refuses it.
func (m *Machine) Judge(values map[string]any) (p Point, allowed bool, err error) {
	chosen := map[string]any{}
	for i := range m.space.Dimensions {
		d := &m.space.Dimensions[i]
		if !d.asked() {
			continue
		}
		v, ok := values[d.Name]
		if !ok {
			return nil, false, fmt.Errorf("the point has no value of %s", d.Name)
		}
		if chosen[d.Name], err = d.take(v); err != nil {
			return nil, false, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, known := chosen[name]; !known {
			return nil, false, fmt.Errorf("the point has a value of %.200q, which was not asked for", name)
		}
	}
	p = m.space.build(func(d *Dimension) any {
		if d.asked() {
			return chosen[d.Name]
		}
		return d.At(0)
	})
	return p, m.space.allowed(p), nil
}

// take answers a value of the dimension that a proposal has.
func (d *Dimension) take(v any) (any, error) {
	if d.Kind == Values {
		at := d.index(v)
		if at < 0 {
			return nil, fmt.Errorf("%s is %.200s (%T), which is none of its values", d.Name, fmt.Sprint(v), v)
		}
		return d.typed(d.Values[at]), nil
	}
	var x float64
	switch n := v.(type) {
	case float64:
		x = n
	case int64:
		x = float64(n)
	default:
		return nil, fmt.Errorf("%s is %.200s (%T), it takes a number", d.Name, fmt.Sprint(v), v)
	}
	if math.IsNaN(x) || x < d.Min || x > d.Max {
		return nil, fmt.Errorf("%s is %v, outside %v to %v", d.Name, x, d.Min, d.Max)
	}
	if d.Kind == IntUniform && x != math.Trunc(x) {
		return nil, fmt.Errorf("%s is %v, it takes a whole number", d.Name, x)
	}
	if d.Step > 0 && d.Kind != LogUniform {
		if steps := (x - d.Min) / d.Step; math.Abs(steps-math.Round(steps)) > 1e-6 {
			return nil, fmt.Errorf("%s is %v, between the steps of %v from %v", d.Name, x, d.Step, d.Min)
		}
		return d.near(x), nil
	}
	return d.near(x), nil
}

// Offer is the event of a point, as Judge answered it, for the trial that Ask asked
// about.
func Offer(number int, p Point) Event {
	return Event{Kind: Offered, Trial: number, Point: p, Value: nan, Best: nan, Mean: nan}
}

// offer takes note of an offered point; false if it is not what Ask asks for.
func (m *Machine) offer(e Event) bool {
	a, ok := m.sampler.(*asked)
	if ask, wanted := m.Ask(); !ok || !wanted || ask.Number != e.Trial || e.Point == nil {
		return false
	}
	m.space.read(e.Point)
	a.offered = map[int]Point{e.Trial: e.Point}
	return true
}
