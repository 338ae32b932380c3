-- +goose Up
-- What a diagnostic is about, readable without knowing how it is stored, and what
-- stands against a comparison.
create or replace view diagnostics as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       g.name as diagnostic, g.estimate, g.lo, g.hi, g.p, nullif(g.verdict, '') as verdict, g.detail, r.planned, s.owner,
       split_part(g.name, '/', 1) as name, coalesce(g.detail->>'split', 'test') as split,
       case when position('/' in g.name) > 0 then substr(g.name, position('/' in g.name) + 1) end as grp,
       g.estimate as value, g.lo as ci_low, g.hi as ci_high,
       (g.detail->>'n')::int as n, (g.detail->>'effective_n')::float8 as n_eff, g.detail->>'reason' as reason
  from diagnostic g join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
 where r.state = 'done';
comment on view diagnostics is 'One row per causal diagnostic of a run that is done: name and what it is about (grp: a modality, pattern, refuter, or representation and target), value with 95 % interval, n rows worth n_eff, verdict (ok, warn, fail; null where there is none) and the reason in words; detail holds further figures. estimate, lo and hi are value, ci_low and ci_high; diagnostic is name/grp. For example: select variant, grp, avg(value) from diagnostics where name = ''mask_flip'' group by 1, 2.';

-- Sensitivity of a comparison, written by deconfound compare.
create table comparison (
  sweep_id bigint not null references sweep on delete cascade,
  dataset  text not null,
  backbone text not null,
  variant  text not null,
  baseline text not null,
  test_set text not null,
  name     text not null,                     -- e_value, rosenbaum_gamma, mask_gain
  estimate float8,
  lo       float8,
  hi       float8,
  n        int not null,                      -- patients
  verdict  text not null default '',
  reason   text not null,
  primary key (sweep_id, dataset, backbone, variant, baseline, test_set, name)
);
comment on table comparison is 'How strong something unmeasured would have to be to explain a difference between two variants away; as of the newest deconfound compare.';

create view comparison_diagnostics as
select s.name as sweep, c.dataset, c.backbone, c.variant, c.baseline, c.test_set, 'comparison' as arm, c.name,
       c.estimate as value, c.lo as ci_low, c.hi as ci_high, c.n, null::bigint as failed, null::bigint as runs,
       nullif(c.verdict, '') as verdict, c.reason, s.owner
  from comparison c join sweep s using (sweep_id)
union all
select g.sweep, g.dataset, g.backbone, v.variant, s.baseline, null, case when g.variant = s.baseline then 'baseline' else 'variant' end, g.diagnostic,
       avg(g.value), null, null, null, count(*) filter (where g.verdict = 'fail'), count(*),
       'fail', min(g.reason) filter (where g.verdict = 'fail'), g.owner
  from diagnostics g join sweep s on s.name = g.sweep and s.owner = g.owner
  join (select distinct sweep, owner, dataset, backbone, variant from diagnostics where phase = 'replicate' and planned) v
    on v.sweep = g.sweep and v.owner = g.owner and v.dataset = g.dataset and v.backbone = g.backbone
   and v.variant <> s.baseline and (g.variant = v.variant or g.variant = s.baseline)
 where g.name = 'refuter' and g.phase = 'replicate' and g.planned
 group by g.sweep, g.owner, g.dataset, g.backbone, v.variant, s.baseline, g.variant, g.diagnostic
having bool_or(g.verdict = 'fail');
comment on view comparison_diagnostics is 'What stands against a comparison of a variant with the baseline: a row for each refuter that fails in runs of either arm (failed of runs, with one of the reasons), and the sensitivity of the difference (arm comparison), which deconfound compare computes and stores. A comparison without a row of verdict fail is not marked.';

-- +goose Down
drop view comparison_diagnostics;
drop table comparison;
drop view diagnostics;
create view diagnostics as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       g.name as diagnostic, g.estimate, g.lo, g.hi, g.p, nullif(g.verdict, '') as verdict, g.detail, r.planned, s.owner
  from diagnostic g join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
 where r.state = 'done';
comment on view diagnostics is 'One row per causal diagnostic of a run that is done: estimate, 95 % interval, p value and verdict, null where they do not apply.';
