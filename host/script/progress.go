package script

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
)

const (
	mostMetrics = 64
	mostEpochs  = 100_000
)

var metricPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// progress hands the metrics of epochs to a recorder. What a script says of an epoch
// may come in several lines; an epoch is recorded when the next one begins.
type progress struct {
	recorder train.Recorder
	epoch    int // -1 before the first
	values   train.Values
	known    map[string]bool
}

func newProgress(recorder train.Recorder) *progress {
	return &progress{recorder: recorder, epoch: -1, known: map[string]bool{}}
}

// line takes a line of JSON, an object with the whole number epoch and numbers; it
// answers false for anything else, which is the script's own business.
func (p *progress) line(text string) (bool, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return false, nil
	}
	var values map[string]any
	parsed := json.Unmarshal([]byte(text), &values) == nil
	epoch, ok := values["epoch"].(float64)
	if !parsed || !ok {
		return false, nil
	}
	delete(values, "epoch")
	numbers := map[string]float64{}
	for name, v := range values {
		if number, ok := v.(float64); ok {
			numbers[name] = number
		}
	}
	return true, p.add(epoch, numbers)
}

// add takes metrics of an epoch. A name with a slash has the split before it:
// val/auroc.
func (p *progress) add(epoch float64, numbers map[string]float64) error {
	if epoch != math.Trunc(epoch) || epoch < 0 || epoch > mostEpochs {
		return sdk.Errorf(sdk.CodeBadRequest, "metrics of epoch %v: epochs are whole numbers from 0 to %d", epoch, mostEpochs)
	}
	if int(epoch) < p.epoch {
		return sdk.Errorf(sdk.CodeBadRequest, "metrics of epoch %v after those of epoch %d", epoch, p.epoch)
	}
	if int(epoch) > p.epoch {
		if err := p.flush(); err != nil {
			return err
		}
		p.epoch, p.values = int(epoch), train.Values{}
	}
	for name, v := range numbers {
		split, metric, found := strings.Cut(name, "/")
		if !found {
			split, metric = "train", name
		}
		if !metricPattern.MatchString(split) || !metricPattern.MatchString(metric) {
			return sdk.Errorf(sdk.CodeBadRequest, "%q is no name of a metric; write for example val/auroc", name)
		}
		if p.known[name] = true; len(p.known) > mostMetrics {
			return sdk.Errorf(sdk.CodeBadRequest, "more than %d different metrics", mostMetrics)
		}
		p.values[train.Metric{Name: metric, Split: split}] = v
	}
	return nil
}

// flush records the epoch at hand.
func (p *progress) flush() error {
	if len(p.values) == 0 {
		return nil
	}
	values := p.values
	p.values = nil
	return p.recorder.Points(p.epoch, values)
}

// file reads metrics that a script has written: lines of JSON, or a CSV file with a
// column epoch. A file that is not there has none.
func (p *progress) file(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > largestFile {
		return sdk.Errorf(sdk.CodeBadRequest, "%s is no file of at most %d bytes", path, largestFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".csv") {
		err = p.csv(f)
	} else {
		err = p.json(f)
	}
	if err != nil {
		return fmt.Errorf("metrics %s: %w", path, err)
	}
	return nil
}

func (p *progress) json(in io.Reader) error {
	scanner := bufio.NewScanner(in)
	for n := 1; scanner.Scan(); n++ {
		if strings.TrimSpace(scanner.Text()) == "" {
			continue
		}
		taken, err := p.line(scanner.Text())
		if err != nil {
			return err
		}
		if !taken {
			return sdk.Errorf(sdk.CodeBadRequest, `line %d is no object such as {"epoch": 3, "val/auroc": 0.81}`, n)
		}
	}
	return scanner.Err()
}

func (p *progress) csv(in io.Reader) error {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return sdk.Errorf(sdk.CodeBadRequest, "no header: %v", err)
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return sdk.Errorf(sdk.CodeBadRequest, "%v", err)
		}
		epoch, numbers := math.NaN(), map[string]float64{}
		for i, name := range header {
			if record[i] == "" {
				continue
			}
			v, err := strconv.ParseFloat(record[i], 64)
			if err != nil {
				line, _ := r.FieldPos(i)
				return sdk.Errorf(sdk.CodeBadRequest, "line %d: %s is %q, not a number", line, name, record[i])
			}
			if name == "epoch" {
				epoch = v
			} else {
				numbers[name] = v
			}
		}
		if err := p.add(epoch, numbers); err != nil {
			return err
		}
	}
}
