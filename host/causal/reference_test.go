package causal

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// reference is the objective of the head in float64, written from the formulas
// and without the tape: the value at (values, h), with everything that is
// detached taken at (values0, h0).
type reference struct {
	head             *Head
	values0, values  map[string][]float64
	h0, h            []float64
	batch            Batch
	weights          []float32
	epoch            int
	step             uint64
	codes            [][]float64 // of the strata
	z                [][]float64 // entries of the dictionary
	medianC, medianB float64     // bandwidths of hsic; measured at the base point
}

type matrix [][]float64

func rowsOf(flat []float64, width int) matrix {
	var out matrix
	for i := 0; i < len(flat); i += width {
		out = append(out, flat[i:i+width])
	}
	return out
}

func concat(parts ...matrix) matrix {
	out := make(matrix, len(parts[0]))
	for i := range out {
		for _, p := range parts {
			out[i] = append(out[i], p[i]...)
		}
	}
	return out
}

func (x matrix) times(w []float64, out int, bias []float64) matrix {
	y := make(matrix, len(x))
	for i, row := range x {
		y[i] = make([]float64, out)
		for o := range out {
			if bias != nil {
				y[i][o] = bias[o]
			}
			for j, v := range row {
				y[i][o] += v * w[j*out+o]
			}
		}
	}
	return y
}

func (x matrix) relu() matrix {
	y := make(matrix, len(x))
	for i, row := range x {
		for _, v := range row {
			y[i] = append(y[i], math.Max(v, 0))
		}
	}
	return y
}

// linear applies layer name of the given values.
func linear(values map[string][]float64, name string, x matrix) matrix {
	bias := values[name+".bias"]
	return x.times(values[name+".weight"], len(bias), bias)
}

func twoLayers(values map[string][]float64, group, name string, x matrix) matrix {
	return linear(values, group+"/"+name+".2", linear(values, group+"/"+name+".1", x).relu())
}

// crossEntropies are -log p of every known outcome of a row; NaN where unknown.
func (r *reference) outcomes(logits []float64, labels []float32) []float64 {
	if r.head.cfg.Task.Kind == Multiclass {
		sum := 0.0
		for _, z := range logits {
			sum += math.Exp(z)
		}
		return []float64{math.Log(sum) - logits[int(labels[0])]}
	}
	var out []float64
	for j, label := range labels {
		if label != label {
			continue
		}
		p := 1 / (1 + math.Exp(-logits[j]))
		if label == 0 {
			p = 1 - p
		}
		out = append(out, -math.Log(p))
	}
	return out
}

func mean(values []float64, f func(float64) float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += f(v)
	}
	return sum / float64(len(values))
}

func identity(v float64) float64 { return v }

func (r *reference) labels(i int) []float32 {
	w := r.head.cfg.Task.LabelWidth()
	return r.batch.Labels[i*w : (i+1)*w]
}

func (r *reference) share(i int) float64 {
	sum := 0.0
	for _, w := range r.weights {
		sum += float64(w)
	}
	return float64(r.weights[i]) / sum
}

// meanLoss is sum_i share_i CE_i.
func (r *reference) meanLoss(logits matrix) float64 {
	sum := 0.0
	for i, row := range logits {
		sum += r.share(i) * mean(r.outcomes(row, r.labels(i)), identity)
	}
	return sum
}

func (r *reference) value() float64 {
	h := rowsOf(r.h, r.head.cfg.Width)
	switch n := r.head.network.(type) {
	case *plain:
		return r.meanLoss(twoLayers(r.values, "classifier", "classifier", h))
	case *enumeration:
		return r.enumerated(n, h)
	case *attention:
		return r.attended(n, h)
	case *branches:
		return r.branched(n, h)
	case *proxied:
		return r.proxied(n, h)
	case *attended:
		return r.shared(h)
	case *subtracted:
		return r.subtracted(h)
	}
	panic("unknown network")
}

