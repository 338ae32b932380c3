package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every loop, at every length and place, must do to an element what it does to it
// alone, be close to the definition, and leave the neighbours as they are.
func TestLoops(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	cdf := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	for name, c := range map[string]struct {
		loop func(out, x, y []float32)
		want func(out, x, y float64) float64
	}{
		"add":         {func(out, x, _ []float32) { addTo(out, x) }, func(out, x, _ float64) float64 { return out + x }},
		"add rows":    {func(out, x, _ []float32) { addRows(out, x) }, func(out, x, _ float64) float64 { return out + x }},
		"add scaled":  {func(out, x, _ []float32) { addScaled(out, -1.5, x) }, func(out, x, _ float64) float64 { return out - 1.5*x }},
		"add product": {addProduct, func(out, x, y float64) float64 { return out + x*y }},
		"add positive": {addPositive, func(out, x, y float64) float64 {
			if y > 0 {
				return out + x
			}
			return out
		}},
		"take positive": {takePositive, func(_, x, y float64) float64 {
			if y > 0 {
				return x
			}
			return 0
		}},
		"plus":     {plus, func(_, x, y float64) float64 { return x + y }},
		"minus":    {minus, func(_, x, y float64) float64 { return x - y }},
		"scale":    {func(out, x, _ []float32) { scale(out, -1.5, x) }, func(_, x, _ float64) float64 { return -1.5 * x }},
		"times":    {times, func(_, x, y float64) float64 { return x * y }},
		"relu":     {func(out, x, _ []float32) { relu(out, x) }, func(_, x, _ float64) float64 { return max(x, 0) }},
		"exp":      {func(out, x, _ []float32) { exponential(out, x) }, func(_, x, _ float64) float64 { return math.Exp(x) }},
		"tanh":     {func(out, x, _ []float32) { tangent(out, x) }, func(_, x, _ float64) float64 { return math.Tanh(x) }},
		"logistic": {func(out, x, _ []float32) { logistic(out, x) }, func(_, x, _ float64) float64 { return sigmoid(x) }},
		"gelu": {func(out, x, _ []float32) { gelu(out, make([]float32, len(x)), x) },
			func(_, x, _ float64) float64 { return x * cdf(x) }},
		"gelu's slope": {func(out, x, _ []float32) { gelu(make([]float32, len(x)), out, x) },
			func(_, x, _ float64) float64 { return cdf(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) }},
	} {
		r := rand.New(rand.NewPCG(7, 8))
		for n := range 41 {
			out, x, y := random(r, n+2), random(r, n), random(r, n)
			for i := range x {
				x[i] *= 3
			}
			before := append([]float32(nil), out...)
			c.loop(out[1:n+1], x, y)
			if out[0] != before[0] || out[n+1] != before[n+1] {
				t.Fatalf("%s of %d values writes beyond them", name, n)
			}
			for i, got := range out[1 : n+1] {
				want := c.want(float64(before[1+i]), float64(x[i]), float64(y[i]))
				if math.Abs(float64(got)-want) > 3e-6*max(1, math.Abs(want)) {
					t.Fatalf("%s: value %d of %d is %v, want %v", name, i, n, got, want)
				}
				alone := []float32{before[1+i]}
				c.loop(alone, x[i:i+1], y[i:i+1])
				if alone[0] != got {
					t.Fatalf("%s: value %d of %d is %v, and %v alone", name, i, n, got, alone[0])
				}
			}
		}
	}
}

func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for n := range 41 {
		x, y := random(r, n), random(r, n)
		var want float64
		for i, v := range x {
			want += float64(v) * float64(y[i])
		}
		if got := dot(x, y); math.Abs(float64(got)-want) > 1e-5 {
			t.Errorf("the inner product of %d values is %v, want %v", n, got, want)
		}
		if got := dot64(x, y); math.Abs(got-want) > 1e-13 {
			t.Errorf("the inner product of %d values in float64 is %v, want %v", n, got, want)
		}
	}
}

