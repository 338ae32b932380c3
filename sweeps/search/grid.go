package search

import "maps"

// GridLimit bounds the product of a grid in one cell.
const GridLimit = 10_000

// GridSize is the number of combinations of a grid, at most GridLimit+1, before
// conditions and constraints take some away.
func (s Space) GridSize() int {
	size := int64(1)
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if d.With != "" || !d.Finite() {
			continue
		}
		n := d.Count()
		if n > GridLimit {
			return GridLimit + 1
		}
		if size *= n; size > GridLimit {
			return GridLimit + 1
		}
	}
	return int(size)
}

// grid enumerates the product.
type grid struct{ points []Point }

// newGrid makes the product of all dimensions, without what conditions and
// constraints rule out. The last dimension by name moves fastest; one with a
// condition counts only where it holds.
func newGrid(s *space) *grid {
	points := []Point{{}}
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if d.With != "" {
			continue
		}
		var next []Point
		for _, p := range points {
			for _, v := range d.All() {
				extended := maps.Clone(p)
				extended[d.Name] = v
				next = append(next, extended)
			}
		}
		points = next
	}
	g := &grid{}
	seen := map[string]bool{}
	for _, full := range points {
		p := s.build(func(d *Dimension) any { return full[d.Name] })
		if id := key(p); s.allowed(p) && !seen[id] {
			seen[id] = true
			g.points = append(g.points, p)
		}
	}
	return g
}

func (g *grid) total() int                              { return len(g.points) }
func (g *grid) ready(*Machine, int) bool                { return true }
func (g *grid) propose(_ *Machine, k int) (Point, bool) { return g.points[k], true }
