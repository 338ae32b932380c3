package dataset

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestUniform(t *testing.T) {
	for _, c := range []struct {
		labels []string
		want   float64
	}{
		{[]string{"heart", "0", "cleveland-1"}, 0.230067405605},
		{[]string{"nafld", "0", "3"}, 0.559102844233},
	} {
		if got := uniform(c.labels...); math.Abs(got-c.want) > 5e-13 {
			t.Errorf("%v: got %.12f, want %.12f", c.labels, got, c.want)
		}
	}
}

// sets are the reference figures of the shared datasets: rows, positive labels,
// share of rows that miss a modality.
var sets = map[string]struct {
	rows, positive int
	missing        map[string]float64
}{
	"nafld":    {10652, 729, map[string]float64{"anthro": .16, "lipid": .2648, "bp": .70, "fibrosis": .93, "smoking": .94}},
	"heart":    {920, 509, map[string]float64{"lipid": .22, "sugar": .10, "bp": .07, "exercise": .06, "st_slope": .34, "fluoroscopy": .66, "thallium": .53}},
	"support2": {9105, 2360, map[string]float64{"adl_patient": .62, "adl_surrogate": .31, "wbc": .02, "socio": .15, "physician": .18, "phase2labs": .47, "abg": .25, "liver": .23}},
	// Some of these 13 blocks are .04 to .96 missing; mi_location has a value in
	// every row.
	"mi": {1700, 271, map[string]float64{
		"emerg_bp": .63, "icu_bp": .16, "mi_location": 0, "ecg_rhythm": .09, "ecg_conduction": .07, "electrolytes": .22,
		"transaminases": .17, "blood_count": .07, "emerg_drugs": .37, "heredity": .96, "hypertension_years": .15, "angina": .04,
		"time_to_admission": .07,
	}},
	"pbc":     {312, 115, map[string]float64{"exam": .22, "liverchem": .22, "lipid": .30, "platelet": .04, "biopsy": .02}},
	"miniacc": {92, 34, map[string]float64{"RPPAArray": .50, "RNASeq2GeneNorm": .14, "miRNASeqGene": .13, "gistict": .02, "Mutations": .02}},
}

// targets are the environments of the shifted protocol.
var targets = map[string][]string{
	"nafld": {"1"}, "heart": {"va", "switzerland"}, "support2": {"Cancer", "Coma"}, "pbc": {"0"},
}

func TestAudit_SharedData(t *testing.T) {
	for name, want := range sets {
		t.Run(name, func(t *testing.T) {
			s := shared(t, name)
			a := s.Audit()
			if a.Rows != want.rows || a.Patients != want.rows {
				t.Errorf("got %d rows of %d patients, want %d", a.Rows, a.Patients, want.rows)
			}
			if got := int(math.Round(a.Classes[1].Share * float64(a.Rows))); got != want.positive {
				t.Errorf("got %d positive labels, want %d", got, want.positive)
			}
			for modality, share := range want.missing {
				m, ok := s.Lookup(modality)
				if !ok {
					t.Fatalf("no modality %s", modality)
				}
				// The reference is rounded to two digits.
				if got := a.Modalities[m].Missing; math.Abs(got-share) > .0051 {
					t.Errorf("%s: got %.4f missing, want %.2f", modality, got, share)
				}
			}
			if a.Modalities[0].Name != "base" || a.Modalities[0].Missing != 0 {
				t.Errorf("got first modality %+v, want base, never missing", a.Modalities[0])
			}
		})
	}
}

// The sizes of every part, for five seeds, as another language computed them.
func TestStore_SplitProtocol(t *testing.T) {
	file, err := os.Open(filepath.Join(sharedData(t, "."), "split_counts.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		name, protocol := record[0], record[2]
		seed, err := strconv.Atoi(record[1])
		if err != nil {
			t.Fatal(err)
		}
		s := shared(t, name)
		spec := SplitSpec{Scheme: Holdout}
		if protocol == "shift" {
			spec = SplitSpec{Scheme: Site, Target: targets[name]}
		}
		split, err := s.Split(spec, seed)
		if err != nil {
			t.Fatal(err)
		}
		parts := [][]int32{split.Train, split.Validation, split.Test}
		if protocol == "shift" {
			parts = [][]int32{split.Train, split.Validation, split.SourceTest, split.Test}
		}
		for i, rows := range parts {
			positive := 0
			for _, row := range rows {
				positive += s.class(row)
			}
			for j, got := range []int{len(rows), positive} {
				want, err := strconv.ParseFloat(record[3+2*i+j], 64)
				if err != nil {
					t.Fatal(err)
				}
				if got != int(want) {
					t.Errorf("%s seed %d %s, part %d: got %d, want %v (%s)", name, seed, protocol, i, got, want, records[0][3+2*i+j])
				}
			}
		}
	}
}
