package mlflow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Limits of the REST interface: entries of one batch, and of one page.
const (
	batchMetrics = 1000
	batchTexts   = 100
	pageRuns     = 500
	pagePoints   = 25000
	requestTime  = time.Minute
)

// server is a tracking server.
type server struct {
	base   *url.URL
	client *http.Client
	login  func(*http.Request)
}

func newServer(base *url.URL, getenv func(string) string) *server {
	s := &server{base: base, client: &http.Client{Timeout: requestTime}, login: func(*http.Request) {}}
	if token := getenv("MLFLOW_TRACKING_TOKEN"); token != "" {
		s.login = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	} else if user := getenv("MLFLOW_TRACKING_USERNAME"); user != "" {
		s.login = func(r *http.Request) { r.SetBasicAuth(user, getenv("MLFLOW_TRACKING_PASSWORD")) }
	}
	return s
}

// refusal is an error that the server explains.
type refusal struct {
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

// call sends a request, with a body if there is one, and reads the answer.
func (s *server) call(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	address := s.base.JoinPath("api/2.0/mlflow", path)
	address.RawQuery = query.Encode()
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, address.String(), text)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	s.login(r)
	response, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var why refusal
		if json.Unmarshal(got, &why) != nil || why.Code == "" {
			return fmt.Errorf("%s answered %s", path, response.Status)
		}
		return fmt.Errorf("%s: %w", path, &why)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// value is a number in JSON, where some are strings.
type value float64

func (v value) MarshalJSON() ([]byte, error) {
	switch f := float64(v); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(f)
	}
}

func (v *value) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(string(bytes.Trim(text, `"`)), 64)
	*v = value(f)
	return err
}

// integer is a 64-bit number, which JSON of protocol buffers may write as a string.
type integer int64

func (n *integer) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	i, err := strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
	*n = integer(i)
	return err
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type metricJSON struct {
	Key       string  `json:"key"`
	Value     value   `json:"value"`
	Timestamp integer `json:"timestamp"`
	Step      integer `json:"step"`
}

type runJSON struct {
	Info struct {
		ID     string  `json:"run_id"`
		Name   string  `json:"run_name"`
		User   string  `json:"user_id"`
		Status Status  `json:"status"`
		Start  integer `json:"start_time"`
		End    integer `json:"end_time"`
	} `json:"info"`
	Data struct {
		Metrics []metricJSON `json:"metrics"`
		Params  []pair       `json:"params"`
		Tags    []pair       `json:"tags"`
	} `json:"data"`
}

// Experiments asks page by page.
func (s *server) Experiments(ctx context.Context) ([]Experiment, error) {
	var out []Experiment
	for token := ""; ; {
		var answer struct {
			Experiments []struct {
				ID   string `json:"experiment_id"`
				Name string `json:"name"`
			} `json:"experiments"`
			Next string `json:"next_page_token"`
		}
		body := map[string]any{"max_results": pageRuns, "page_token": token, "view_type": "ACTIVE_ONLY"}
		if err := s.call(ctx, http.MethodPost, "experiments/search", nil, body, &answer); err != nil {
			return nil, fmt.Errorf("list MLflow experiments: %w", err)
		}
		for _, e := range answer.Experiments {
			out = append(out, Experiment{e.ID, e.Name})
		}
		if token = answer.Next; token == "" {
			return out, nil
		}
	}
}

// Runs asks for the runs page by page, and for the history of every metric.
func (s *server) Runs(ctx context.Context, e Experiment, f func(Run) error) error {
	return s.search(ctx, e, func(r runJSON) error {
		run := Run{
			ID: r.Info.ID, Name: r.Info.Name, User: r.Info.User, Status: r.Info.Status, Start: time.UnixMilli(int64(r.Info.Start)).UTC(),
			Params: map[string]string{}, Tags: map[string]string{}, Metrics: map[string][]Point{},
		}
		if r.Info.End != 0 {
			run.End = time.UnixMilli(int64(r.Info.End)).UTC()
		}
		for _, p := range r.Data.Params {
			run.Params[p.Key] = p.Value
		}
		for _, p := range r.Data.Tags {
			run.Tags[p.Key] = p.Value
		}
		for _, m := range r.Data.Metrics {
			points, err := s.history(ctx, run.ID, m.Key)
			if err != nil {
				return fmt.Errorf("read metric %s of MLflow run %s: %w", m.Key, run.ID, err)
			}
			run.Metrics[m.Key] = points
		}
		return f(run)
	})
}