// sum is the objective by the terms that the head reports.
func (r *reference) sum(terms []Term) float64 {
	weights := map[string]float64{"loss_warmup": 1, "loss_classifier": 1, "loss_own_stratum": 1, "loss_causal": 1, "loss_joint": 1}
	if m := r.head.cfg.Missingness; m != nil {
		weights["loss_own_stratum"], weights["loss_do"] = 1-m.DoWeight, m.DoWeight
	}
	if d := r.head.cfg.DualBranch; d != nil {
		weights["loss_biased"], weights["dependence"] = d.BiasWeight, d.IndependenceWeight
		weights["loss_uniform"], weights["loss_mixed"] = d.BiasWeight, d.SwapWeight
		weights["loss_swap_causal"], weights["loss_swap_biased"] = d.SwapWeight, d.SwapWeight*d.BiasWeight
		weights["loss_final"], weights["loss_whole"] = 1, 1-d.BiasWeight
		weights["loss_swapped_causal"], weights["loss_swapped_biased"] = d.SwapWeight*(1-d.BiasWeight), d.SwapWeight*d.BiasWeight
	}
	sum := 0.0
	for _, term := range terms {
		sum += weights[term.Name] * term.Value
	}
	return sum
}

func (r *reference) ownCodes() matrix {
	var out matrix
	for _, p := range r.batch.Positions {
		out = append(out, r.codes[r.head.strata.own[p]])
	}
	return out
}

func (r *reference) enumerated(n *enumeration, h matrix) float64 {
	f := func(codes matrix) matrix {
		return twoLayers(r.values, "classifier", "classifier", concat(h, codes))
	}
	if !n.active(r.epoch) {
		zero := make(matrix, len(h))
		for i := range zero {
			zero[i] = make([]float64, r.head.strata.codeWidth())
		}
		return r.meanLoss(f(zero))
	}
	do := r.head.cfg.Missingness.DoWeight
	loss := (1 - do) * r.meanLoss(f(r.ownCodes()))
	var strata []matrix
	for _, code := range r.codes {
		codes := make(matrix, len(h))
		for i := range codes {
			codes[i] = code
		}
		strata = append(strata, f(codes))
	}
	for i := range h {
		var sums []float64
		for k, p := range r.head.strata.prior {
			for o, ce := range r.outcomes(strata[k][i], r.labels(i)) {
				if k == 0 {
					sums = append(sums, 0)
				}
				sums[o] += p * math.Exp(-ce)
			}
		}
		loss += do * r.share(i) * mean(sums, func(p float64) float64 { return -math.Log(p) })
	}
	return loss
}

// proxied is the loss of J([h; b; s_k]); b and the code are zero in the warm-up,
// h while it is closed.
func (r *reference) proxied(n *proxied, h matrix) float64 {
	inputs := make(matrix, len(h))
	for i, row := range h {
		inputs[i] = slices.Clone(row)
		if !n.active(r.epoch) {
			clear(inputs[i][len(row)-r.head.cfg.Biased:])
		}
		if n.frozen(r.epoch) {
			clear(inputs[i][:len(row)-r.head.cfg.Biased])
		}
	}
	if d := r.head.strata; d != nil {
		codes := make(matrix, len(h))
		for i := range codes {
			codes[i] = make([]float64, d.codeWidth())
		}
		if n.active(r.epoch) {
			codes = r.ownCodes()
		}
		inputs = concat(inputs, codes)
	}
	return r.meanLoss(twoLayers(r.values, "joint", "joint", inputs))
}

