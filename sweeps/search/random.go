package search

import "fmt"

// attempts bounds the draws of one trial that constraints refuse.
const attempts = 1000

// random draws every parameter independently (Bergstra and Bengio, "Random
// search for hyper-parameter optimization", JMLR 13, 2012).
type random struct {
	space  *space
	source Source
	trials int
}

func (r *random) total() int               { return r.trials }
func (r *random) ready(*Machine, int) bool { return true }

// propose draws until the constraints are satisfied. The first draw of a value
// depends on seed, cell, trial and name alone, further ones also on their number.
func (r *random) propose(_ *Machine, k int) (Point, bool) {
	for attempt := range attempts {
		p := r.space.build(func(d *Dimension) any {
			name := d.Name
			if attempt > 0 {
				name = fmt.Sprintf("%s#%d", name, attempt)
			}
			return d.At(r.source.Draw(k, name))
		})
		if r.space.allowed(p) {
			return p, true
		}
	}
	return nil, false
}
