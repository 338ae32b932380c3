package web_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker/web"
)

// manyRuns stores a sweep of 10,000 runs with 30 results each: 20 backbones in 5
// variants, 50 trials and 50 seeds a cell.
func (s *site) manyRuns() {
	s.Helper()
	s.plan("many", "concat")
	for _, sql := range []string{
		`insert into run (sweep_id, dataset_id, split_seed, init_seed, trial, replicate, state, phase, run_hash, backbone, variant, spec, epoch, epochs, started_at, ended_at, error_code, error_message, error_log, worker_id)
			select sweep_id, dataset_id, k, k, k, case when r then k end, case when k % 17 = 0 then 'failed' else 'done' end::run_state, case when r then 'replicate' else 'search' end::run_phase,
			       sha256(format('%s %s %s %s', b, v, r, k)::bytea), 'backbone' || b, 'variant' || v, '{}', 20, 20, now() - interval '1 minute', now(),
			       case when k % 17 = 0 then 'nan_loss' else '' end, '', case when k % 17 = 0 then repeat(E'a line of a log\n', 200) else '' end, worker_id
			  from (select sweep_id, dataset_id from run limit 1) x, (select min(worker_id) as worker_id from worker) w,
			       generate_series(1, 20) b, generate_series(1, 5) v, unnest(array[false, true]) r, generate_series(1, 50) k`,
		`insert into metric (name, split, grp, lvl) select 'metric' || m, 'test', case when g = 0 then '' else 'pattern' end, case when g = 0 then '' else g::text end
			from generate_series(1, 5) m, generate_series(0, 5) g on conflict do nothing`,
		`insert into result select run_id, metric_id, 0.8 + (hashint8(run_id * 31 + metric_id) % 1000) / 1e5 from run, metric where state = 'done'`,
		`analyze`,
	} {
		if _, err := s.store.Pool().Exec(s.Context(), sql); err != nil {
			s.Fatal(err)
		}
	}
}

// BenchmarkPages answers one request after the other over 10,000 runs; ms/p95 is
// the time below which 95 of 100 are answered.
func BenchmarkPages(b *testing.B) {
	s := open(b, web.Config{})
	s.manyRuns()
	s.serve() // which listens, so that what does not change is kept
	sweep := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	for name, path := range map[string]string{
		"sweeps": "/", "sweep": sweep + "?metric=metric1%2Ftest", "last page": sweep + "?metric=metric1%2Ftest&page=200", "run": "/run/5000",
	} {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				began := time.Now()
				s.get(path)
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1e3, "ms/p95")
		})
	}
}
