package mlflow_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/tracker/mlflow"
)

// fake is a tracking server in memory, which answers in pages of one and writes
// numbers as protocol buffers do: 64-bit ones and those that are no number as
// strings.
type fake struct {
	mu          sync.Mutex
	experiments []map[string]any
	runs        []*fakeRun
}

type fakeRun struct {
	info    map[string]any
	params  []any
	tags    []any
	history map[string][]any
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	body := map[string]any{}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	answer, refusal := f.answer(strings.TrimPrefix(r.URL.Path, "/api/2.0/mlflow/"), body, r.URL.Query().Get)
	if refusal != "" {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"error_code": refusal, "message": "no"}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err) // of a map of plain values
	}
}

// page cuts one element out.
func page(list []any, token any) (part []any, next string) {
	at, _ := strconv.Atoi(fmt.Sprint(token))
	if at >= len(list) {
		return nil, ""
	}
	if at+1 < len(list) {
		next = strconv.Itoa(at + 1)
	}
	return list[at : at+1], next
}

func (f *fake) answer(path string, body map[string]any, query func(string) string) (any, string) {
	run := func(id any) *fakeRun {
		for _, r := range f.runs {
			if r.info["run_id"] == id {
				return r
			}
		}
		return nil
	}
	switch path {
	case "experiments/create":
		for _, e := range f.experiments {
			if e["name"] == body["name"] {
				return nil, "RESOURCE_ALREADY_EXISTS"
			}
		}
		id := strconv.Itoa(len(f.experiments) + 1)
		f.experiments = append(f.experiments, map[string]any{"experiment_id": id, "name": body["name"]})
		return map[string]any{"experiment_id": id}, ""
	case "experiments/get-by-name":
		for _, e := range f.experiments {
			if e["name"] == query("experiment_name") {
				return map[string]any{"experiment": e}, ""
			}
		}
	case "experiments/search":
		var list []any
		for _, e := range f.experiments {
			list = append(list, e)
		}
		part, next := page(list, body["page_token"])
		return map[string]any{"experiments": part, "next_page_token": next}, ""
	case "runs/create":
		r := &fakeRun{info: body, history: map[string][]any{}}
		r.info["run_id"], r.info["status"] = fmt.Sprintf("%032d", len(f.runs)), "RUNNING"
		f.runs = append(f.runs, r)
		return map[string]any{"run": map[string]any{"info": r.info}}, ""
	case "runs/log-batch":
		r := run(body["run_id"])
		for _, what := range []string{"params", "tags", "metrics"} {
			list, _ := body[what].([]any)
			if len(list) > map[string]int{"params": 100, "tags": 100, "metrics": 1000}[what] {
				return nil, "INVALID_PARAMETER_VALUE"
			}
			switch what {
			case "params":
				r.params = append(r.params, list...)
			case "tags":
				r.tags = append(r.tags, list...)
			case "metrics":
				for _, m := range list {
					m := m.(map[string]any)
					m["step"], m["timestamp"] = fmt.Sprintf("%.0f", m["step"]), fmt.Sprintf("%.0f", m["timestamp"])
					key := m["key"].(string)
					r.history[key] = append(r.history[key], m)
				}
			}
		}
		return map[string]any{}, ""
	case "runs/update":
		r := run(body["run_id"])
		r.info["status"], r.info["end_time"] = body["status"], body["end_time"]
		return map[string]any{}, ""
	case "runs/search":
		var list []any
		for _, r := range f.runs {
			var latest []any
			for _, points := range r.history {
				latest = append(latest, points[len(points)-1])
			}
			list = append(list, map[string]any{"info": r.info, "data": map[string]any{"params": r.params, "tags": r.tags, "metrics": latest}})
		}
		part, next := page(list, body["page_token"])
		return map[string]any{"runs": part, "next_page_token": next}, ""
	case "metrics/get-history":
		part, next := page(run(query("run_id")).history[query("metric_key")], query("page_token"))
		return map[string]any{"metrics": part, "next_page_token": next}, ""
	}
	return nil, "ENDPOINT_NOT_FOUND"
}

func TestServer(t *testing.T) {
	f := &fake{}
	server := httptest.NewServer(f)
	defer server.Close()
	login := map[string]string{"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"}
	s, err := mlflow.Open(server.URL+"/", func(name string) string { return login[name] })
	if err != nil {
		t.Fatal(err)
	}
	writes(t, s)

	// One that was interrupted is written again.
	f.runs[0].info["end_time"] = nil
	if n, err := s.Write(t.Context(), "a name", "key", several(sample("one"))); err != nil || n != 1 {
		t.Errorf("after an interruption: got %d runs, %v", n, err)
	}
	long := sample("long")
	for i := range 2500 {
		long.Metrics["loss"] = append(long.Metrics["loss"], mlflow.Point{Step: int64(i), At: long.Start})
		long.Params[strconv.Itoa(i)] = "x"
	}
	if _, err := s.Write(t.Context(), "a name", "key", several(long)); err != nil {
		t.Error(err)
	}
	stranger, err := mlflow.Open(server.URL, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Experiments(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a login: got %v", err)
	}
}
