package causal

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// The closed form against NumPy; testdata/separation.py has the command.
func TestSeparate_agreesWithNumPy(t *testing.T) {
	data, err := os.ReadFile("testdata/separation.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Width, Modality, Modalities, Classes int
		Values, Covariates, Labels           []float32
		Availability                         []uint64
		Cases                                []struct {
			Mechanism                                     string
			Covariates, Directions                        int
			Singular, Offset, Read, Write, Biased, Causal []float64
			Threshold, Erased                             float64
		}
	}
	if err := json.Unmarshal(data, &fixture); err != nil {
		t.Fatal(err)
	}
	for _, want := range fixture.Cases {
		s := Sample{
			Values: fixture.Values, Width: fixture.Width, Availability: fixture.Availability,
			Modality: fixture.Modality, Modalities: fixture.Modalities,
			Task: Task{Kind: Multiclass, Classes: fixture.Classes}, Labels: fixture.Labels,
		}
		if want.Covariates > 0 {
			s.Covariates, s.CovariateWidth = fixture.Covariates, want.Covariates
		}
		got := Separate(want.Mechanism, s)
		if got.Directions != want.Directions || want.Directions == 0 || got.Rows != len(s.Availability) || got.Reason != "" {
			t.Fatalf("%s: got %+v, want %d directions", want.Mechanism, got, want.Directions)
		}
		var biased, causal []float64
		for i := range 6 {
			z, b := s.Values[i*s.Width:(i+1)*s.Width], make([]float32, got.Directions)
			got.Biased(b, z, s.Covariates[i*s.CovariateWidth:(i+1)*s.CovariateWidth])
			biased = append(biased, widen(b)...)
			rest := widen(z)
			for k := range got.Directions {
				component := -got.Offset[k]
				for j, v := range z {
					component += got.Read[k*s.Width+j] * float64(v)
				}
				for j := range rest {
					rest[j] -= got.Write[k*s.Width+j] * component
				}
			}
			causal = append(causal, rest...)
		}
		for _, part := range []struct {
			name      string
			got, want []float64
			tolerance float64
		}{
			{"singular values", got.Singular, want.Singular, 1e-6},
			{"threshold", []float64{got.Threshold}, []float64{want.Threshold}, 1e-12},
			{"share erased", []float64{got.Erased}, []float64{want.Erased}, 1e-6},
			{"read", got.Read, want.Read, 1e-5},
			{"write", got.Write, want.Write, 1e-5},
			{"offset", got.Offset, want.Offset, 1e-5},
			{"b", biased, want.Biased, 1e-5},
			{"c", causal, want.Causal, 1e-5},
		} {
			if len(part.got) != len(part.want) {
				t.Fatalf("%s: %d values, want %d", part.name, len(part.got), len(part.want))
			}
			for i, v := range part.got {
				if !(math.Abs(v-part.want[i]) <= part.tolerance) {
					t.Errorf("%s with %d covariates: %s %d is %v, want %v", want.Mechanism, want.Covariates, part.name, i, v, part.want[i])
				}
			}
		}
	}
}

// confounded draws rows of two columns moved by a latent variable that decides
// which of the two other modalities are there.
func confounded(n int, strength float64, r interface{ NormFloat64() float64 }) Sample {
	s := Sample{Width: 3, Modality: 2, Modalities: 3, Task: Task{Kind: Binary}}
	for range n {
		u := r.NormFloat64()
		s.Values = append(s.Values, float32(0.8*u+r.NormFloat64()), float32(-0.5*u+r.NormFloat64()), float32(r.NormFloat64()))
		a := uint64(4)
		for m := range 2 {
			if strength*u+r.NormFloat64() > -0.5 {
				a |= 1 << m
			}
		}
		s.Availability = append(s.Availability, a)
		s.Labels = append(s.Labels, float32(math.Max(0, math.Copysign(1, u+r.NormFloat64()))))
	}
	return s
}

// What is left predicts the availability of the other modalities no more, and the
// covariates keep what they explain.
func TestSeparate_erasesWhatPredictsAvailability(t *testing.T) {
	s := confounded(2000, 1, rng.Stream(1, "rows"))
	p := Separate(MechanismConfounder, s)
	if p.Directions != 1 || !(p.Erased > 0.2 && p.Erased < 0.6) {
		t.Fatalf("got %+v", p)
	}
	n := float64(len(s.Availability))
	for m := range 2 {
		var before, after [3]float64
		share := 0.0
		for _, a := range s.Availability {
			share += float64(a>>m&1) / n
		}
		for i, a := range s.Availability {
			z := s.Values[i*3 : i*3+3]
			component := -p.Offset[0]
			for j, v := range z {
				component += p.Read[j] * float64(v)
			}
			for j, v := range z {
				d := float64(a>>m&1) - share
				before[j] += d * float64(v) / n
				after[j] += d * (float64(v) - p.Write[j]*component) / n
			}
		}
		if !(math.Abs(before[0]) > 0.1) || !(math.Abs(after[0]) < 0.01 && math.Abs(after[1]) < 0.01 && math.Abs(after[2]) < 0.02) {
			t.Errorf("covariance with availability %d: %v before, %v after", m, before, after)
		}
	}

	// The same variable, observed: what it explains is no latent confounding.
	s = confounded(2000, 0, rng.Stream(2, "rows"))
	for i := range s.Availability {
		w := float32(rng.Stream(3, "w", i).NormFloat64())
		s.Covariates = append(s.Covariates, w)
		s.Values[i*3+2] += w
		s.Availability[i] = 4 | uint64(1+int(math.Copysign(1, float64(w))))
	}
	if p := Separate(MechanismConfounder, s); p.Directions == 0 {
		t.Errorf("without covariates: got %+v", p)
	}
	s.CovariateWidth = 1
	if p := Separate(MechanismConfounder, s); p.Directions != 0 || p.Reason == "" {
		t.Errorf("given the covariate: got %+v", p)
	}
}