// shared is the objective of the dual branch by attention; the code is zero in the
// warm-up.
func (r *reference) shared(h matrix) float64 {
	s, width := r.head.cfg.DualBranch, r.head.cfg.Width
	c, b := make(matrix, len(h)), make(matrix, len(h))
	for i, row := range h.times(r.values["attention/gate.weight"], width, r.values["attention/gate.bias"]) {
		for j, gate := range row {
			a := sigmoid(gate)
			c[i], b[i] = append(c[i], a*h[i][j]), append(b[i], (1-a)*h[i][j])
		}
	}
	on := r.onOwn("attention", h)
	mixed, _ := r.mixed(c, b)
	loss := r.meanLoss(on("causal.classifier", c)) + s.SwapWeight*r.meanLoss(on("mixed.classifier", mixed))
	for i, row := range on("biased.classifier", b) {
		uniform := 0.0
		if task := r.head.cfg.Task; task.Kind == Multiclass {
			for class := range row {
				share := 1 / float64(len(row))
				uniform += share * (math.Log(share) + mean(r.outcomes(row, []float32{float32(class)}), identity))
			}
		} else {
			for _, z := range row {
				p := sigmoid(z)
				uniform += (math.Log(0.5/p) + math.Log(0.5/(1-p))) / 2 / float64(len(row))
			}
		}
		loss += s.BiasWeight * r.share(i) * uniform
	}
	return loss
}

// onOwn applies a classifier of a group, telling it the rows' own strata; the code is
// zero in the warm-up.
func (r *reference) onOwn(group string, h matrix) func(name string, x matrix) matrix {
	var codes matrix
	if d := r.head.strata; d != nil {
		if r.epoch >= r.head.schedule.warmup {
			codes = r.ownCodes()
		} else {
			for range h {
				codes = append(codes, make([]float64, d.codeWidth()))
			}
		}
	}
	return func(name string, x matrix) matrix {
		if codes != nil {
			x = concat(x, codes)
		}
		return twoLayers(r.values, group, name, x)
	}
}

// mixed is c with b of another row added, where the row has a weight, and which row.
func (r *reference) mixed(c, b matrix) (mixed matrix, from []int) {
	var used []int
	for i, w := range r.weights {
		from = append(from, i)
		if w > 0 {
			used = append(used, i)
		}
	}
	for i, at := range rng.Stream(r.head.cfg.Seed, "swap", r.step).Perm(len(used)) {
		from[used[i]] = used[at]
	}
	for i, j := range from {
		mixed = append(mixed, nil)
		for k, v := range c[i] {
			mixed[i] = append(mixed[i], v+b[j][k])
		}
	}
	return mixed, from
}

// subtracted is the objective of the dual branch by subtraction.
func (r *reference) subtracted(h matrix) float64 {
	s := r.head.cfg.DualBranch
	branch := func(values map[string][]float64, x matrix) matrix {
		b := linear(values, "subtraction/bias", x)
		for _, row := range b {
			for j, v := range row {
				row[j] = max(v, 0.01*v)
			}
		}
		return b
	}
	b, c := branch(r.values, h), make(matrix, len(h))
	for i, row := range branch(r.values0, rowsOf(r.h0, r.head.cfg.Width)) {
		for j, v := range row {
			c[i] = append(c[i], h[i][j]-v)
		}
	}
	on := r.onOwn("subtraction", h)
	both := func(x matrix, from []int) float64 {
		loss := (1 - s.BiasWeight) * r.meanLoss(on("causal.classifier", x))
		for i, row := range on("biased.classifier", x) {
			loss += s.BiasWeight * r.share(i) * mean(r.outcomes(row, r.labels(from[i])), func(ce float64) float64 { return (1 - math.Exp(-s.Q*ce)) / s.Q })
		}
		return loss
	}
	var own []int
	for i := range h {
		own = append(own, i)
	}
	loss := r.meanLoss(on("final.classifier", c)) + both(h, own)
	if r.epoch >= r.head.schedule.swap {
		mixed, from := r.mixed(c, b)
		loss += s.SwapWeight * both(mixed, from)
	}
	return loss
}

