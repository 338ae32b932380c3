package diagnose

import (
	"math"

	"github.com/deconfound/deconfound/host/stats"
)

// Shift says how far predictions move between two versions of the same rows.
// Predictions are probabilities [n, outputs], one output being P(y=1).
type Shift struct {
	Mean float64 // mean |p − q| over rows and outputs
	KL   float64 // mean KL(p ‖ q) over rows, in nats
	Max  float64
	N    int
}

// CompareFactual measures p against q; for the interventional gap p are the
// predictions given what is observed and q those under do.
func CompareFactual(p, q []float64, outputs int) Shift {
	check("predictions", len(q), len(p))
	s := Shift{Mean: math.NaN(), KL: math.NaN(), N: rowsOf(p, outputs)}
	if s.N == 0 {
		return s
	}
	s.Mean, s.KL = 0, 0
	for i := range p {
		d := math.Abs(p[i] - q[i])
		s.Mean += d / float64(len(p))
		s.Max = math.Max(s.Max, d)
		s.KL += divergence(p[i], q[i]) / float64(s.N)
		if outputs == 1 {
			s.KL += divergence(1-p[i], 1-q[i]) / float64(s.N)
		}
	}
	return s
}

func divergence(p, q float64) float64 {
	if p <= 0 {
		return 0
	}
	return p * math.Log(p/math.Max(q, probabilityClip))
}

// InterventionalGap is mean |p̂(y|x) − p̂(y|do x)| with limits over patients. It has
// no good or bad value by itself: a gap of nothing while the mask goes with the
// label (association, Cramér's V) is a warning, because the adjustment is inert:
// below 0.001 nobody would see it, and from V 0.1, a small effect (Cohen 1988),
// there is something to adjust for.
func InterventionalGap(name string, observed, do []float64, outputs int, association float64, b Bootstrap) Finding {
	s := CompareFactual(observed, do, outputs)
	if s.N == 0 {
		return unknown(name, 0, "there are no rows")
	}
	f := found(name, s.Mean, s.N, float64(distinct(b.Clusters, s.N)))
	f.Interval = b.interval(func(w []float64) float64 {
		var sum, total float64
		for i := range s.N {
			row := 0.0
			for c := range outputs {
				row += math.Abs(observed[i*outputs+c]-do[i*outputs+c]) / float64(outputs)
			}
			sum += w[i] * row
			total += w[i]
		}
		return sum / total
	})
	const inert, associated = 1e-3, 0.1
	if s.Mean < inert && association >= associated {
		return f.judge(Warn, "the adjustment moves predictions by %.4f on average although mask and label go together (V %.2f)", s.Mean, association)
	}
	return f.judge(OK, "the adjustment moves predictions by %.4f on average, by %.3f at most (KL %.4f)", s.Mean, s.Max, s.KL)
}

// Spoofing is mean |p̂(x,k) − p̂(x,k′)|: features kept, the pattern shown to the
// model replaced. All of it is reliance on the indicator. It warns beyond 0.02, as
// PlaceboMask and JudgePatternShift do of an AUROC, and fails beyond 0.05, the change of
// a risk by 5 percentage points that few would call the same answer. Below, a model
// that learned from some thousand rows moves by the noise of its weights alone:
// whether that costs anything, AUROCChange of the same predictions says.
func Spoofing(name string, told, spoofed []float64, outputs int, b Bootstrap) Finding {
	f := InterventionalGap(name, told, spoofed, outputs, 0, b)
	if f.N == 0 {
		return f
	}
	verdict := OK
	if f.Estimate > .02 {
		verdict = Warn
	}
	if f.Estimate > .05 {
		verdict = Fail
	}
	return f.judge(verdict, "telling the model of another pattern moves predictions by %.4f on average", float64(f.Estimate))
}

// MaskFlip compares what dropping a block does to the predictions of a model with
// what it does to those of a reference that sees the same features without the
// mask (or, on simulated data, to the truth): Excess = model − reference and
// Ratio = model / reference of mean |p̂(x,δ) − p̂(x,δ∖{m})|. A ratio near 1 is the
// change that lost information explains.
type MaskFlip struct{ Model, Reference, Excess, Ratio float64 }

// FlipMask measures; all slices hold the same rows, [n, outputs].
func FlipMask(full, dropped, referenceFull, referenceDropped []float64, outputs int) MaskFlip {
	model := CompareFactual(full, dropped, outputs).Mean
	reference := CompareFactual(referenceFull, referenceDropped, outputs).Mean
	m := MaskFlip{model, reference, model - reference, math.NaN()}
	if reference > 0 {
		m.Ratio = model / reference
	}
	return m
}

// JudgeMaskFlip is ok up to a ratio of 2, a failure beyond 3, if the lower limit is
// beyond 1 too: a network weighs blocks otherwise than a plain reference, so that
// ratios up to 1.6 occur without any confounding.
func JudgeMaskFlip(name string, full, dropped, referenceFull, referenceDropped []float64, outputs int, b Bootstrap) Finding {
	m := FlipMask(full, dropped, referenceFull, referenceDropped, outputs)
	n := rowsOf(full, outputs)
	if math.IsNaN(m.Ratio) {
		return unknown(name, n, "the reference does not react to the block at all")
	}
	f := found(name, m.Ratio, n, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 {
		var model, reference float64
		for i := range full {
			model += w[i/outputs] * math.Abs(full[i]-dropped[i])
			reference += w[i/outputs] * math.Abs(referenceFull[i]-referenceDropped[i])
		}
		return model / reference
	})
	verdict := OK
	if m.Ratio > 2 && f.Low > 1 {
		verdict = Warn
	}
	if m.Ratio > 3 && f.Low > 1 {
		verdict = Fail
	}
	return f.judge(verdict, "hiding the block moves predictions by %.4f, those of a late fusion without the mask by %.4f", m.Model, m.Reference)
}

