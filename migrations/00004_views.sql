-- +goose Up
-- What people read. The columns of these views stay; a new one may be added at
-- the end. deconfound sql --views prints the comments.

create view sweeps as
select s.name as sweep, s.owner, s.revision, s.baseline,
       case when s.cancelled_at is not null then 'cancelled' when s.paused_at is not null then 'paused'
            when count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) > 0 then 'open' else 'ended' end as state,
       count(r.run_id) as runs,
       count(r.run_id) filter (where r.state = 'done') as done,
       count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) as open,
       count(r.run_id) filter (where r.state in ('failed', 'lost')) as failed,
       encode(v.analysis_sha256, 'hex') as analysis_sha256, s.created_at, s.updated_at
  from sweep s join sweep_revision v using (sweep_id, revision) left join run r on r.sweep_id = s.sweep_id and r.planned
 group by s.sweep_id, v.sweep_id, v.revision;
comment on view sweeps is 'One row per sweep. The counts are of the runs that its newest revision wants.';

create view runs as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, nullif(r.strategy, '') as strategy,
       r.phase::text as phase, r.trial, r.replicate as seed, r.state::text as state, r.planned,
       r.attempt, r.epoch, r.epochs, nullif(r.stop_reason, '') as stop_reason,
       nullif(r.error_code, '') as error_code, nullif(r.error_message, '') as error_message,
       r.split_seed, r.init_seed, r.spec, encode(r.run_hash, 'hex') as run_hash, d.hash as dataset_hash,
       r.backbone_hash, nullif(r.strategy_hash, '') as strategy_hash, nullif(r.git_commit, '') as git_commit, r.git_dirty,
       nullif(r.host_version, '') as host_version, r.environment, w.name as worker,
       r.created_at, r.started_at, r.ended_at, s.owner
  from run r join sweep s using (sweep_id) join dataset d using (dataset_id) left join worker w using (worker_id);
comment on view runs is 'One row per run: one training of a cell (dataset, backbone, variant). seed is the replicate, null in the search phase; planned says whether the newest revision of the sweep wants the run; spec is all that the result depends on.';

create view results as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.trial, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.value, m.goal, r.planned, s.owner
  from result z join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
 where r.state = 'done';
comment on view results is 'One row per final metric of a run that is done. split is train, val, test or the name of a shifted test set; grp and lvl name a subgroup column and its level, both empty for all rows.';

create view leaderboard as
select sweep, dataset, backbone, variant, metric, split, grp, lvl,
       count(value) as n, avg(value) as mean, stddev_samp(value) as sd,
       avg(value) - t_975(count(value) - 1) * stddev_samp(value) / sqrt(count(value)) as lo,
       avg(value) + t_975(count(value) - 1) * stddev_samp(value) / sqrt(count(value)) as hi,
       rank() over (partition by owner, sweep, dataset, metric, split, grp, lvl
                    order by case when goal = 'minimize' then avg(value) else -avg(value) end) as rank,
       owner
  from results where phase = 'replicate' and planned and value <> 'NaN'
 group by owner, sweep, dataset, backbone, variant, metric, split, grp, lvl, goal;
comment on view leaderboard is 'Per cell and metric: mean, sample standard deviation and 95 % interval (Student t) over the n seeds of the replicates. rank is by mean within sweep, dataset and metric, in the direction of the metric''s goal.';

create view paired_seeds as
select a.sweep, a.dataset, a.backbone, a.variant, s.baseline, a.metric, a.split, a.grp, a.lvl, a.seed,
       a.value, b.value as baseline_value, a.value - b.value as difference, a.goal, a.owner
  from results a join sweep s on s.name = a.sweep and s.owner = a.owner
  join results b on b.owner = a.owner and b.sweep = a.sweep and b.dataset = a.dataset and b.backbone = a.backbone
   and b.metric = a.metric and b.split = a.split and b.grp = a.grp and b.lvl = a.lvl and b.seed = a.seed
   and b.variant = s.baseline and b.phase = 'replicate' and b.planned
 where a.phase = 'replicate' and a.planned and a.variant <> s.baseline and a.value <> 'NaN' and b.value <> 'NaN';
comment on view paired_seeds is 'One row per matched seed: a variant minus the baseline variant of the same backbone, trained on the same split and initialisation.';