func (r *reference) attended(n *attention, h matrix) float64 {
	m, d := r.head.cfg.Missingness, r.head.strata
	joint := h.times(r.values["classifier/h"], m.Projection, nil)
	if n.active(r.epoch) {
		z := matrix(r.z)
		if m.Dictionary == Learnable {
			z = rowsOf(r.values["classifier/dictionary"], d.width)
		}
		g := make(matrix, len(h))
		if m.Form == OwnStratum {
			for i, p := range r.batch.Positions {
				g[i] = z[d.own[p]]
			}
		} else {
			q := h.times(r.values["classifier/query"], m.Attention, nil)
			k := z.times(r.values["classifier/key"], m.Attention, nil)
			for i := range h {
				weights, sum, priors := make([]float64, len(z)), 0.0, 0.0
				for j := range z {
					weights[j] = math.Exp(dot(q[i], k[j]) / math.Sqrt(float64(m.Attention)))
					sum += weights[j]
					priors += weights[j] * d.prior[j]
				}
				g[i] = make([]float64, d.width)
				for j := range z {
					w := weights[j] / sum * d.prior[j]
					if m.Renormalize {
						w = weights[j] * d.prior[j] / priors
					}
					for c, v := range z[j] {
						g[i][c] += w * v
					}
				}
			}
		}
		for i, row := range g.times(r.values["classifier/g"], m.Projection, nil) {
			for j, v := range row {
				joint[i][j] += v
			}
		}
	}
	return r.meanLoss(twoLayers(r.values, "classifier", "classifier", joint))
}

func (r *reference) branched(n *branches, h matrix) float64 {
	s, schedule := r.head.cfg.DualBranch, r.head.schedule
	if r.epoch < schedule.warmup {
		return r.meanLoss(twoLayers(r.values, "warmup", "classifier", h))
	}
	h0 := rowsOf(r.h0, r.head.cfg.Width)
	c, b := twoLayers(r.values, "branches", "causal", h), twoLayers(r.values, "branches", "biased", h)
	c0, b0 := twoLayers(r.values0, "branches", "causal", h0), twoLayers(r.values0, "branches", "biased", h0)
	loss := 0.0
	if !n.frozen(r.epoch) {
		loss += r.splitLoss(c, b, c0, b0)
		if s.IndependenceWeight > 0 {
			loss += s.IndependenceWeight * r.dependence(n, c, b)
		}
	}
	if r.epoch >= schedule.joint {
		in := concat(c0, b0)
		if r.head.strata != nil {
			in = concat(in, r.ownCodes())
		}
		loss += r.meanLoss(twoLayers(r.values, "joint", "joint", in))
	}
	return loss
}

func (r *reference) splitLoss(c, b, c0, b0 matrix) float64 {
	s := r.head.cfg.DualBranch
	heads := func(values map[string][]float64, c, b, c0, b0, codeC, codeB matrix) (onC, onB matrix) {
		if s.Heads == HeadsJoint {
			c, b = concat(c, b0), concat(c0, b)
		}
		if codeC != nil {
			c, b = concat(c, codeC), concat(b, codeB)
		}
		return twoLayers(values, "branches", "causal.classifier", c), twoLayers(values, "branches", "biased.classifier", b)
	}
	gce := func(row []float64, labels []float32) float64 {
		return mean(r.outcomes(row, labels), func(ce float64) float64 { return (1 - math.Exp(-s.Q*ce)) / s.Q })
	}
	ce := func(row []float64, labels []float32) float64 { return mean(r.outcomes(row, labels), identity) }

	var codes matrix
	if r.head.strata != nil {
		codes = r.ownCodes()
	}
	onC, onB := heads(r.values, c, b, c0, b0, codes, codes)
	baseC, baseB := heads(r.values0, c0, b0, c0, b0, codes, codes)
	loss := 0.0
	difficulty := make([]float64, len(c))
	for i := range c {
		lc, lb := ce(baseC[i], r.labels(i)), ce(baseB[i], r.labels(i))
		difficulty[i] = lb / (lc + lb + 1e-8)
	}
	if s.Difficulty == DifficultyClass {
		plain := slices.Clone(difficulty)
		for i := range c {
			sum, total := 0.0, 0.0
			for j := range c {
				if r.labels(j)[0] == r.labels(i)[0] {
					sum, total = sum+r.share(j)*plain[j], total+r.share(j)
				}
			}
			difficulty[i] = min(plain[i]/(sum/total+1e-8), 3)
		}
	}
	for i := range c {
		loss += r.share(i) * (difficulty[i]*ce(onC[i], r.labels(i)) + s.BiasWeight*gce(onB[i], r.labels(i)))
	}
	if r.epoch < r.head.schedule.swap {
		return loss
	}
	var to, from []int
	for i, w := range r.weights {
		if w > 0 {
			to = append(to, i)
		}
	}
	for _, at := range rng.Stream(r.head.cfg.Seed, "swap", r.step).Perm(len(to)) {
		from = append(from, to[at])
	}
	take := func(x matrix, rows []int) matrix {
		var out matrix
		if x == nil {
			return nil
		}
		for _, i := range rows {
			out = append(out, x[i])
		}
		return out
	}
	onC, onB = heads(r.values, take(c, to), take(b, from), take(c0, to), take(b0, from), take(codes, to), take(codes, from))
	for i := range to {
		loss += s.SwapWeight * (r.share(to[i])*difficulty[to[i]]*ce(onC[i], r.labels(to[i])) +
			s.BiasWeight*r.share(from[i])*gce(onB[i], r.labels(from[i])))
	}
	return loss
}