func (s *server) search(ctx context.Context, e Experiment, f func(runJSON) error) error {
	for token := ""; ; {
		var answer struct {
			Runs []runJSON `json:"runs"`
			Next string    `json:"next_page_token"`
		}
		body := map[string]any{
			"experiment_ids": []string{e.ID}, "max_results": pageRuns, "page_token": token, "run_view_type": "ACTIVE_ONLY", "order_by": []string{"attributes.start_time ASC"},
		}
		if err := s.call(ctx, http.MethodPost, "runs/search", nil, body, &answer); err != nil {
			return fmt.Errorf("list runs of MLflow experiment %s: %w", e.Name, err)
		}
		for _, r := range answer.Runs {
			if err := f(r); err != nil {
				return err
			}
		}
		if token = answer.Next; token == "" {
			return nil
		}
	}
}

func (s *server) history(ctx context.Context, run, metric string) ([]Point, error) {
	var out []Point
	for token := ""; ; {
		query := url.Values{"run_id": {run}, "metric_key": {metric}, "max_results": {strconv.Itoa(pagePoints)}}
		if token != "" {
			query.Set("page_token", token)
		}
		var answer struct {
			Metrics []metricJSON `json:"metrics"`
			Next    string       `json:"next_page_token"`
		}
		if err := s.call(ctx, http.MethodGet, "metrics/get-history", query, nil, &answer); err != nil {
			return nil, err
		}
		for _, m := range answer.Metrics {
			out = append(out, Point{Step: int64(m.Step), At: time.UnixMilli(int64(m.Timestamp)).UTC(), Value: float64(m.Value)})
		}
		if token = answer.Next; token == "" {
			return out, nil
		}
	}
}

// Write logs the runs in batches. A run that was interrupted has not ended, and is
// not counted as there.
func (s *server) Write(ctx context.Context, experiment, key string, runs func(yield func(Run) error) error) (int, error) {
	fail := func(n int, err error) (int, error) {
		return n, fmt.Errorf("write MLflow experiment %s: %w", experiment, err)
	}
	id, err := s.experiment(ctx, experiment)
	if err != nil {
		return fail(0, err)
	}
	there := map[string]bool{}
	err = s.search(ctx, Experiment{ID: id, Name: experiment}, func(r runJSON) error {
		for _, tag := range r.Data.Tags {
			if tag.Key == key && r.Info.End != 0 {
				there[tag.Value] = true
			}
		}
		return nil
	})
	if err != nil {
		return fail(0, err)
	}
	added := 0
	err = runs(func(r Run) error {
		if there[r.Tags[key]] {
			return nil
		}
		added++
		return s.write(ctx, id, r)
	})
	if err != nil {
		return fail(added, err)
	}
	return added, nil
}

// experiment finds or makes an experiment.
func (s *server) experiment(ctx context.Context, name string) (string, error) {
	var made struct {
		ID string `json:"experiment_id"`
	}
	err := s.call(ctx, http.MethodPost, "experiments/create", nil, map[string]any{"name": name}, &made)
	var why *refusal
	if errors.As(err, &why) && why.Code == "RESOURCE_ALREADY_EXISTS" {
		var found struct {
			Experiment struct {
				ID string `json:"experiment_id"`
			} `json:"experiment"`
		}
		err = s.call(ctx, http.MethodGet, "experiments/get-by-name", url.Values{"experiment_name": {name}}, nil, &found)
		made.ID = found.Experiment.ID
	}
	return made.ID, err
}

func (s *server) write(ctx context.Context, experiment string, r Run) error {
	var made struct {
		Run runJSON `json:"run"`
	}
	body := map[string]any{"experiment_id": experiment, "run_name": r.Name, "user_id": r.User, "start_time": r.Start.UnixMilli()}
	if err := s.call(ctx, http.MethodPost, "runs/create", nil, body, &made); err != nil {
		return err
	}
	id := made.Run.Info.ID
	batch := func(what string, entries any) error {
		return s.call(ctx, http.MethodPost, "runs/log-batch", nil, map[string]any{"run_id": id, what: entries}, nil)
	}
	for what, texts := range map[string]map[string]string{"params": r.Params, "tags": r.Tags} {
		var pairs []pair
		for _, k := range slices.Sorted(maps.Keys(texts)) {
			pairs = append(pairs, pair{k, texts[k]})
		}
		for part := range slices.Chunk(pairs, batchTexts) {
			if err := batch(what, part); err != nil {
				return err
			}
		}
	}
	var points []metricJSON
	for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
		for _, p := range r.Metrics[name] {
			points = append(points, metricJSON{name, value(p.Value), integer(p.At.UnixMilli()), integer(p.Step)})
		}
	}
	for part := range slices.Chunk(points, batchMetrics) {
		if err := batch("metrics", part); err != nil {
			return err
		}
	}
	end := map[string]any{"run_id": id, "status": cmp.Or(r.Status, Finished)}
	if !r.End.IsZero() {
		end["end_time"] = r.End.UnixMilli()
	}
	return s.call(ctx, http.MethodPost, "runs/update", nil, end, nil)
}
