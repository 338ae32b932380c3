package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Point is a configuration: values by parameter name. A parameter whose
// condition does not hold is absent. Values are float64, int64, bool or string.
type Point map[string]any

// Space is what a cell's trials choose from.
type Space struct {
	Cell        Cell        `json:"cell"`
	Dimensions  []Dimension `json:"dimensions"` // by name
	Constraints []string    `json:"constraints,omitempty"`
}

// space is a Space made ready.
type space struct {
	Space
	order       []int // of Dimensions: conditions after what they look at
	when        []*Expression
	constraints []*Expression
}

// prepare compiles the expressions and orders the dimensions.
func (s Space) prepare() (*space, error) {
	out := &space{Space: s, when: make([]*Expression, len(s.Dimensions))}
	place := map[string]int{}
	for i, d := range s.Dimensions {
		place[d.Name] = i
	}
	after := make([][]int, len(s.Dimensions))
	for i, d := range s.Dimensions {
		if d.When != "" {
			e, err := must(d.When)
			if err != nil {
				return nil, err
			}
			out.when[i] = e
			for _, name := range e.Parameters {
				if j, ok := place[name]; ok {
					after[i] = append(after[i], j)
				}
			}
		}
		if d.With != "" {
			j, ok := place[d.With]
			if !ok {
				return nil, fmt.Errorf("%s moves with %s, which is not there", d.Name, d.With)
			}
			after[i] = append(after[i], j)
		}
	}
	for _, text := range s.Constraints {
		e, err := must(text)
		if err != nil {
			return nil, err
		}
		out.constraints = append(out.constraints, e)
	}
	placed := make([]bool, len(s.Dimensions))
	for len(out.order) < len(s.Dimensions) {
		before := len(out.order)
		for i := range s.Dimensions {
			if !placed[i] && !slices.ContainsFunc(after[i], func(j int) bool { return !placed[j] }) {
				placed[i] = true
				out.order = append(out.order, i)
			}
		}
		if len(out.order) == before {
			i := slices.Index(placed, false)
			return nil, fmt.Errorf("the condition of %s depends on itself", s.Dimensions[i].Name)
		}
	}
	return out, nil
}

// active reports whether a point that has all earlier dimensions has this one.
func (s *space) active(i int, p Point) bool {
	d := &s.Dimensions[i]
	if d.With != "" {
		if _, ok := p[d.With]; !ok {
			return false
		}
	}
	if s.when[i] == nil {
		return true
	}
	holds, known := s.when[i].Holds(s.Cell, p)
	return holds && known
}

// build makes a point: choose gives the value of every active dimension that
// does not follow another.
func (s *space) build(choose func(d *Dimension) any) Point {
	p := Point{}
	for _, i := range s.order {
		d := &s.Dimensions[i]
		switch {
		case !s.active(i, p):
		case d.With != "":
			p[d.Name] = s.follow(d, p)
		default:
			p[d.Name] = choose(d)
		}
	}
	return p
}

// follow is the value of a dimension that moves with another.
func (s *space) follow(d *Dimension, p Point) any {
	for i := range s.Dimensions {
		if leader := &s.Dimensions[i]; leader.Name == d.With {
			return d.typed(d.Values[max(0, leader.index(p[d.With]))])
		}
	}
	return nil
}

// allowed reports whether a point satisfies every constraint. One that looks at
// a parameter which the point does not have says nothing.
func (s *space) allowed(p Point) bool {
	for _, c := range s.constraints {
		if holds, known := c.Holds(s.Cell, p); known && !holds {
			return false
		}
	}
	return true
}

// key identifies a point.
func key(p Point) string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%q=%T:%v\n", name, p[name], p[name])
	}
	return b.String()
}

// read gives the values of a point that was JSON their types back.
func (s *space) read(p Point) {
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if v, ok := p[d.Name]; ok {
			p[d.Name] = d.typed(v)
		}
	}
}

// fingerprint identifies what a search chooses from.
func fingerprint(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("describe search: %w", err)
	}
	return string(text), nil
}
