package plugintest

import (
	"path/filepath"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// erasureTolerance is what rounding in another order may change in h, relative
// to values above 1.
const erasureTolerance = 1e-3

// checkErasure opens a session with directions to erase, and one on a feature
// store that they were taken out of beforehand: both must answer the same h, and
// another one than without erasure.
func (b *backbones) checkErasure(p *probe) {
	if !b.info.Capabilities.Erasure {
		p.skipf("the capabilities do not promise to erase")
	}
	req := b.request(p)
	req.Modalities = slices.Clone(req.Modalities)
	for m := range req.Modalities {
		modality := &req.Modalities[m]
		r := rng.Stream(8, "erasure", m)
		k := 1 + (m+1)%2 // more than one in the first
		modality.Scaling.Erasure = sdk.Erasure{
			Directions: k,
			Read:       normals(r, k*modality.Width, 0.5),
			Write:      normals(r, k*modality.Width, 0.5),
			Offset:     normals(r, k, 1),
		}
	}
	before := req
	before.FeatureStore = filepath.Join(b.dir, "erased")
	before.Modalities = slices.Clone(req.Modalities)
	for m := range before.Modalities {
		width := before.Modalities[m].Width
		before.Modalities[m].Scaling = sdk.Scaling{Mean: make([]float32, width), Scale: slices.Repeat([]float32{1}, width)}
	}
	p.must(b.table.erased(req.Modalities).write(before.FeatureStore), "write a feature store")

	within, beforehand, without := b.open(p, req), b.open(p, before), b.open(p, b.request(p))
	start, err := within.snapshot()
	p.must(err, "Snapshot")
	p.must(beforehand.restore(start), "Restore")
	p.must(without.restore(start), "Restore")
	rows := b.mixed()
	requests := []sdk.ForwardRequest{b.eval(rows)}
	if b.exact() {
		requests = append(requests, b.train(rows, b.eval(rows).Availability, 1, within.task))
	}
	for _, r := range requests {
		got, want := within.h(p, r), beforehand.h(p, r)
		if d, at := farthest(got, want); d > erasureTolerance {
			p.failf("in %s mode h of row %d column %d is %v, and %v when the directions were erased beforehand", r.Mode, at/hWidth, at%hWidth, got[at], want[at])
		}
		if sameBits(got, without.h(p, r)) {
			p.failf("in %s mode the directions to erase have no effect", r.Mode)
		}
	}
}

// erased is a copy with standardised values from which the directions of the
// given modalities are erased.
func (t *table) erased(modalities []sdk.Modality) *table {
	out := &table{modalities: t.modalities, availability: t.availability, lengths: t.lengths}
	for m, modality := range modalities {
		values, s := slices.Clone(t.values[m]), modality.Scaling
		for at := 0; at < len(values); at += modality.Width {
			step := at / modality.Width % max(modality.Length, 1)
			if modality.Kind == sdk.Sequence && step >= int(t.lengths[m][at/size(modality)]) {
				continue
			}
			z := values[at : at+modality.Width]
			for c, x := range z {
				z[c] = 0
				if x == x && s.Scale[c] > 0 {
					z[c] = (x - s.Mean[c]) / s.Scale[c]
				}
			}
			before := slices.Clone(z)
			for k, offset := range s.Erasure.Offset {
				component := -float64(offset)
				for c, x := range before {
					component += float64(s.Erasure.Read[k*modality.Width+c]) * float64(x)
				}
				for c := range z {
					z[c] -= s.Erasure.Write[k*modality.Width+c] * float32(component)
				}
			}
		}
		out.values = append(out.values, values)
	}
	return out
}
