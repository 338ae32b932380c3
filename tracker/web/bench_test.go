package web_test

import (
	"fmt"
	"slices"
	"syscall"
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
			       sha256(format('%s %s %s %s', b, v, r, k)::bytea), 'backbone' || b, 'variant' || v,
			       jsonb_build_object('parameters', jsonb_build_object('optimizer.lr', (1 + k * 31 % 50) / 1e4, 'optimizer.name', case when k % 3 = 0 then 'sgd' else 'adam' end, 'width', 16 * (1 + k % 4))), 20, 20, now() - interval '1 minute', now(),
			       case when k % 17 = 0 then 'nan_loss' else '' end, '', case when k % 17 = 0 then repeat(E'a line of a log\n', 200) else '' end, worker_id
			  from (select sweep_id, dataset_id from run limit 1) x, (select min(worker_id) as worker_id from worker) w,
			       generate_series(1, 20) b, generate_series(1, 5) v, unnest(array[false, true]) r, generate_series(1, 50) k`,
		`insert into metric (name, split, grp, lvl) select 'metric' || m, 'test', case when g = 0 then '' else 'pattern' end, case when g = 0 then '' else g::text end
			from generate_series(1, 5) m, generate_series(0, 5) g on conflict do nothing`,
		`insert into metric (name, split) select 'metric' || m, 'val' from generate_series(1, 5) m on conflict do nothing`,
		`insert into result select run_id, metric_id, 0.8 + (hashint8(run_id * 31 + metric_id) % 1000) / 1e5 from run, metric where state = 'done'`,
		`analyze`,
	} {
		if _, err := s.store.Pool().Exec(s.Context(), sql); err != nil {
			s.Fatal(err)
		}
	}
}

// BenchmarkPages answers one request after the other over 10,000 runs: as they are
// kept, and with a run that has changed before each request, as while a sweep trains.
// ms/p95 is the time below which 95 of 100 are answered, cpu-ms/op what this process
// computes for one; the server's own part is in the time alone.
func BenchmarkPages(b *testing.B) {
	s := open(b, web.Config{})
	s.manyRuns()
	news := s.follow(s.serve()) // which listens, so that what does not change is kept
	sweep := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	for _, page := range []struct{ name, path string }{
		{"sweeps", "/"}, {"sweep", sweep + "?metric=metric1%2Ftest"}, {"last_page", sweep + "?metric=metric1%2Ftest&page=200"}, {"run", "/run/5000"},
	} {
		for _, changing := range []bool{false, true} {
			name := page.name
			if changing {
				name += "_changing"
			}
			b.Run(name, func(b *testing.B) {
				s.get(page.path)
				var times []time.Duration
				var computed time.Duration
				for b.Loop() {
					if changing {
						if _, err := s.store.Pool().Exec(b.Context(), `select pg_notify('deconfound_run', 'done')`); err != nil {
							b.Fatal(err)
						}
						news()
					}
					began, cpu := time.Now(), processor(b)
					s.get(page.path)
					times, computed = append(times, time.Since(began)), computed+processor(b)-cpu
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1e3, "ms/p95")
				b.ReportMetric(float64(computed.Microseconds())/1e3/float64(len(times)), "cpu-ms/op")
			})
		}
	}
}

// processor is the time of the processor that this process has used.
func processor(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