// The loops of attention against their definition, at any width and number of keys.
func TestAttentionRows(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for width := 1; width < 75; width++ {
		shape := attendShape{heads: 1 + width%3, width: width}
		stride := shape.heads*width + width%4
		queries := []int{2 * stride, 0, 3 * stride}[:1+width%3]
		keys := []int{5 * stride, 0, stride, 3 * stride, 2 * stride, 4 * stride, 6 * stride}[:1+width%7]
		x, y := random(r, 3*stride+shape.heads*width), random(r, 6*stride+shape.heads*width)
		weights := random(r, len(queries)*shape.heads*len(keys))
		scores, slopes := make([]float32, len(weights)), random(r, len(weights))
		mixed, spread, given := slices.Clone(x), slices.Clone(y), slices.Clone(slopes)
		shape.scores(scores, x, queries, y, keys, 0.5)
		shape.mix(mixed, queries, weights, y, keys, false)
		shape.spread(spread, keys, weights, x, queries, false)
		set, zeros := random(r, len(y)), make([]float32, len(y))
		shape.spread(set, keys, weights, x, queries, true)
		shape.spread(zeros, keys, weights, x, queries, false)
		for _, key := range keys {
			if !slices.Equal(set[key:key+shape.heads*width], zeros[key:key+shape.heads*width]) {
				t.Fatalf("a fresh sum at width %d is not what is added to zeros", width)
			}
		}
		softmaxSlopes(slopes, weights, len(keys), 0.5)
		wantMixed, wantSpread := slices.Clone(x), slices.Clone(y)
		for i, query := range queries {
			for h := range shape.heads {
				var mean float64
				first := (i*shape.heads + h) * len(keys)
				for j := range keys {
					mean += float64(weights[first+j]) * float64(given[first+j])
				}
				for j, key := range keys {
					var want float64
					for c := h * width; c < (h+1)*width; c++ {
						want += 0.5 * float64(x[query+c]) * float64(y[key+c])
						wantMixed[query+c] += weights[first+j] * y[key+c]
						wantSpread[key+c] += weights[first+j] * x[query+c]
					}
					if got := scores[first+j]; math.Abs(float64(got)-want) > 1e-5 {
						t.Fatalf("score %d of query %d at width %d is %v, want %v", j, i, width, got, want)
					}
					want = 0.5 * float64(weights[first+j]) * (float64(given[first+j]) - mean)
					if got := slopes[first+j]; math.Abs(float64(got)-want) > 1e-5 {
						t.Fatalf("slope %d of query %d at width %d is %v, want %v", j, i, width, got, want)
					}
				}
			}
		}
		for i, want := range wantMixed {
			if math.Abs(float64(mixed[i]-want)) > 1e-5 {
				t.Fatalf("value %d of the mixture at width %d is %v, want %v", i, width, mixed[i], want)
			}
		}
		for i, want := range wantSpread {
			if math.Abs(float64(spread[i]-want)) > 1e-5 {
				t.Fatalf("value %d at width %d is %v, want %v", i, width, spread[i], want)
			}
		}
	}
}

func TestUnstep_AgreesWithItsDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(19, 20))
	for n := range 40 {
		gates, previous, product, dh := random(rnd, 3*n), random(rnd, n), random(rnd, n), random(rnd, n+1)
		before := append([]float32(nil), dh...)
		din, last := random(rnd, 3*n+1), random(rnd, n+1)
		guards := [3]float32{din[3*n], last[n], dh[n]}
		unstep(din, last, dh[:n], gates, previous, product)
		if guards != [3]float32{din[3*n], last[n], dh[n]} {
			t.Fatalf("a step of width %d writes beyond it", n)
		}
		for j := range n {
			d, r, z, c := float64(before[j]), float64(gates[j]), float64(gates[n+j]), float64(gates[2*n+j])
			dn := d * (1 - z) * (1 - c*c)
			dr, dz := dn*float64(product[j])*r*(1-r), d*(float64(previous[j])-c)*z*(1-z)
			for k, pair := range [][2]float64{{float64(din[j]), dr}, {float64(din[n+j]), dz}, {float64(din[2*n+j]), dn}, {float64(last[j]), dn * r}, {float64(dh[j]), d * z}} {
				if math.Abs(pair[0]-pair[1]) > 1e-5*max(1, math.Abs(pair[1])) {
					t.Fatalf("gradient %d of element %d of %d is %v, want %v", k, j, n, pair[0], pair[1])
				}
			}
		}
	}
}

