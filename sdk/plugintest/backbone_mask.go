package plugintest

import (
	"fmt"
	"math"
	"path/filepath"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// checkMask changes what lies behind the mask, in the feature store: the values
// of modalities that a row does not have or that the request hides. Neither h nor
// a gradient may change in a bit, or by much if the plugin is not deterministic.
func (b *backbones) checkMask(p *probe) {
	r := rng.Stream(7, "hidden")
	shown := make([]uint64, tableRows) // one mask a row for the whole check
	for i, own := range b.table.availability {
		shown[i] = draw(r, own, 0.7)
	}
	pick := func(step int) (rows []int32, availability []uint64) {
		for i := range batchRows {
			row := int32((step*batchRows + i) % tableRows)
			rows, availability = append(rows, row), append(availability, shown[row])
		}
		return rows, availability
	}
	type answer struct {
		eval, train, embeddings [][]float32
		end                     state
	}
	var start *state // of the first session
	open := func(store string) *backbone {
		req := b.request(p)
		req.FeatureStore = store
		s := b.open(p, req)
		if start == nil {
			taken, err := s.snapshot()
			p.must(err, "Snapshot")
			start = &taken
		}
		p.must(s.restore(*start), "Restore")
		return s
	}
	steps := tableRows / batchRows
	// Each pass ends at its first error.
	eval := func(s *backbone, out *answer) error {
		for step := range steps {
			rows, availability := pick(step)
			resp, err := s.forward(sdk.ForwardRequest{Rows: rows, Availability: availability})
			if err != nil {
				return fmt.Errorf("forward in eval mode: %w", err)
			}
			out.eval = append(out.eval, resp.H.Data)
			out.embeddings = append(out.embeddings, resp.ModalityEmbeddings.Data)
		}
		return nil
	}
	train := func(s *backbone, out *answer) (err error) {
		for step := range steps {
			rows, availability := pick(step)
			resp, err := s.forward(b.train(rows, availability, uint64(step), s.task))
			if err != nil {
				return fmt.Errorf("forward in train mode: %w", err)
			}
			out.train = append(out.train, resp.H.Data)
			if _, err := s.backward(gradientOfH(uint64(step), len(rows), 0.25)); err != nil {
				return fmt.Errorf("backward: %w", err)
			}
		}
		if out.end, err = s.snapshot(); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		return nil
	}
	var clean answer
	s := open(b.store)
	p.must(eval(s, &clean), "with the data as they are")
	if b.exact() {
		p.must(train(s, &clean), "with the data as they are")
	} else {
		p.notef("training is not compared, since the plugin is not deterministic")
	}
	for i, poison := range []float32{1e30, float32(math.NaN()), -3} {
		store := filepath.Join(b.dir, fmt.Sprintf("poisoned%d", i))
		p.must(b.table.poisoned(shown, poison).write(store), "write a feature store")
		var other answer
		s := open(store)
		err := eval(s, &other)
		for step := range other.eval {
			if x, y := clean.eval[step], other.eval[step]; !b.same(x, y) {
				p.fatalf("h in eval mode depends on values behind the mask: %s", leak(x, y, poison))
			}
			if !b.same(clean.embeddings[step], other.embeddings[step]) {
				p.fatalf("modality embeddings depend on values behind the mask, when these are %v", poison)
			}
		}
		p.must(err, "values behind the mask have an effect: when they are %v, there is an error", poison)
		if !b.exact() {
			continue
		}
		err = train(s, &other)
		for step := range other.train {
			if x, y := clean.train[step], other.train[step]; !b.same(x, y) {
				when := "h in train mode depends"
				if step > 0 {
					when = fmt.Sprintf("after %d training steps, h in train mode or the gradients before it depend", step)
				}
				p.fatalf("%s on values behind the mask: %s", when, leak(x, y, poison))
			}
		}
		p.must(err, "values behind the mask have an effect: when they are %v, there is an error", poison)
		if d := clean.end.difference(other.end); d != "" {
			p.fatalf("gradients depend on values behind the mask, when these are %v: %s", poison, d)
		}
	}
}

// same compares answers of two sessions that should be equal.
func (b *backbones) same(x, y []float32) bool {
	if b.exact() {
		return sameBits(x, y)
	}
	d, _ := farthest(x, y)
	return d < 1e-2
}

func leak(clean, other []float32, poison float32) string {
	if len(clean) != len(other) {
		return "it has another length"
	}
	for i := range clean {
		if math.Float32bits(clean[i]) != math.Float32bits(other[i]) {
			return fmt.Sprintf("row %d column %d of the batch is %v, and %v when they are %v", i/hWidth, i%hWidth, clean[i], other[i], poison)
		}
	}
	return ""
}
