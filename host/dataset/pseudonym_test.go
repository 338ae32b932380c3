package dataset

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// described is all that a store says of a row but who it is, by unit hash.
func described(t *testing.T, s *Store) map[int64]string {
	t.Helper()
	out := map[int64]string{}
	width, p := s.task.LabelWidth(), s.CovariateWidth()
	for row, unit := range s.UnitHash() {
		var text strings.Builder
		fmt.Fprint(&text, s.availability[row], s.labels[row*width:(row+1)*width], s.covariates[row*p:(row+1)*p])
		for _, g := range s.groups {
			fmt.Fprint(&text, g.Name, g.Levels[g.Values[row]])
		}
		if s.environment != nil {
			fmt.Fprint(&text, s.environment.Levels[s.environment.Values[row]])
		}
		if s.time != nil {
			fmt.Fprint(&text, s.time[row])
		}
		for m, modality := range s.modalities {
			raw, err := s.features.Raw(m, int32(row))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(&text, modality.Name, raw)
		}
		out[unit] = text.String()
	}
	return out
}

// What may leave the machine says of every unit what the store says, and holds no
// identifier, nor anything that can be made from one without the key: not the order of
// rows, which is a hash of identifiers without it, and not the numbers of patients.
func TestPseudonymise(t *testing.T) {
	s, _ := buildCohort(t)
	root := t.TempDir()
	p, err := Pseudonymise(s, root, testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if d := cmp.Diff(described(t, s), described(t, p)); d != "" {
		t.Errorf("what is said of units (-before +after):\n%s", d)
	}
	if !p.Pseudonymous() || s.Pseudonymous() || p.Hash() == s.Hash() || p.Name() != s.Name() || p.Patients() != s.Patients() {
		t.Errorf("got %v %s of %s, %d patients", p.Pseudonymous(), p.Hash(), p.Name(), p.Patients())
	}
	if !slices.IsSortedFunc(p.unit, func(a, b int64) int { return strings.Compare(pseudonym(a), pseudonym(b)) }) {
		t.Error("the rows are not in the order of their keyed hashes")
	}
	next := int32(0)
	patientOf := map[int64]string{} // by unit, of the store with names
	for row, unit := range s.unit {
		patientOf[unit] = s.patients[s.patient[row]]
	}
	names := map[string]int32{}
	for row, n := range p.patient {
		if n > next {
			t.Fatalf("row %d has patient %d before there is a patient %d", row, n, next)
		}
		next = max(next, n+1)
		name := patientOf[p.unit[row]]
		if first, ok := names[name]; ok && first != n || p.patients[n] != pseudonym(unitHash(testKey, s.Name(), name)) {
			t.Errorf("patient %s has the numbers %d and %d, or the name %s", name, first, n, p.patients[n])
		}
		names[name] = n
	}
	raw := append(slices.Clone(s.ids), s.patients...)
	err = filepath.WalkDir(p.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, id := range raw {
			if bytes.Contains(text, []byte(`"`+id+`"`)) {
				t.Errorf("%s holds the identifier %s", d.Name(), id)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// Elsewhere it has the same splits, in which no patient is in two parts.
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(p.Dir())); err != nil {
		t.Fatal(err)
	}
	there, err := Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	spec := SplitSpec{FixedTest: true}
	here, err := p.Split(spec, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := there.Split(spec, 3); err != nil || !cmp.Equal(got, here) || len(got.Train) == 0 || len(got.Test) == 0 {
		t.Errorf("the split elsewhere: got %v, %v, want %v", got, err, here)
	}
	if there.KeyID() != s.KeyID() {
		t.Error("the units have another key")
	}
	// Again it is the same.
	again, err := Pseudonymise(s, root, testKey)
	if err != nil || again.Dir() != p.Dir() {
		t.Fatalf("again: %v", err)
	}
	defer again.Close()
	twice, err := Pseudonymise(p, t.TempDir(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer twice.Close()
	if d := cmp.Diff(p.unit, twice.unit, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("units of a copy of the copy: %s", d)
	}
	if _, err := Pseudonymise(s, t.TempDir(), bytes.Repeat([]byte("x"), keySize)); err == nil || !strings.Contains(err.Error(), "another installation key") {
		t.Errorf("another key: %v", err)
	}
}