func TestAdamStep_AgreesWithItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	s := adamStep{scale: 0.7, decay: 0.01, keep1: 0.9, take1: 0.1, keep2: 0.99, take2: 0.01, shrink: 0.995, root: 3, epsilon: 1e-4, rate: 0.02}
	for n := range 20 {
		x, g, m, v := random(r, n), random(r, n), random(r, n), random(r, n)
		for i := range v {
			v[i] *= v[i]
		}
		var want []float64
		for i := range x {
			d := 0.7*float64(g[i]) + 0.01*float64(x[i])
			m1, v1 := 0.9*float64(m[i])+0.1*d, 0.99*float64(v[i])+0.01*d*d
			want = append(want, m1, v1, 0.995*float64(x[i])-0.02*m1/(math.Sqrt(v1)*3+1e-4))
		}
		s.apply(x, g, m, v)
		for i := range x {
			for k, got := range []float32{m[i], v[i], x[i]} {
				if math.Abs(float64(got)-want[3*i+k]) > 1e-6*max(1, math.Abs(want[3*i+k])) {
					t.Fatalf("value %d of element %d of %d is %v, want %v", k, i, n, got, want[3*i+k])
				}
			}
		}
	}
}

// Values are those of their four alone, at any length and rate.
func TestDrawMask_FourByFour(t *testing.T) {
	for n := range 150 {
		for _, rate := range []float64{0.1, 0.5, 0.999999, 1e-9} {
			got, want := make([]float32, n+1), make([]float32, n)
			drawMask(got[:n], rate, 7)
			for i := 0; i < n; i += 4 {
				drawMask(want[i:min(i+4, n)], rate, 7+uint64(i/4)*maskStep)
			}
			if !slices.Equal(got[:n], want) || got[n] != 0 {
				t.Fatalf("%d values at rate %v are not those of four at a time", n, rate)
			}
		}
	}
}

func TestDrawMask_SharesAndKeys(t *testing.T) {
	const n = 1 << 18
	a, b := make([]float32, n), make([]float32, n-3)
	for _, rate := range []float64{0, 0.1, 0.5, 0.99, 0.9999999} {
		drawMask(a, rate, 17)
		drawMask(b, rate, 17)
		zeros, pairs := 0, 0
		for i, v := range a {
			if i < len(b) && v != b[i] {
				t.Fatalf("rate %v: element %d depends on the number of elements", rate, i)
			}
			if v == 0 {
				zeros++
				if i > 0 && a[i-1] == 0 {
					pairs++
				}
			}
		}
		if share := float64(zeros) / n; math.Abs(share-rate) > 0.005 {
			t.Errorf("rate %v: the share of zeros is %v", rate, share)
		}
		if share := float64(pairs) / n; math.Abs(share-rate*rate) > 0.005 {
			t.Errorf("rate %v: the share of two zeros in a row is %v", rate, share)
		}
	}
	drawMask(b, 0.5, 18)
	drawMask(a, 0.5, 17)
	same := 0
	for i, v := range b {
		if v == a[i] {
			same++
		}
	}
	if share := float64(same) / float64(len(b)); math.Abs(share-0.5) > 0.005 {
		t.Errorf("masks of two keys agree in a share of %v, want a half", share)
	}
}

func TestRows_AgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for n := range 80 {
		const rows = 5
		x, y, sum, masked := random(r, rows*n), random(r, rows*n), random(r, n+1), random(r, n+1)
		want, wantMasked, out := slices.Clone(sum), slices.Clone(masked), random(r, rows*n+1)
		guard := out[rows*n]
		addRows(sum[:n], x)
		takePositiveRows(out[:rows*n], x, y, masked[:n], n)
		for i := range rows {
			for j := range n {
				want[j] += x[i*n+j]
				var v float32
				if y[i*n+j] > 0 {
					v = x[i*n+j]
				}
				wantMasked[j] += v
				if out[i*n+j] != v {
					t.Fatalf("element [%d, %d] of %d columns is %v, want %v", i, j, n, out[i*n+j], v)
				}
			}
		}
		if !slices.Equal(sum, want) || !slices.Equal(masked, wantMasked) || out[rows*n] != guard {
			t.Fatalf("the sums of %d columns are %v and %v, want %v and %v", n, sum, masked, want, wantMasked)
		}
	}
}