// dependence is the penalty by its definition, with all double sums.
func (r *reference) dependence(n *branches, c, b matrix) float64 {
	switch penalty := n.penalty.(type) {
	case orthogonality:
		sum := 0.0
		for i := range c {
			sum += r.share(i) * dot(c[i], b[i]) * dot(c[i], b[i]) / dot(c[i], c[i]) / dot(b[i], b[i])
		}
		return sum
	case *hsic:
		if r.medianC == 0 {
			r.medianC, r.medianB = r.bandwidth(c), r.bandwidth(b)
		}
		k, l := r.centeredKernel(c, r.medianC), r.centeredKernel(b, r.medianB)
		inner := func(k, l matrix) float64 {
			sum := 0.0
			for i := range k {
				for j := range k {
					sum += r.share(i) * r.share(j) * k[i][j] * l[i][j]
				}
			}
			return sum
		}
		return inner(k, l) / math.Sqrt(inner(k, k)*inner(l, l))
	case *vclub:
		q := map[string][]float64{}
		for _, p := range penalty.group.params.All() {
			q["vclub/"+p.Name] = widen(p.Value)
		}
		mu, s := twoLayers(q, "vclub", "mean", c), twoLayers(q, "vclub", "log_variance", c)
		log := func(i, j int) float64 {
			sum := 0.0
			for d := range mu[i] {
				miss := mu[i][d] - b[j][d]
				sum -= miss * miss / 2 / math.Exp(math.Tanh(s[i][d]))
			}
			return sum
		}
		value := 0.0
		for i := range c {
			value += r.share(i) * log(i, i)
			for j := range c {
				value -= r.share(i) * r.share(j) * log(i, j)
			}
		}
		return value
	}
	return 0
}

func (r *reference) bandwidth(x matrix) float64 {
	var distances []float64
	for i := range x {
		for j := range i {
			if r.weights[i] > 0 && r.weights[j] > 0 {
				distances = append(distances, distance2(x[i], x[j]))
			}
		}
	}
	return median(distances)
}

func (r *reference) centeredKernel(x matrix, bandwidth float64) matrix {
	k := make(matrix, len(x))
	for i := range x {
		for j := range x {
			k[i] = append(k[i], math.Exp(-distance2(x[i], x[j])/bandwidth))
		}
	}
	rows, all := make([]float64, len(x)), 0.0
	for i := range x {
		for j := range x {
			rows[i] += r.share(j) * k[i][j]
		}
		all += r.share(i) * rows[i]
	}
	for i := range x {
		for j := range x {
			k[i][j] += all - rows[i] - rows[j]
		}
	}
	for i := range x {
		for j := range x {
			if i < j && math.Abs(k[i][j]-k[j][i]) > 1e-12 {
				panic("asymmetric kernel")
			}
		}
	}
	return k
}