// AUROCChange is the AUROC of changed − that of base on the same rows, with limits
// over patients; rows with a NaN label are left out. It is ok while the loss is
// below 0.01 or not certain, a failure from 0.05 (see the limits of the package);
// text says what was changed.
func AUROCChange(name string, base, changed, labels []float64, b Bootstrap, text string) Finding {
	check("predictions", len(changed), len(base))
	check("labels", len(labels), len(base))
	rows := knownOf(labels)
	y := pick(labels, rows)
	events := 0
	for _, v := range y {
		events += int(v)
	}
	if events < stats.MinEvents || len(y)-events < stats.MinEvents {
		return unknown(name, len(y), "%d events and %d non-events are too few; at least %d of both are needed", events, len(y)-events, stats.MinEvents)
	}
	b = b.of(rows)
	before, after := WeightedAUROC(pick(base, rows), y), WeightedAUROC(pick(changed, rows), y)
	f := found(name, math.NaN(), len(y), float64(distinct(b.Clusters, len(y))))
	f.Interval = b.interval(func(w []float64) float64 { return after(w) - before(w) })
	verdict := OK
	if f.Estimate <= -.01 && f.High < 0 {
		verdict = Warn
	}
	if f.Estimate <= -.05 && f.High < 0 {
		verdict = Fail
	}
	return f.judge(verdict, "%s changes the AUROC by %+.3f", text, float64(f.Estimate))
}

// knownOf lists the rows whose label is not NaN.
func knownOf(labels []float64) []int {
	var rows []int
	for i, y := range labels {
		if !math.IsNaN(y) {
			rows = append(rows, i)
		}
	}
	return rows
}

// Reliance says which branch the predictions follow when the other is swapped
// between rows.
type Reliance struct {
	// Causal is CR, mean |C(z_c,z_b) − C(z̃_c,z_b)|; Spurious is SR, the same with
	// z_b swapped; Share is CR/(CR+SR), NaN when neither does anything.
	Causal, Spurious, Share float64
}

// BranchReliance compares predictions [n, outputs] with those after z_c or z_b were
// taken from another row.
func BranchReliance(base, causalSwapped, biasedSwapped []float64, outputs int) Reliance {
	r := Reliance{
		Causal:   CompareFactual(base, causalSwapped, outputs).Mean,
		Spurious: CompareFactual(base, biasedSwapped, outputs).Mean,
		Share:    math.NaN(),
	}
	if sum := r.Causal + r.Spurious; sum > 0 {
		r.Share = r.Causal / sum
	}
	return r
}

// JudgeReliance is ok when at least 0.9 of the movement comes from the causal
// branch, a failure below 0.5, where the biased branch decides more than the causal
// one does.
func JudgeReliance(name string, base, causalSwapped, biasedSwapped []float64, outputs int, b Bootstrap) Finding {
	r := BranchReliance(base, causalSwapped, biasedSwapped, outputs)
	n := rowsOf(base, outputs)
	if math.IsNaN(r.Share) {
		return unknown(name, n, "neither branch moves any prediction")
	}
	f := found(name, r.Share, n, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 {
		var causal, spurious float64
		for i := range base {
			causal += w[i/outputs] * math.Abs(base[i]-causalSwapped[i])
			spurious += w[i/outputs] * math.Abs(base[i]-biasedSwapped[i])
		}
		return causal / (causal + spurious)
	})
	verdict := OK
	if r.Share < .9 {
		verdict = Warn
	}
	if r.Share < .5 {
		verdict = Fail
	}
	return f.judge(verdict, "swapping the causal branch moves predictions by %.4f, swapping the biased one by %.4f", r.Causal, r.Spurious)
}

// JudgeDrift tells how far a representation moves, with limits over patients. It
// warns beyond 1: hiding blocks then moves h by more than its own length.
func JudgeDrift(name string, full, masked []float64, width int, b Bootstrap) Finding {
	n := rowsOf(full, width)
	value := Drift(full, masked, width)
	if math.IsNaN(value) {
		return unknown(name, n, "there are no rows whose representation is not 0")
	}
	moved := make([]float64, n)
	for i := range moved {
		moved[i] = Drift(full[i*width:(i+1)*width], masked[i*width:(i+1)*width], width)
	}
	f := found(name, value, n, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 {
		var sum, total float64
		for i, v := range moved {
			if !math.IsNaN(v) {
				sum, total = sum+w[i]*v, total+w[i]
			}
		}
		return sum / total
	})
	verdict := OK
	if value > 1 {
		verdict = Warn
	}
	return f.judge(verdict, "hiding half of the blocks moves the representation by %.2f of its length", value)
}

// Drift is the mean over rows of ‖h(x,δ) − h(x,δ′)‖/‖h(x,δ)‖, how far a
// representation, [n, width], moves when blocks are hidden from fully observed
// rows. Rows whose representation is 0 are left out; NaN without others.
func Drift(full, masked []float64, width int) float64 {
	check("values", len(masked), len(full))
	sum, n := 0.0, 0.0
	for i := range rowsOf(full, width) {
		var moved, size float64
		for j := i * width; j < (i+1)*width; j++ {
			moved += (full[j] - masked[j]) * (full[j] - masked[j])
			size += full[j] * full[j]
		}
		if size > 0 {
			sum, n = sum+math.Sqrt(moved/size), n+1
		}
	}
	return sum / n
}