func TestNormRows_AgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	near := func(what string, n, i int, got float32, want float64) {
		if math.Abs(float64(got)-want) > 1e-5*max(1, math.Abs(want)) {
			t.Fatalf("%s: value %d of %d is %v, want %v", what, i, n, got, want)
		}
	}
	for n := 1; n < 40; n++ {
		x, gain, bias, dy := random(r, n), random(r, n), random(r, n), random(r, n)
		hat, y, d := random(r, n+1), random(r, n+1), random(r, n+1)
		dgain, dbias, dx := random(r, n+1), random(r, n+1), random(r, n+1)
		before := [3][]float32{slices.Clone(dgain), slices.Clone(dbias), slices.Clone(dx)}
		guards := []float32{hat[n], y[n], d[n], dgain[n], dbias[n], dx[n]}
		var mean, variance, sum, along float64
		for _, v := range x {
			mean += float64(v) / float64(n)
		}
		for _, v := range x {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(n)
		}
		gotMean, inverse := normRow(y[:n], x, gain, bias)
		normHat(hat[:n], x, gotMean, inverse)
		near("the mean", n, 0, float32(gotMean), mean)
		near("the inverse", n, 0, inverse, 1/math.Sqrt(variance+normEpsilon))
		gotSum, gotAlong := normSums(d[:n], dy, hat, gain, dgain, dbias)
		normSpread(dx[:n], d, hat, 2, 3, 4, false)
		set, zeros := random(r, n), make([]float32, n)
		normSpread(set, d, hat, 2, 3, 4, true)
		normSpread(zeros, d, hat, 2, 3, 4, false)
		if !slices.Equal(set, zeros) {
			t.Fatalf("a fresh row of %d is not what is added to zeros", n)
		}
		for i := range n {
			h := (float64(x[i]) - mean) / math.Sqrt(variance+normEpsilon)
			slope := float64(dy[i]) * float64(gain[i])
			sum, along = sum+slope, along+slope*h
			near("standardised", n, i, hat[i], h)
			near("the result", n, i, y[i], h*float64(gain[i])+float64(bias[i]))
			near("the gradient of the gain", n, i, dgain[i], float64(before[0][i])+float64(dy[i])*h)
			near("the gradient of the bias", n, i, dbias[i], float64(before[1][i])+float64(dy[i]))
			near("the product", n, i, d[i], slope)
			near("the spread", n, i, dx[i], float64(before[2][i])+2*slope+3+4*h)
		}
		near("the sum", n, 0, float32(gotSum), sum)
		near("the sum along", n, 0, float32(gotAlong), along)
		if !slices.Equal(guards, []float32{hat[n], y[n], d[n], dgain[n], dbias[n], dx[n]}) {
			t.Fatalf("rows of %d are written beyond their end", n)
		}
	}
}

func TestStandardiseRows_AgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	wide := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		return x
	}
	near := func(what string, n, i int, got, want, precision float64) {
		if math.Abs(got-want) > precision*max(1, math.Abs(want)) {
			t.Fatalf("%s: value %d of %d is %v, want %v", what, i, n, got, want)
		}
	}
	for n := range 40 {
		x, hat, y, dx := random(r, n), random(r, n), random(r, n+1), random(r, n+1)
		mean, inverse, along := wide(n), wide(n), wide(n)
		sums, squares, means, alongs := wide(n+1), wide(n+1), wide(n+1), wide(n+1)
		before := [4][]float64{slices.Clone(sums), slices.Clone(squares), slices.Clone(means), slices.Clone(alongs)}
		dxBefore, yBefore := slices.Clone(dx), slices.Clone(y)
		columnSums(sums[:n], x)
		columnSquares(squares[:n], mean, x)
		standardiseRow(y[:n], x, mean, inverse)
		standardiseSums(means[:n], alongs[:n], x, hat)
		standardiseSpread(dx[:n], x, hat, inverse, mean, along)
		for i := range n {
			v, h := float64(x[i]), float64(hat[i])
			near("the sum", n, i, sums[i], before[0][i]+v, 1e-14)
			near("the square", n, i, squares[i], before[1][i]+(v-mean[i])*(v-mean[i]), 1e-14)
			near("the row", n, i, float64(y[i]), (v-mean[i])*inverse[i], 1e-7)
			near("the mean", n, i, means[i], before[2][i]+v, 1e-14)
			near("the product", n, i, alongs[i], before[3][i]+v*h, 1e-14)
			near("the spread", n, i, float64(dx[i]), float64(dxBefore[i])+inverse[i]*(v-mean[i]-h*along[i]), 2e-6)
		}
		for i, s := range [][]float64{sums, squares, means, alongs} {
			if s[n] != before[i][n] {
				t.Fatalf("sums of %d columns are written beyond their end", n)
			}
		}
		if y[n] != yBefore[n] || dx[n] != dxBefore[n] {
			t.Fatalf("rows of %d are written beyond their end", n)
		}
	}
}

