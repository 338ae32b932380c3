-- +goose Up
-- The causal truth of generated rows, beside the score that is held against it.
alter table prediction add column truth real; -- P(Y = 1 | do(x)); null: not known

create or replace view all_predictions as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner, p.truth
  from prediction p join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;
comment on view all_predictions is 'Predictions of every test set and phase. unit is a keyed hash of the row; score is the probability that the variant reports, score_observed that of its own stratum or branch; weight re-weights a shifted test set; truth is P(Y = 1 | do(x)) where the data were generated, else null. For example: select variant, sqrt(avg((score - truth)^2)) as irmse from all_predictions where test_set = ''do'' group by 1.';

create or replace view predictions as
select sweep, dataset, backbone, variant, seed, run_id, unit, class, label, score, pattern, weight, owner, truth
  from all_predictions where phase = 'replicate' and state = 'done' and planned and test_set = 'id';

-- +goose Down
drop view predictions, all_predictions;
alter table prediction drop column truth;

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