func distance2(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return sum
}

func widen(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func (h *Head) valuesByName() map[string][]float64 {
	out := map[string][]float64{}
	for _, g := range h.groups {
		for _, p := range g.params.All() {
			out[g.name+"/"+p.Name] = widen(p.Value)
		}
	}
	return out
}

// TestHead_gradients compares dh and the parameters' gradients of every stage of
// every configuration with central differences of the reference.
func TestHead_gradients(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		d := newTrainer(t, cfg)
		for s := range cfg.Epochs * testSteps {
			// The stages of the variants start in the epochs 0, 1, 2 and 4.
			if epoch := s / testSteps; s%testSteps == 1 && epoch != 3 && epoch != 5 {
				checkGradients(t, d, s)
			}
			d.step(s, false)
		}
	})
}

func checkGradients(t *testing.T, d *trainer, s int) {
	t.Helper()
	cfg := d.head.cfg
	state, err := d.head.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	b, rep := batchOf(cfg.Task, d.tr, d.h, []int32{4, 11, 17, 30, 42, 55, 63})
	ref := &reference{
		head: d.head, batch: b, weights: []float32{1, 0.5, 0, 2, 1, 0.25, 1},
		epoch: s / testSteps, step: uint64(s), values0: d.head.valuesByName(), h0: widen(rep),
	}
	if st := d.head.strata; st != nil {
		ref.codes = rowsOf(widen(st.codes()), st.codeWidth())
		ref.z = rowsOf(widen(st.z), st.width)
	}
	out, err := d.head.Forward(rep, b, ref.epoch, ref.step)
	if err != nil {
		t.Fatal(err)
	}
	dlogits := make([]float32, len(out.Logits))
	dh, terms, err := d.head.Backward(ref.weights, dlogits)
	if err != nil {
		t.Fatal(err)
	}
	ref.values, ref.h = ref.values0, ref.h0
	objective := ref.value() // fixes the bandwidths
	near(t, fmt.Sprintf("epoch %d: sum of the terms %v", ref.epoch, terms), ref.sum(terms), objective, 1e-4)
	switch d.head.network.(type) {
	case *branches, *attended, *subtracted: // whose objective has more than the row losses
	default:
		losses := 0.0
		for i, loss := range out.RowLoss {
			losses += ref.share(i) * float64(loss)
		}
		near(t, fmt.Sprintf("epoch %d: row losses", ref.epoch), losses, objective, 1e-5)
	}

	const epsilon = 1e-7 // small, for a kink of a ReLU within it spoils the difference
	difference := func(x []float64, i int) float64 {
		at := x[i]
		x[i] = at + epsilon
		up := ref.value()
		x[i] = at - epsilon
		down := ref.value()
		x[i] = at
		return (up - down) / (2 * epsilon)
	}
	ref.h = append([]float64(nil), ref.h0...)
	want := make([]float32, len(dh))
	for i := range want {
		want[i] = float32(difference(ref.h, i))
	}
	compare(t, fmt.Sprintf("epoch %d: dh", ref.epoch), dh, want, 2e-4)

	ref.h = ref.h0
	ref.values = map[string][]float64{}
	for name, v := range ref.values0 {
		ref.values[name] = append([]float64(nil), v...)
	}
	r := rng.Stream(1, "entries", s)
	for _, g := range d.head.groups {
		if g.name == "vclub" {
			continue // trained on its own likelihood, checked on its own
		}
		for _, p := range g.params.All() {
			var got, want []float32
			for range min(3, len(p.Value)) {
				i := r.IntN(len(p.Value))
				got = append(got, p.Grad[i])
				want = append(want, float32(difference(ref.values[g.name+"/"+p.Name], i)))
			}
			compare(t, fmt.Sprintf("epoch %d: gradient of %s/%s", ref.epoch, g.name, p.Name), got, want, 5e-4)
		}
	}
	if err := d.head.Restore(state); err != nil {
		t.Fatal(err)
	}
}
