package mlflow

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// directory is a file store: DIR/EXPERIMENT/RUN with meta.yaml and, below params,
// tags and metrics, a file for each name, which may have slashes.
type directory string

const metaFile = "meta.yaml"

// experimentMeta and runMeta are the files as MLflow 3 writes them; older versions
// left keys out.
type experimentMeta struct {
	ArtifactLocation string `yaml:"artifact_location"`
	CreationTime     int64  `yaml:"creation_time"`
	ExperimentID     string `yaml:"experiment_id"`
	LastUpdateTime   int64  `yaml:"last_update_time"`
	LifecycleStage   string `yaml:"lifecycle_stage"`
	Name             string `yaml:"name"`
}

type runMeta struct {
	ArtifactURI    string   `yaml:"artifact_uri"`
	EndTime        *int64   `yaml:"end_time"`
	EntryPointName string   `yaml:"entry_point_name"`
	ExperimentID   string   `yaml:"experiment_id"`
	LifecycleStage string   `yaml:"lifecycle_stage"`
	RunID          string   `yaml:"run_id"`
	RunName        string   `yaml:"run_name"`
	SourceName     string   `yaml:"source_name"`
	SourceType     int      `yaml:"source_type"`
	SourceVersion  string   `yaml:"source_version"`
	StartTime      int64    `yaml:"start_time"`
	Status         int      `yaml:"status"`
	Tags           []string `yaml:"tags"`
	UserID         string   `yaml:"user_id"`
}

const (
	active      = "active"
	sourceLocal = 4
)

func readMeta(path string, meta any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, meta); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeMeta(path string, meta any) error {
	text, err := yaml.Marshal(meta)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// Experiments lists the subdirectories that describe themselves.
func (d directory) Experiments(context.Context) ([]Experiment, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("read MLflow store: %w", err)
	}
	var out []Experiment
	for _, e := range entries {
		var meta experimentMeta
		err := readMeta(filepath.Join(string(d), e.Name(), metaFile), &meta)
		if strings.HasPrefix(e.Name(), ".") || errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read MLflow store: %w", err)
		}
		if meta.LifecycleStage == active {
			out = append(out, Experiment{ID: e.Name(), Name: meta.Name})
		}
	}
	return out, nil
}

// Runs reads the runs in order of their start.
func (d directory) Runs(ctx context.Context, e Experiment, f func(Run) error) error {
	fail := func(err error) error { return fmt.Errorf("read MLflow experiment %s: %w", e.Name, err) }
	dir := filepath.Join(string(d), e.ID)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fail(err)
	}
	var metas []runMeta
	for _, entry := range entries {
		var meta runMeta
		err := readMeta(filepath.Join(dir, entry.Name(), metaFile), &meta)
		if !entry.IsDir() || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fail(err)
		}
		meta.RunID = entry.Name()
		if meta.LifecycleStage == active {
			metas = append(metas, meta)
		}
	}
	slices.SortFunc(metas, func(a, b runMeta) int {
		return cmp.Or(cmp.Compare(a.StartTime, b.StartTime), cmp.Compare(a.RunID, b.RunID))
	})
	for _, meta := range metas {
		if err := ctx.Err(); err != nil {
			return err
		}
		run, err := readRun(filepath.Join(dir, meta.RunID), meta)
		if err != nil {
			return fail(err)
		}
		if err := f(run); err != nil {
			return err
		}
	}
	return nil
}

func readRun(dir string, meta runMeta) (Run, error) {
	run := Run{ID: meta.RunID, Name: meta.RunName, User: meta.UserID, Start: time.UnixMilli(meta.StartTime).UTC(), Metrics: map[string][]Point{}}
	for status, number := range numbers {
		if number == meta.Status {
			run.Status = status
		}
	}
	if meta.EndTime != nil {
		run.End = time.UnixMilli(*meta.EndTime).UTC()
	}
	var err error
	if run.Params, err = readTexts(filepath.Join(dir, "params")); err != nil {
		return run, err
	}
	if run.Tags, err = readTexts(filepath.Join(dir, "tags")); err != nil {
		return run, err
	}
	run.Name = cmp.Or(run.Name, run.Tags["mlflow.runName"])
	err = eachFile(filepath.Join(dir, "metrics"), func(name, path string) error {
		run.Metrics[name], err = readPoints(path)
		return err
	})
	return run, err
}

