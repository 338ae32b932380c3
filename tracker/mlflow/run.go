package mlflow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Status says how a run ended, as MLflow names and numbers it.
type Status string

// The states of a run.
const (
	Running   Status = "RUNNING"
	Scheduled Status = "SCHEDULED"
	Finished  Status = "FINISHED"
	Failed    Status = "FAILED"
	Killed    Status = "KILLED"
)

// numbers are those of the states in files.
var numbers = map[Status]int{Running: 1, Scheduled: 2, Finished: 3, Failed: 4, Killed: 5}

// Run is a run with everything that was logged.
type Run struct {
	ID      string // 32 hexadecimal digits; a server chooses its own
	Name    string
	User    string
	Status  Status
	Start   time.Time
	End     time.Time // zero: it has not ended
	Params  map[string]string
	Tags    map[string]string
	Metrics map[string][]Point // in the order in which they were logged
}

// Point is a value of a metric.
type Point struct {
	Step  int64
	At    time.Time
	Value float64 // NaN and infinities are allowed
}

// Experiment is what runs are grouped by.
type Experiment struct {
	ID   string
	Name string
}

// Store is a directory or a server.
type Store interface {
	// Experiments lists the experiments that are not deleted.
	Experiments(ctx context.Context) ([]Experiment, error)
	// Runs calls f with every run of an experiment that is not deleted, one after
	// the other, and ends with the first error.
	Runs(ctx context.Context, e Experiment, f func(Run) error) error
	// Write adds runs to an experiment of this name, which is made if there is none.
	// A run that is there already, by the tag key, is left alone. It answers how many
	// were added.
	Write(ctx context.Context, experiment, key string, runs func(yield func(Run) error) error) (int, error)
}

// Open opens a directory (mlruns, also as file:///...) or, with http:// or https://,
// a tracking server. A directory is made when something is written. The environment
// logs in to a server as it does for MLflow: MLFLOW_TRACKING_TOKEN, or
// MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
func Open(place string, getenv func(string) string) (Store, error) {
	scheme, rest, found := strings.Cut(place, "://")
	switch {
	case place == "":
		return nil, errors.New("open MLflow store: no directory and no address")
	case !found:
		return directory(place), nil
	case scheme == "file":
		u, err := url.Parse(place)
		if err != nil || u.Host != "" {
			return nil, fmt.Errorf("open MLflow store: %s is not file:///DIRECTORY", place)
		}
		return directory(u.Path), nil
	case scheme == "http" || scheme == "https":
		u, err := url.Parse(place)
		if err != nil {
			return nil, fmt.Errorf("open MLflow store: %s is no address", rest)
		}
		return newServer(u, getenv), nil
	}
	return nil, fmt.Errorf("open MLflow store: %s:// is read by MLflow alone; start 'mlflow server --backend-store-uri %s://...' and give its http:// address", scheme, scheme)
}

// Name makes a name that MLflow takes for a metric: letters, digits and / _ - . :
// and blanks, and no step up or twice down a directory. Everything else becomes _.
func Name(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("/_-.: ", r):
			return r
		}
		return '_'
	}, name)
	parts := strings.FieldsFunc(clean, func(r rune) bool { return r == '/' })
	for i, p := range parts {
		if strings.Trim(p, ".") == "" {
			parts[i] = strings.Repeat("_", len(p))
		}
	}
	if len(parts) == 0 {
		return "_"
	}
	return strings.Join(parts, "/")
}