create view paired as
select sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl,
       count(*) as n, avg(difference) as mean, stddev_samp(difference) as sd,
       avg(difference) - t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as lo,
       avg(difference) + t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as hi,
       avg(difference) / nullif(stddev_samp(difference) / sqrt(count(*)), 0) as t,
       count(*) filter (where case when goal = 'minimize' then difference < 0 else difference > 0 end) as wins,
       owner
  from paired_seeds group by owner, sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl, goal;
comment on view paired is 'Per cell and metric: the difference to the baseline variant over n matched seeds, with its 95 % interval and paired t; wins counts the seeds on which the variant is better. Seeds only: deconfound compare also resamples patients and corrects for many tests.';

create view pattern_results as
select l.sweep, l.dataset, l.backbone, l.variant, l.metric, l.split, l.lvl as pattern, l.n, l.mean, l.sd, l.lo, l.hi,
       p.mean as patients, e.mean as events, l.owner
  from leaderboard l
  left join leaderboard p on p.owner = l.owner and p.sweep = l.sweep and p.dataset = l.dataset and p.backbone = l.backbone
   and p.variant = l.variant and p.metric = 'patients' and p.split = l.split and p.grp = l.grp and p.lvl = l.lvl
  left join leaderboard e on e.owner = l.owner and e.sweep = l.sweep and e.dataset = l.dataset and e.backbone = l.backbone
   and e.variant = l.variant and e.metric = 'events' and e.split = l.split and e.grp = l.grp and e.lvl = l.lvl
 where l.grp = 'pattern' and l.metric not in ('patients', 'events');
comment on view pattern_results is 'The leaderboard per availability pattern; patients and events are means over the seeds, null where they were not recorded.';

create view diagnostics as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       g.name as diagnostic, g.estimate, g.lo, g.hi, g.p, nullif(g.verdict, '') as verdict, g.detail, r.planned, s.owner
  from diagnostic g join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
 where r.state = 'done';
comment on view diagnostics is 'One row per causal diagnostic of a run that is done: estimate, 95 % interval, p value and verdict, null where they do not apply.';

create view metrics as
select s.name as sweep, z.run_id, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.n, z.last_step, z.last, z.min, z.max, m.goal, s.owner
  from summary z join run r using (run_id) join sweep s using (sweep_id) join metric m using (metric_id);
comment on view metrics is 'One row per learning curve: number of points, last step, last value, smallest and largest value. It is up to date while a run is training.';

create view points as
select p.run_id, m.name as metric, m.split, m.grp, m.lvl, p.step, p.v[k.idx] as value
  from metric m join keyset_member k using (metric_id) join point p using (keyset_id);
comment on view points is 'One row per point of a learning curve. Name a metric or a run_id in the condition: there may be many millions.';

create view all_predictions as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner
  from prediction p join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;
comment on view all_predictions is 'Predictions of every test set and phase. unit is a keyed hash of the row; score is the probability that the variant reports, score_observed that of its own stratum or branch; weight re-weights a shifted test set.';

create view predictions as
select sweep, dataset, backbone, variant, seed, run_id, unit, class, label, score, pattern, weight, owner
  from all_predictions where phase = 'replicate' and state = 'done' and planned and test_set = 'id';
comment on view predictions is 'Predictions of the replicates on the plain test rows, one row per seed, row and class. pattern is what was available to the model. For example: select backbone, variant, pattern, auroc(score, label) from predictions group by 1, 2, 3.';

create view unit_groups as
select d.name as dataset, d.hash as dataset_hash, u.unit_hash as unit, u.grp, u.lvl from unit_group u join dataset d using (dataset_id);
comment on view unit_groups is 'Level of each subgroup column for each row of a dataset. Join it with predictions on unit and, through runs, on dataset_hash.';

create view events as
select s.name as sweep, e.event_id, e.run_id, e.at, e.attempt, e.old::text as old, e.new::text as new, nullif(e.note, '') as note, s.owner
  from run_event e join run r using (run_id) join sweep s using (sweep_id);
comment on view events is 'One row per change of a run''s state; the slices of one attempt make none.';

-- +goose Down
drop view events, unit_groups, predictions, all_predictions, points, metrics, diagnostics, pattern_results, paired, paired_seeds,
  leaderboard, results, runs, sweeps;