func TestSlopes_AgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	for n := range 40 {
		g, y, a := random(r, n), random(r, n), random(r, n+1)
		b, before := slices.Clone(a), slices.Clone(a)
		tangentSlope(a[:n], g, y)
		logisticSlope(b[:n], g, y)
		for i := range n {
			v, d, old := float64(y[i]), float64(g[i]), float64(before[i])
			if want := old + d*(1-v*v); math.Abs(float64(a[i])-want) > 1e-6*max(1, math.Abs(want)) {
				t.Fatalf("gradient %d of %d through tanh is %v, want %v", i, n, a[i], want)
			}
			if want := old + d*v*(1-v); math.Abs(float64(b[i])-want) > 1e-6*max(1, math.Abs(want)) {
				t.Fatalf("gradient %d of %d through the sigmoid is %v, want %v", i, n, b[i], want)
			}
		}
		if a[n] != before[n] || b[n] != before[n] {
			t.Fatalf("slopes of %d values are written beyond their end", n)
		}
	}
}

func TestSGDStep_AgreesWithItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(29, 30))
	s := sgdStep{scale: 0.7, decay: 0.01, momentum: 0.9, rate: 0.02}
	for n := range 20 {
		x, g, v := random(r, n), random(r, n), random(r, n)
		var want []float64
		for i := range x {
			v1 := 0.9*float64(v[i]) + 0.7*float64(g[i]) + 0.01*float64(x[i])
			want = append(want, v1, float64(x[i])-0.02*v1)
		}
		s.apply(x, g, v)
		for i := range x {
			for k, got := range []float32{v[i], x[i]} {
				if math.Abs(float64(got)-want[2*i+k]) > 1e-6*max(1, math.Abs(want[2*i+k])) {
					t.Fatalf("value %d of element %d of %d is %v, want %v", k, i, n, got, want[2*i+k])
				}
			}
		}
	}
}

// The loops of softmax against their definition, at any number of columns; a NaN spreads
// over its row and no further.
func TestSoftmaxRows(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for n := 1; n < 40; n++ {
		const rows = 5
		x, d := random(r, rows*n), random(r, rows*n)
		for i := range x {
			x[i] *= 30
		}
		x[2*n+r.IntN(n)] = float32(math.NaN())
		for j := range n {
			x[3*n+j] = float32(math.Inf(-1))
		}
		y := append(make([]float32, rows*n), 7)
		softmaxRows(y[:rows*n], x, n)
		slopes := append(slices.Clone(d), 7)
		softmaxSlopes(slopes[:rows*n], y, n, 0.5)
		for i := range rows {
			top, sum, mean := math.Inf(-1), 0.0, 0.0
			for _, v := range x[i*n : (i+1)*n] {
				top = max(top, float64(v))
			}
			for _, v := range x[i*n : (i+1)*n] {
				sum += math.Exp(float64(v) - top)
			}
			for j := range n {
				mean += float64(y[i*n+j]) * float64(d[i*n+j])
			}
			for j := i * n; j < (i+1)*n; j++ {
				want := math.Exp(float64(x[j])-top) / sum
				switch i {
				case 2:
					if y[j] == y[j] {
						t.Fatalf("value %d beside a NaN among %d is %v", j-i*n, n, y[j])
					}
					continue
				case 3:
					want = 0
				}
				if math.Abs(float64(y[j])-want) > 1e-6 {
					t.Fatalf("value %d of %d in row %d is %v, want %v", j-i*n, n, i, y[j], want)
				}
				if slope := 0.5 * float64(y[j]) * (float64(d[j]) - mean); math.Abs(float64(slopes[j])-slope) > 1e-6 {
					t.Fatalf("slope %d of %d in row %d is %v, want %v", j-i*n, n, i, slopes[j], slope)
				}
			}
		}
		if y[rows*n] != 7 || slopes[rows*n] != 7 {
			t.Fatalf("rows of %d are written beyond their end", n)
		}
	}
}