// Columns that have nothing to do with availability are kept whole in all but a
// few cases, however many columns and modalities there are.
func TestSeparate_thresholdIsAboveNoise(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {1, 5}, {2, 2}, {12, 2}, {4, 5}, {30, 3}} {
		d, q := shape[0], shape[1]
		const trials = 200
		kept := 0
		for trial := range uint64(trials) {
			r := rng.Stream(trial, "noise", d, q)
			s := Sample{Width: d, Modality: q, Modalities: q + 1, Task: Task{Kind: Binary}}
			for range 400 {
				for range d {
					s.Values = append(s.Values, float32(r.NormFloat64()))
				}
				a := uint64(1) << q
				for m := range q {
					if r.Float64() < 0.3+0.5*float64(m)/float64(q) { // of unequal rates
						a |= 1 << m
					}
				}
				s.Availability = append(s.Availability, a)
			}
			if Separate(MechanismConfounder, s).Directions > 0 {
				kept++
			}
		}
		if kept > 6 {
			t.Errorf("%d columns, %d modalities: noise was erased in %d of %d cases", d, q, kept, trials)
		}
	}
}

// Where nothing may or can be erased the reason is given.
func TestSeparate_reasons(t *testing.T) {
	s := confounded(500, 1, rng.Stream(4, "rows"))
	always := s
	always.Availability = slices.Repeat([]uint64{7}, 500)
	constant := s
	constant.Values = make([]float32, len(s.Values))
	noise := confounded(500, 0, rng.Stream(5, "rows"))
	for _, test := range []struct {
		name, mechanism string
		sample          Sample
		want            string
	}{
		{"self", MechanismSelf, s, "depend on the values themselves"},
		{"always there", MechanismConfounder, always, "at least 20 of the 500"},
		{"no row", MechanismConfounder, Sample{Width: 3, Modalities: 3}, "at least 20 of the 0"},
		{"constant columns", MechanismConfounder, constant, "no direction"},
		{"noise", MechanismLabel, noise, "no direction"},
	} {
		p := Separate(test.mechanism, test.sample)
		if p.Directions != 0 || !strings.Contains(p.Reason, test.want) || p.Erased != 0 {
			t.Errorf("%s: got %+v, want %q", test.name, p, test.want)
		}
	}
	// The label form of a binary and of a multilabel task with an unknown label.
	two := s
	two.Task = Task{Kind: Multilabel, Classes: 2}
	two.Labels = nil
	for i, y := range s.Labels {
		other := float32(i % 2)
		if i%5 == 0 {
			other = float32(math.NaN())
		}
		two.Labels = append(two.Labels, y, other)
	}
	for name, s := range map[string]Sample{"binary": s, "multilabel": two} {
		if p := Separate(MechanismLabel, s); p.Directions != 1 || p.Singular[0] >= Separate(MechanismConfounder, s).Singular[0] {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

// In the place of availability stands the environment: what tells the sites apart
// is taken out, by as many directions as the sites differ in, and the most frequent
// site is no target of its own.
func TestSeparate_byEnvironment(t *testing.T) {
	r := rng.Stream(4, "sites")
	s := Sample{Width: 4, Modality: 0, Modalities: 1, Task: Task{Kind: Binary}, Environments: 3}
	for i := range 1500 {
		site := []int32{0, 0, 1, 2}[i%4]
		s.Availability = append(s.Availability, 1)
		s.Environment = append(s.Environment, site)
		s.Values = append(s.Values,
			float32(r.NormFloat64()+float64(site)), float32(r.NormFloat64()), float32(r.NormFloat64()-float64(site%2)), float32(r.NormFloat64()))
	}
	p := Separate(MechanismConfounder, s)
	if p.Directions != 2 || len(p.Singular) != 2 {
		t.Fatalf("got %+v", p)
	}
	var before, after [3][4]float64
	for i, site := range s.Environment {
		z := s.Values[i*4 : i*4+4]
		rest := widen(z)
		for k := range p.Directions {
			component := -p.Offset[k]
			for j, v := range z {
				component += p.Read[k*4+j] * float64(v)
			}
			for j := range rest {
				rest[j] -= p.Write[k*4+j] * component
			}
		}
		n := []float64{750, 375, 375}[site]
		for j, v := range z {
			before[site][j] += float64(v) / n
			after[site][j] += rest[j] / n
		}
	}
	if !(before[2][0]-before[0][0] > 1.5) {
		t.Errorf("means of the sites before: %v", before)
	}
	for site := range 3 {
		for j := range 4 {
			if math.Abs(after[site][j]-after[0][j]) > 1e-5 {
				t.Errorf("column %d differs between sites 0 and %d: %v and %v", j, site, after[0][j], after[site][j])
			}
		}
	}
	s.Environments, s.Environment = 1, make([]int32, len(s.Availability))
	if p := Separate(MechanismConfounder, s); p.Directions != 0 || !strings.Contains(p.Reason, "no environment is both there") {
		t.Errorf("one site: got %+v", p)
	}
}
