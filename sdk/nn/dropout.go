package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Dropout sets elements to zero with probability rate, rounded to a multiple of
// 2^-16, and multiplies the others by 1/(1-rate). It is x itself if r is nil (no
// training) or rate is 0. It draws once from r; elements follow from that draw and
// their place in row-major order.
func (t *Tape) Dropout(x *Var, rate float64, r *rand.Rand) *Var {
	if !(rate >= 0 && rate < 1) {
		panic(fmt.Sprintf("nn: dropout: the rate %v is not at least 0 and below 1", rate))
	}
	if r == nil || rate == 0 {
		return x
	}
	mask := t.arena.alloc(len(x.Value))
	drawMask(mask, rate, r.Uint64())
	out := t.op(x.Rows, x.Cols, record{a: x, values: mask, first: true, run: func(t *Tape, r *record) {
		out, x, mask := r.out, r.a, r.values
		x.addProduct(out.Grad, mask)
	}})
	times(out.Value, x.Value, mask)
	return out
}

// drawMask fills mask with 0, for the rate, and the factor that keeps the mean.
// Four elements take 16 bits each of a number of SplitMix64 (Steele et al., OOPSLA
// 2014) that begins at the key.
func drawMask(mask []float32, rate float64, key uint64) {
	const values = 1 << 16
	below := min(uint64(math.Round(rate*values)), values-1)
	kept := float32(1 / (1 - float64(below)/values))
	keep := uint64(math.Float32bits(kept))
	if many := len(mask) / 16 * 16; hasAVX2 && many > 0 {
		d := maskDraw{factors: maskFactors, last: int32(below) - 1, keep: kept}
		for i := range d.keys {
			d.keys[i] = key + uint64(i+1)*maskStep
		}
		d.step = d.keys[3] - key
		drawMaskAVX2(many, &mask[0], &d)
		mask, key = mask[many:], key+uint64(many/4)*maskStep
	}
	// choose is keep, or 0 if v is below the threshold: then the difference is
	// negative, and all of its upper bits are set.
	choose := func(v uint64) float32 {
		return math.Float32frombits(uint32(keep &^ ((v - below) >> 32)))
	}
	draw := func() uint64 {
		key += maskStep
		z := key
		z = (z ^ z>>30) * maskFactors[0]
		z = (z ^ z>>27) * maskFactors[1]
		return z ^ z>>31
	}
	for ; len(mask) >= 4; mask = mask[4:] {
		z := draw()
		mask[0] = choose(z & (values - 1))
		mask[1] = choose(z >> 16 & (values - 1))
		mask[2] = choose(z >> 32 & (values - 1))
		mask[3] = choose(z >> 48)
	}
	if len(mask) > 0 {
		z := draw()
		for i := range mask {
			mask[i] = choose(z >> (16 * i) & (values - 1))
		}
	}
}

// maskStep and maskFactors are the constants of SplitMix64.
const maskStep = 0x9e3779b97f4a7c15

var maskFactors = [2]uint64{0xbf58476d1ce4e5b9, 0x94d049bb133111eb}

// maskDraw is what the assembly needs for sixteen values. It knows the order.
type maskDraw struct {
	keys    [4]uint64
	step    uint64 // of four keys
	factors [2]uint64
	last    int32 // that is dropped
	keep    float32
}