// eachFile calls f with the files below a directory, if there is one.
func eachFile(dir string, f func(name, path string) error) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if path == dir && errors.Is(err, fs.ErrNotExist) {
			return fs.SkipAll
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(name), path)
	})
}

func readTexts(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := eachFile(dir, func(name, path string) error {
		text, err := os.ReadFile(path)
		out[name] = string(text)
		return err
	})
	return out, err
}

// readPoints reads lines of time in milliseconds, value and, since MLflow 1.0, step.
func readPoints(path string) ([]Point, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var out []Point
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) == 2 {
			fields = append(fields, "0")
		}
		if len(fields) < 3 { // a fourth names the dataset
			return nil, fmt.Errorf("%s: %q is no point", path, lines.Text())
		}
		at, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		value, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		step, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, Point{Step: step, At: time.UnixMilli(at).UTC(), Value: value})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// Write makes a directory for each run, which appears whole. A run is known by its
// ID; key is for servers.
func (d directory) Write(ctx context.Context, experiment, _ string, runs func(yield func(Run) error) error) (int, error) {
	dir, err := d.experiment(ctx, experiment)
	if err != nil {
		return 0, fmt.Errorf("write MLflow experiment %s: %w", experiment, err)
	}
	added := 0
	err = runs(func(r Run) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		final := filepath.Join(dir, r.ID)
		if _, err := os.Stat(final); err == nil {
			return nil
		}
		part, err := os.MkdirTemp(string(d), ".writing-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(part)
		if err := errors.Join(os.Chmod(part, 0o755), writeRun(part, final, r)); err != nil {
			return err
		}
		added++
		return os.Rename(part, final)
	})
	if err != nil {
		return added, fmt.Errorf("write MLflow experiment %s: %w", experiment, err)
	}
	return added, nil
}

// experiment finds or makes the directory of an experiment.
func (d directory) experiment(ctx context.Context, name string) (string, error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return "", err
	}
	known, err := d.Experiments(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range known {
		if e.Name == name {
			return filepath.Join(string(d), e.ID), nil
		}
	}
	// A number of 18 digits, as MLflow draws it.
	sum := sha256.Sum256([]byte(name))
	const digits = 100_000_000_000_000_000
	id := new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(9*digits))
	id.Add(id, big.NewInt(digits))
	dir := filepath.Join(string(d), id.String())
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	location, err := fileURL(dir)
	if err != nil {
		return "", err
	}
	now := time.Now().UnixMilli()
	return dir, writeMeta(filepath.Join(dir, metaFile), experimentMeta{
		ArtifactLocation: location, CreationTime: now, ExperimentID: id.String(), LastUpdateTime: now, LifecycleStage: active, Name: name,
	})
}

func fileURL(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	return "file://" + filepath.ToSlash(absolute), err
}

// writeRun fills a directory that will have another name.
func writeRun(dir, final string, r Run) error {
	artifacts, err := fileURL(filepath.Join(final, "artifacts"))
	if err != nil {
		return err
	}
	meta := runMeta{
		ArtifactURI: artifacts, ExperimentID: filepath.Base(filepath.Dir(final)), LifecycleStage: active, RunID: r.ID, RunName: r.Name,
		SourceType: sourceLocal, StartTime: r.Start.UnixMilli(), Status: numbers[r.Status], Tags: []string{}, UserID: r.User,
	}
	if !r.End.IsZero() {
		end := r.End.UnixMilli()
		meta.EndTime = &end
	}
	for _, sub := range []string{"artifacts", "params", "tags", "metrics"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	tags := maps.Clone(r.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["mlflow.runName"] = r.Name
	for sub, texts := range map[string]map[string]string{"params": r.Params, "tags": tags} {
		for name, text := range texts {
			if err := writeText(filepath.Join(dir, sub), name, text); err != nil {
				return err
			}
		}
	}
	for name, points := range r.Metrics {
		var text strings.Builder
		for _, p := range points {
			fmt.Fprintf(&text, "%d %s %d\n", p.At.UnixMilli(), number(p.Value), p.Step)
		}
		if err := writeText(filepath.Join(dir, "metrics"), name, text.String()); err != nil {
			return err
		}
	}
	return writeMeta(filepath.Join(dir, metaFile), meta)
}

func writeText(dir, name, text string) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("%q is no name for a file", name)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// number prints all digits, as Python reads them.
func number(v float64) string { return strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+") }

// ID makes the identifier of a run out of what tells it from all others.
func ID(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return hex.EncodeToString(sum[:16])
}
