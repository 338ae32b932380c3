package web

// SavedQuery is a question that the console offers.
type SavedQuery struct{ Name, Text, SQL string }

// savedQueries are about all sweeps; a condition on sweep makes them about one.
var savedQueries = []SavedQuery{
	{"leaderboard", "Mean and interval of every cell", `select sweep, dataset, backbone, variant, n, mean, lo, hi
  from leaderboard
 where metric = 'auroc' and split = 'test' and grp = ''
 order by sweep, dataset, backbone, mean desc`},
	{"paired", "Difference to the baseline on matched seeds", `select sweep, dataset, backbone, variant, split, n, wins, lo, hi, mean as difference
  from paired
 where metric = 'auroc' and grp = ''
 order by sweep, dataset, split, backbone, variant`},
	{"patterns", "AUROC by availability pattern", `select sweep, backbone, variant, pattern, patients, events, mean
  from pattern_results
 where metric = 'auroc' and split = 'test'
 order by sweep, backbone, pattern, mean desc`},
	{"worst", "The pattern in which each cell is worst", `select distinct on (sweep, dataset, backbone, variant)
       sweep, dataset, backbone, variant, pattern, mean
  from pattern_results
 where metric = 'auroc' and split = 'test'
 order by sweep, dataset, backbone, variant, mean`},
	{"pooled", "Ranking the predictions of all seeds together", `select sweep, backbone, variant, pattern, count(*) as rows, auroc(score, label)
  from predictions
 group by 1, 2, 3, 4
 order by 1, 2, 4, 3`},
	{"calibration", "Brier score and calibration error of every cell", `select sweep, backbone, variant, avg(b) as brier, avg(e) as ece
  from (select sweep, backbone, variant, seed, brier(score, label) as b, ece(score, label) as e
          from predictions group by 1, 2, 3, 4) by_seed
 group by 1, 2, 3
 order by 1, 2, 3`},
	{"doubts", "Diagnostics that fail or warn", `select sweep, backbone, variant, diagnostic, verdict, count(*) as runs, avg(estimate) as estimate
  from diagnostics
 where verdict in ('fail', 'warn') and phase = 'replicate' and planned
 group by 1, 2, 3, 4, 5
 order by verdict, runs desc`},
	{"failures", "What failed, and why", `select sweep, error_code, count(*) as runs, min(error_message) as message
  from runs
 where state in ('failed', 'lost')
 group by 1, 2
 order by 1, runs desc`},
	{"settings", "Settings of the winners", `select sweep, dataset, backbone, variant, seed, spec
  from runs
 where phase = 'replicate' and planned
 order by 1, 2, 3, 4, 5`},
	{"time", "How long the runs of a cell take", `select sweep, backbone, variant, count(*) as runs, avg(epoch) as epochs,
       avg(extract(epoch from ended_at - started_at)) as seconds
  from runs
 where state = 'done'
 group by 1, 2, 3
 order by 1, 2, 3`},
}

// SavedQueries lists what the console offers.
func SavedQueries() []SavedQuery { return savedQueries }
