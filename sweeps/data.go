package sweeps

import "math"

// Data says how a dataset is split and what is tested.
type Data struct {
	Split Split
	// Sides are those of single datasets, where a site split gives a table.
	Sides  map[string]Sides
	Groups []string // subgroups that test metrics are reported for
	Shifts []string // shifted tests, beside the plain one; name or name:argument
}

// Split divides patients into training, validation and test rows.
type Split struct {
	Scheme    string    `json:"scheme"` // holdout, kfold, site, time
	By        string    `json:"by"`
	Fractions []float64 `json:"fractions,omitempty"` // training, validation, test
	// Test says who is tested by holdout and site splits: TestFixed or TestPerSeed.
	Test  string `json:"test,omitempty"`
	Folds int    `json:"folds,omitempty"` // of kfold
	// Source and Target are environments of a site split; empty: the dataset
	// decides by the seed.
	Source []string `json:"source,omitempty"`
	Target []string `json:"target,omitempty"`
}

// Sides are the source and target environments of a dataset.
type Sides struct{ Source, Target []string }

// SplitOf is the split of one dataset.
func (d Data) SplitOf(dataset string) Split {
	s := d.Split
	if own, ok := d.Sides[dataset]; ok {
		s.Source, s.Target = own.Source, own.Target
	}
	return s
}

// Who is tested. Of a fixed test set no patient is in any seed's training or
// validation rows, so that the search has not seen the test rows of a replicate.
const (
	TestFixed   = "fixed"
	TestPerSeed = "per_seed"
)

// TestsAnew reports whether patients whom one seed tests may be validation rows of
// another: then a search has seen test rows of the replicates.
func (s Split) TestsAnew() bool {
	return s.Scheme == "kfold" || s.Test == TestPerSeed || s.Scheme == "site" && len(s.Source) == 0 && len(s.Target) == 0
}

func readData(v value) Data {
	d := Data{Split: Split{Scheme: "holdout", By: "patient", Fractions: []float64{0.6, 0.2, 0.2}, Test: TestFixed}}
	if !v.table("split", "groups", "shifts") {
		return d
	}
	d.readSplit(v.get("split"))
	d.Groups = v.get("groups").names()
	d.Shifts = v.get("shifts").names(":")
	return d
}

// readSides reads the environments of single datasets, { heart = ["va"] }.
func (d *Data) readSides(v value, key string) {
	if d.Sides == nil {
		d.Sides = map[string]Sides{}
	}
	for _, dataset := range v.keys() {
		own, names := d.Sides[dataset], v.get(dataset).names(" ", ":", "/")
		if key == "source" {
			own.Source = names
		} else {
			own.Target = names
		}
		d.Sides[dataset] = own
	}
}

func (d *Data) readSplit(v value) {
	if !v.table("scheme", "by", "fractions", "test", "folds", "source", "target") {
		return
	}
	s := &d.Split
	if scheme, ok := v.get("scheme").choice("holdout", "kfold", "site", "time"); ok {
		s.Scheme = scheme
	}
	if by, ok := v.get("by").choice("patient"); ok {
		s.By = by
	}
	for key, to := range map[string]*[]string{"source": &s.Source, "target": &s.Target} {
		field := v.get(key)
		if field.present() && s.Scheme != "site" {
			field.report(`goes with scheme "site" only; remove it`)
		}
		if _, byDataset := field.v.(map[string]any); byDataset {
			d.readSides(field, key)
		} else if field.present() {
			*to = field.names(" ", ":", "/")
		}
	}
	fixed := v.get("test")
	if s.Scheme == "kfold" || s.Scheme == "time" {
		s.Test = ""
		if fixed.present() {
			fixed.report("goes with scheme \"holdout\" or \"site\"; remove it")
		}
	} else if test, ok := fixed.choice(TestFixed, TestPerSeed); ok {
		s.Test = test
	}
	fractions, folds := v.get("fractions"), v.get("folds")
	if s.Scheme == "kfold" {
		s.Fractions, s.Folds = nil, 5
		if n, ok := folds.integer(3); ok {
			s.Folds = int(n)
		}
		if fractions.present() {
			fractions.report(`does not go with scheme "kfold"; use folds`)
		}
		return
	}
	if folds.present() {
		folds.report(`goes with scheme "kfold" only; use fractions`)
	}
	items, ok := fractions.list()
	if !ok {
		return
	}
	if len(items) != 3 {
		fractions.report("has %d entries; give the shares of training, validation and test rows", len(items))
		return
	}
	sum, sound := 0.0, true
	s.Fractions = nil
	for _, item := range items {
		f, ok := item.number()
		if ok && (f <= 0 || f >= 1) {
			item.report("is %v, a share must lie between 0 and 1", f)
			ok = false
		}
		sound = sound && ok
		sum += f
		s.Fractions = append(s.Fractions, f)
	}
	if sound && math.Abs(sum-1) > 1e-9 {
		fractions.report("sum to %v, they must sum to 1", math.Round(sum*1e9)/1e9)
	}
}
