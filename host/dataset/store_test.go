package dataset

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cohort is a small dataset with two rows a patient, three modalities, of which
// one is always there, two sites and a time.
func cohort(t *testing.T) *Source {
	t.Helper()
	text := strings.Replace(head, "id = \"id\"", "id = \"id\"\npatient = \"who\"\nenvironment = \"site\"\ntime = \"day\"", 1) + `
[[modality]]
name = "base"
always = true
columns = ["age"]
[[modality]]
name = "labs"
columns = ["hb", "na"]
[[modality]]
name = "ecg"
columns = ["qt"]
[[group]]
column = "sex"
`
	text = "covariates = [\"age\"]\n" + text
	return mustLoad(t, text, map[string]string{"main.csv": cohortTable})
}

// Patient secret-k has rows 2k-1 and 2k; the label goes with ecg.
var cohortTable = func() string {
	var b strings.Builder
	b.WriteString("id,y,who,site,day,age,hb,na,qt,sex\n")
	for i := range 120 {
		who := i/2 + 1
		y := i * 7 % 5 / 3
		hb, qt := "", ""
		if i%3 > 0 {
			hb = "1" + string(rune('0'+i%10))
		}
		if y == 1 || i%11 == 0 {
			qt = "40" + string(rune('0'+i%10))
		}
		row := []string{
			"visit-" + itoa(i+1), itoa(y), "secret-" + itoa(who), string(rune('A' + who%3)), itoa(1000 + (who*37)%100 + i%2),
			itoa(40 + who%40), hb, "", qt, map[bool]string{true: "f", false: "m"}[who%2 == 0],
		}
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.String()
}()

func itoa(n int) string { return seedLabel(n) }

func buildCohort(t *testing.T) (*Store, string) {
	t.Helper()
	root := t.TempDir()
	s, err := Build(cohort(t), root, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, root
}

func TestBuild(t *testing.T) {
	src := cohort(t)
	s, root := buildCohort(t)
	if s.Hash() != src.Hash() || s.Dir() != filepath.Join(root, src.Hash()) {
		t.Errorf("got directory %s of hash %s, want %s", s.Dir(), s.Hash(), src.Hash())
	}
	if s.Rows() != 120 || s.Patients() != 60 || s.CovariateWidth() != 1 {
		t.Errorf("got %d rows of %d patients, %d covariates", s.Rows(), s.Patients(), s.CovariateWidth())
	}
	if diff := cmp.Diff(src.content, s.content, cmp.AllowUnexported(content{})); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
	units := map[int64]bool{}
	for _, u := range s.UnitHash() {
		units[u] = true
	}
	if len(units) != 120 {
		t.Errorf("got %d unit hashes for 120 rows", len(units))
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %d entries in the root, want the store alone (%v)", len(entries), err)
	}
	info, err := os.Stat(filepath.Join(s.Dir(), privateDir))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("private/ has mode %v, want 0700 (%v)", info.Mode().Perm(), err)
	}
}

// What a plugin can open has neither labels nor identifiers.
func TestBuild_FeaturesOnly(t *testing.T) {
	s, _ := buildCohort(t)
	var names []string
	err := filepath.WalkDir(s.FeatureDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		names = append(names, entry.Name())
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "secret-") || strings.Contains(string(data), "visit-") || strings.Contains(string(data), "demo") {
			t.Errorf("%s names a patient, a row or the dataset", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"m00.npy", "m01.npy", "m02.npy", "store.json"}; !slices.Equal(names, want) {
		t.Errorf("got files %v, want %v", names, want)
	}
}

func TestBuild_Twice(t *testing.T) {
	s, root := buildCohort(t)
	before, err := os.Stat(filepath.Join(s.Dir(), sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Build(cohort(t), root, testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	after, err := os.Stat(filepath.Join(s.Dir(), sumsFile))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("building again wrote the store again (%v)", err)
	}
	if !slices.Equal(again.UnitHash(), s.UnitHash()) {
		t.Error("unit hashes differ")
	}
	other := []byte(strings.Repeat("x", keySize))
	if _, err := Build(cohort(t), root, other); err == nil || !strings.Contains(err.Error(), "installation key") {
		t.Errorf("with another key: got error %v", err)
	}
	elsewhere, err := Build(cohort(t), t.TempDir(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	if elsewhere.Hash() != s.Hash() || slices.Equal(elsewhere.UnitHash(), s.UnitHash()) {
		t.Error("the key must change unit hashes and not the content hash")
	}
	if _, err := Build(cohort(t), root, []byte("short")); err == nil {
		t.Error("short key: got no error")
	}
}

func TestBuild_AtOnce(t *testing.T) {
	src, root := cohort(t), t.TempDir()
	var group sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		group.Go(func() {
			s, err := Build(src, root, testKey)
			if err == nil {
				err = s.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 {
		t.Errorf("got %d entries in the root, want one store (%v)", len(entries), err)
	}
}

// A single changed bit in any file is found.
func TestOpen_ErrDamaged(t *testing.T) {
	s, _ := buildCohort(t)
	files := 0
	err := filepath.WalkDir(s.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		good, err := os.ReadFile(path)
		if err != nil || len(good) == 0 {
			return err
		}
		bad := slices.Clone(good)
		bad[len(bad)/2] ^= 1
		for what, data := range map[string][]byte{"flipped bit": bad, "truncated": good[:len(good)/2]} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				return err
			}
			if opened, err := Open(s.Dir()); err == nil {
				opened.Close()
				t.Errorf("%s in %s: opened", what, entry.Name())
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s in %s: got error %v, want ErrDamaged", what, entry.Name(), err)
			}
		}
		return os.WriteFile(path, good, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if files != 15 {
		t.Errorf("got %d files in the store, want 15", files)
	}
	restored, err := Open(s.Dir())
	if err != nil {
		t.Fatalf("restored: %v", err)
	}
	restored.Close()
}

func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "key")
	key, err := Key(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || len(key) != keySize {
		t.Errorf("got %d bytes, mode %v (%v), want %d, 0600", len(key), info.Mode().Perm(), err, keySize)
	}
	again, err := Key(path)
	if err != nil || !slices.Equal(key, again) {
		t.Errorf("read again: got another key (%v)", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Key(path); err == nil {
		t.Error("damaged key: got no error")
	}
}

// HMAC-SHA256(key, "demo|visit-1"), first eight bytes, as Python's hmac gives it.
func TestUnitHash(t *testing.T) {
	if got := unitHash(testKey, "demo", "visit-1"); got != -907510119222117411 {
		t.Errorf("got %d, want %d", got, int64(-907510119222117411))
	}
}

func TestStore_Scaling(t *testing.T) {
	s, _ := buildCohort(t)
	labs, _ := s.Lookup("labs")
	var train []int32
	var values []float64
	for row := range int32(60) {
		train = append(train, row)
		raw, err := s.Features().Raw(labs, row)
		if err != nil {
			t.Fatal(err)
		}
		if raw[0] == raw[0] {
			values = append(values, float64(raw[0]))
		}
	}
	mean, sd := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sd += (v - mean) * (v - mean) / float64(len(values))
	}
	sd = math.Sqrt(sd)
	got := s.Scaling(train)[labs]
	if math.Abs(float64(got.Mean[0])-mean) > 1e-5 || math.Abs(float64(got.Scale[0])-sd) > 1e-5 {
		t.Errorf("got mean %v, scale %v, want %v, %v", got.Mean[0], got.Scale[0], mean, sd)
	}
	if got.Scale[1] != 0 || got.Mean[1] != 0 {
		t.Errorf("a column never seen: got mean %v, scale %v, want 0, 0", got.Mean[1], got.Scale[1])
	}
	if one := s.Scaling(train[:1])[0]; one.Scale[0] != 0 {
		t.Errorf("a constant column: got scale %v, want 0", one.Scale[0])
	}
	w := s.Covariates(train, train)
	sum, squares := 0.0, 0.0
	for _, v := range w {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	if math.Abs(sum/60) > 1e-6 || math.Abs(squares/60-1) > 1e-5 {
		t.Errorf("covariates of the training rows: got mean %v, variance %v, want 0, 1", sum/60, squares/60)
	}
}

func TestStore_Audit(t *testing.T) {
	s, _ := buildCohort(t)
	a := s.Audit()
	if a.Rows != 120 || a.Patients != 60 || a.Classes[1].Share != .4 || a.Empty != 0 {
		t.Errorf("got %d rows of %d patients, prevalence %v, %d empty", a.Rows, a.Patients, a.Classes[1].Share, a.Empty)
	}
	labs := a.Modalities[1]
	if math.Abs(labs.Missing-1.0/3) > 1e-9 || labs.Cells != .5 {
		t.Errorf("labs: got %v missing, %v of its cells, want 1/3, 1/2", labs.Missing, labs.Cells)
	}
	ecg := a.Modalities[2]
	if ecg.Absent != 0 || ecg.Observed < .8 || ecg.Association < .8 || labs.Association > .2 {
		t.Errorf("got association %v with ecg, %v with labs; prevalence %v without ecg", ecg.Association, labs.Association, ecg.Absent)
	}
	rows, share := 0, 0.0
	for i, p := range a.Patterns {
		rows += p.Rows
		share += p.Share
		if i > 0 && p.Rows > a.Patterns[i-1].Rows {
			t.Error("patterns are not in order of frequency")
		}
	}
	if rows != 120 || math.Abs(share-1) > 1e-9 || len(a.Patterns) != 4 {
		t.Errorf("got %d patterns of %d rows, share %v", len(a.Patterns), rows, share)
	}
	if len(a.Environments) != 3 || a.Groups["sex"][0].Name != "f" || a.Groups["sex"][0].Rows != 60 {
		t.Errorf("got environments %+v, groups %+v", a.Environments, a.Groups)
	}
}

// A store that cannot be finished leaves nothing behind, and what a killed
// process left is not taken for a store.
func TestBuild_ErrUnfinished(t *testing.T) {
	root := t.TempDir()
	src := cohort(t)
	values := src.values[2].Data
	src.values[2].Data = values[1:]
	if _, err := Build(src, root, testKey); err == nil {
		t.Fatal("a modality with a value too few: got no error")
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("got %d entries in the root, want none (%v)", len(entries), err)
	}
	src.values[2].Data = values
	if err := os.MkdirAll(filepath.Join(root, ".building-1", featureDir), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Build(src, root, testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Dir() != filepath.Join(root, src.Hash()) {
		t.Errorf("got store %s", s.Dir())
	}
}

// A plugin reads levels as 0 and 1, however rare they are, and 0 in all of them
// where the value is missing.
func TestStore_ScalingOneHot(t *testing.T) {
	src := mustLoad(t, "categorical = [\"cp\"]\n"+head+`
[[modality]]
name = "x"
columns = ["age", "cp", "hb"]
`, map[string]string{"main.csv": "id,y,age,cp,hb\n1,0,40,a,1\n2,1,50,b,2\n3,1,60,,3\n4,0,70,a,4\n5,0,70,c,4\n"})
	s, err := Build(src, t.TempDir(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Modalities()[0].OneHot; !slices.Equal(got, []int{1, 2, 3}) {
		t.Fatalf("got one-hot columns %v of %v, want 1 to 3", got, s.Modalities()[0].Columns)
	}
	train := []int32{}
	for row, id := range s.ids {
		if id != "5" {
			train = append(train, int32(row))
		}
	}
	values := make([]float32, 5)
	for row, id := range s.ids {
		if err := s.Features().Gather(0, []int32{int32(row)}, s.Scaling(train)[0], values); err != nil {
			t.Fatal(err)
		}
		want := map[string][]float32{"1": {1, 0, 0}, "2": {0, 1, 0}, "3": {0, 0, 0}, "4": {1, 0, 0}, "5": {0, 0, 0}}[id]
		if !slices.Equal(values[1:4], want) {
			t.Errorf("row %s: got levels %v, want %v", id, values[1:4], want)
		}
	}
}

// A store of an older program opens, and its columns are scaled as they were; one
// of a newer program is refused.
func TestOpen_Format(t *testing.T) {
	for format, opens := range map[string]bool{"1": true, "2": true, "5": false} {
		s, _ := buildCohort(t)
		path := filepath.Join(s.Dir(), privateDir, metaFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if m["format"] = json.Number(format); format == "1" {
			delete(m, "one_hot")
		}
		if text, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.WriteFile(path, text, 0o600), os.Remove(filepath.Join(s.Dir(), sumsFile)), writeSums(s.Dir()))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.Dir())
		if (err == nil) != opens {
			t.Errorf("format %s: got error %v", format, err)
		}
		if err != nil {
			continue
		}
		if got, want := again.Scaling([]int32{0, 1, 2, 3}), s.Scaling([]int32{0, 1, 2, 3}); !cmp.Equal(got, want) {
			t.Errorf("format %s: got scaling %v, want %v", format, got, want)
		}
		again.Close()
	}
}
