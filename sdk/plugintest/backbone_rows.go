package plugintest

import (
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// rowTolerance is what the order of additions may change in h, relative to
// values above 1.
const rowTolerance = 1e-5

// checkRows permutes and repeats the rows of a batch in eval mode: h must follow.
func (b *backbones) checkRows(p *probe) {
	s := b.settled(p)
	rows := b.mixed()
	want := s.h(p, b.eval(rows))
	reversed := slices.Clone(rows)
	slices.Reverse(reversed)
	got := s.h(p, b.eval(reversed))
	b.compareRows(p, "when the batch is reversed", reversed, got, rows, want)
	if again := s.h(p, b.eval(rows)); b.exact() && !sameBits(again, want) {
		p.failf("the same Forward in eval mode answers another h the second time")
	}
}

// checkBatch compares h of a row alone and in other company with h among others.
func (b *backbones) checkBatch(p *probe) {
	if !b.info.Capabilities.BatchIndependent {
		p.skipf("the capabilities do not promise independence of the batch")
	}
	s := b.settled(p)
	rows := b.mixed()
	want := s.h(p, b.eval(rows))
	for _, row := range rows {
		b.compareRows(p, "alone", []int32{row}, s.h(p, b.eval([]int32{row})), rows, want)
	}
	half := append(slices.Clone(rows[4:9]), rows[6], rows[6])
	b.compareRows(p, "in a smaller batch with repeated rows", half, s.h(p, b.eval(half)), rows, want)
	// The same rows again, with others that have less.
	req := b.eval(rows)
	for i := range rows {
		if i%2 == 1 {
			req.Availability[i] &= -req.Availability[i]
		}
	}
	got := s.h(p, req)
	for i := 0; i < len(rows); i += 2 {
		b.compareRows(p, "when its neighbours have less", rows[i:i+1], got[i*hWidth:(i+1)*hWidth], rows, want)
	}
}

// settled is a session after some training, when running statistics are no longer
// the initial ones.
func (b *backbones) settled(p *probe) *backbone {
	s := b.open(p, b.request(p))
	_, err := s.train(1, 3)
	p.must(err, "train two steps")
	return s
}

// compareRows looks up every row of got in want.
func (b *backbones) compareRows(p *probe, how string, rows []int32, got []float32, among []int32, want []float32) {
	for i, row := range rows {
		j := slices.Index(among, row)
		d, at := farthest(got[i*hWidth:(i+1)*hWidth], want[j*hWidth:(j+1)*hWidth])
		if d > rowTolerance {
			p.failf("%s, h of row %d column %d is %v, among others it is %v", how, row, at, got[i*hWidth+at], want[j*hWidth+at])
			return
		}
	}
}

// checkDeterminism trains two sessions of one seed and one of another.
func (b *backbones) checkDeterminism(p *probe) {
	if !b.info.Capabilities.Deterministic {
		p.skipf("the capabilities do not promise determinism")
	}
	req := b.request(p)
	run := func(req sdk.OpenRequest) (start state, t trained) {
		s := b.open(p, req)
		start, err := s.snapshot()
		p.must(err, "Snapshot")
		t, err = s.train(1, 4)
		p.must(err, "train three steps")
		return start, t
	}
	start, first := run(req)
	again, second := run(req)
	if d := start.difference(again); d != "" {
		b.unstable = true
		p.failf("two sessions of one seed start differently: %s", d)
	} else if d := first.difference(second); d != "" {
		b.unstable = true
		p.failf("two sessions of one seed train differently: %s", d)
	}
	req.Seed++
	other, third := run(req)
	if len(start.parameters) > 0 && start.difference(other) == "" && first.difference(third) == "" {
		p.failf("sessions of different seeds start and train with the same bits: the seed has no effect")
	}
}
