-- +goose Up
-- Who may read what. A sweep belongs to the login that made it; all that belongs to the
-- sweep is read by that login, by the logins it names in sweep_reader, and by those who
-- see everything: the owner of the tables, the team's analyst and the workers, who train
-- whatever waits.
--
-- Two layers. Readers have the views and nothing else: they filter by themselves, and as
-- security barriers, so that no function in a query sees a row that its asker may not.
-- They run with the rights of their owner, whom the policies below do not touch. The
-- policies are for logins with privileges on the tables: workers, and anybody to whom
-- they are granted by hand. A worker's condition is a constant, so it costs nothing; but
-- PostgreSQL refuses COPY into a table with policies, so workers who do not own the
-- tables insert (see writePoints).

create table sweep_reader (
  owner text not null default session_user,
  login text not null check (login <> ''),
  since timestamptz not null default now(),
  primary key (owner, login)
);
create index sweep_reader_login on sweep_reader (login);
comment on table sweep_reader is 'Logins that may read the sweeps of an owner, beside the owner.';

-- +goose StatementBegin
-- sees_all says whether the asker may read the sweeps of everybody.
create function sees_all() returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from pg_roles r where pg_has_role(current_user, r.oid, 'member')
    and (r.rolname in ('deconfound_analyst', 'deconfound_worker')
         or r.oid = (select c.relowner from pg_class c where c.oid = to_regclass('deconfound.sweep'))))
$$;
-- +goose StatementEnd
comment on function sees_all is 'Whether the asker may read the sweeps of everybody.';

-- For the other views; nobody is granted it.
create view visible_sweep as
select * from sweep s
 where (select sees_all()) or s.owner = current_user or s.owner in (select r.owner from sweep_reader r where r.login = current_user);
comment on view visible_sweep is 'Sweeps that the asker may read; the other views are made from it.';

create or replace view sweeps with (security_barrier) as
select s.name as sweep, s.owner, s.revision, s.baseline,
       case when s.cancelled_at is not null then 'cancelled' when s.paused_at is not null then 'paused'
            when count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) > 0 then 'open' else 'ended' end as state,
       count(r.run_id) as runs,
       count(r.run_id) filter (where r.state = 'done') as done,
       count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) as open,
       count(r.run_id) filter (where r.state in ('failed', 'lost')) as failed,
       encode(v.analysis_sha256, 'hex') as analysis_sha256, s.created_at, s.updated_at,
       count(r.run_id) filter (where r.state = 'pruned') as pruned, nullif(s.pause_reason, '') as pause_reason,
       coalesce(sum(extract(epoch from r.busy)), 0)::float8 as worker_seconds
  from sweep s join sweep_revision v using (sweep_id, revision) left join run r on r.sweep_id = s.sweep_id and r.planned
 where s.sweep_id in (select sweep_id from visible_sweep)
 group by s.sweep_id, v.sweep_id, v.revision;

create or replace view runs with (security_barrier) as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, nullif(r.strategy, '') as strategy,
       r.phase::text as phase, r.trial, r.replicate as seed, r.state::text as state, r.planned,
       r.attempt, r.epoch, r.epochs, nullif(r.stop_reason, '') as stop_reason,
       nullif(r.error_code, '') as error_code, nullif(r.error_message, '') as error_message,
       r.split_seed, r.init_seed, r.spec, encode(r.run_hash, 'hex') as run_hash, d.hash as dataset_hash,
       r.backbone_hash, nullif(r.strategy_hash, '') as strategy_hash, nullif(r.git_commit, '') as git_commit, r.git_dirty,
       nullif(r.host_version, '') as host_version, r.environment, w.name as worker,
       r.created_at, r.started_at, r.ended_at, s.owner,
       r.memory_host + r.memory_plugins as memory_peak, r.memory_host, r.memory_plugins
  from run r join visible_sweep s using (sweep_id) join dataset d using (dataset_id) left join worker w using (worker_id);

create or replace view results with (security_barrier) as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.trial, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.value, m.goal, r.planned, s.owner
  from result z join run r using (run_id) join visible_sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
 where r.state = 'done';

create or replace view leaderboard with (security_barrier) as
select sweep, dataset, backbone, variant, metric, split, grp, lvl, n, mean, sd,
       mean - t_975(n - 1) * sd / sqrt(n) as lo, mean + t_975(n - 1) * sd / sqrt(n) as hi,
       rank() over (partition by owner, sweep, dataset, metric, split, grp, lvl
                    order by case when goal = 'minimize' then mean else -mean end) as rank,
       owner
  from (select s.name as sweep, d.name as dataset, r.backbone, r.variant, m.name as metric, m.split, m.grp, m.lvl, m.goal, s.owner,
               count(z.value) as n, avg(z.value) as mean, stddev_samp(z.value) as sd
          from result z join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
         where r.state = 'done' and r.phase = 'replicate' and r.planned and z.value <> 'NaN'
           and s.sweep_id in (select sweep_id from visible_sweep)
         group by s.sweep_id, d.dataset_id, r.backbone, r.variant, m.metric_id) x;

create or replace view paired_seeds with (security_barrier) as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, s.baseline, m.name as metric, m.split, m.grp, m.lvl, r.replicate as seed,
       a.value, b.value as baseline_value, a.value - b.value as difference, m.goal, s.owner
  from result a join run r using (run_id) join visible_sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
  join run br on br.sweep_id = r.sweep_id and br.backbone = r.backbone and br.variant = s.baseline and br.phase = 'replicate' and br.replicate = r.replicate
   and br.dataset_id = r.dataset_id and br.state = 'done' and br.planned
  join result b on b.run_id = br.run_id and b.metric_id = a.metric_id
 where r.state = 'done' and r.phase = 'replicate' and r.planned and r.variant <> s.baseline and a.value <> 'NaN' and b.value <> 'NaN';

create or replace view paired with (security_barrier) as
select sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl,
       count(*) as n, avg(difference) as mean, stddev_samp(difference) as sd,
       avg(difference) - t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as lo,
       avg(difference) + t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as hi,
       avg(difference) / nullif(stddev_samp(difference) / sqrt(count(*)), 0) as t,
       count(*) filter (where case when goal = 'minimize' then difference < 0 else difference > 0 end) as wins,
       owner
  from paired_seeds group by owner, sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl, goal;

create or replace view pattern_results with (security_barrier) as
select l.sweep, l.dataset, l.backbone, l.variant, l.metric, l.split, l.lvl as pattern, l.n, l.mean, l.sd, l.lo, l.hi,
       p.mean as patients, e.mean as events, l.owner
  from leaderboard l
  left join leaderboard p on p.owner = l.owner and p.sweep = l.sweep and p.dataset = l.dataset and p.backbone = l.backbone
   and p.variant = l.variant and p.metric = 'patients' and p.split = l.split and p.grp = l.grp and p.lvl = l.lvl
  left join leaderboard e on e.owner = l.owner and e.sweep = l.sweep and e.dataset = l.dataset and e.backbone = l.backbone
   and e.variant = l.variant and e.metric = 'events' and e.split = l.split and e.grp = l.grp and e.lvl = l.lvl
 where l.grp = 'pattern' and l.metric not in ('patients', 'events');

create or replace view diagnostics with (security_barrier) as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       g.name as diagnostic, g.estimate, g.lo, g.hi, g.p, nullif(g.verdict, '') as verdict, g.detail, r.planned, s.owner,
       split_part(g.name, '/', 1) as name, coalesce(g.detail->>'split', 'test') as split,
       case when position('/' in g.name) > 0 then substr(g.name, position('/' in g.name) + 1) end as grp,
       g.estimate as value, g.lo as ci_low, g.hi as ci_high,
       (g.detail->>'n')::int as n, (g.detail->>'effective_n')::float8 as n_eff, g.detail->>'reason' as reason
  from diagnostic g join run r using (run_id) join visible_sweep s using (sweep_id) join dataset d using (dataset_id)
 where r.state = 'done';

create or replace view comparison_diagnostics with (security_barrier) as
select s.name as sweep, c.dataset, c.backbone, c.variant, c.baseline, c.test_set, 'comparison' as arm, c.name,
       c.estimate as value, c.lo as ci_low, c.hi as ci_high, c.n, null::bigint as failed, null::bigint as runs,
       nullif(c.verdict, '') as verdict, c.reason, s.owner
  from comparison c join visible_sweep s using (sweep_id)
union all
select g.sweep, g.dataset, g.backbone, v.variant, s.baseline, null, case when g.variant = s.baseline then 'baseline' else 'variant' end, g.diagnostic,
       avg(g.value), null, null, null, count(*) filter (where g.verdict = 'fail'), count(*),
       'fail', min(g.reason) filter (where g.verdict = 'fail'), g.owner
  from diagnostics g join visible_sweep s on s.name = g.sweep and s.owner = g.owner
  join (select distinct sweep, owner, dataset, backbone, variant from diagnostics where phase = 'replicate' and planned) v
    on v.sweep = g.sweep and v.owner = g.owner and v.dataset = g.dataset and v.backbone = g.backbone
   and v.variant <> s.baseline and (g.variant = v.variant or g.variant = s.baseline)
 where g.name = 'refuter' and g.phase = 'replicate' and g.planned
 group by g.sweep, g.owner, g.dataset, g.backbone, v.variant, s.baseline, g.variant, g.diagnostic
having bool_or(g.verdict = 'fail');

create or replace view metrics with (security_barrier) as
select s.name as sweep, z.run_id, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.n, z.last_step, z.last, z.min, z.max, m.goal, s.owner
  from summary z join run r using (run_id) join visible_sweep s using (sweep_id) join metric m using (metric_id);

create or replace view points with (security_barrier) as
select p.run_id, m.name as metric, m.split, m.grp, m.lvl, p.step, p.v[k.idx] as value
  from metric m join keyset_member k using (metric_id) join point p using (keyset_id)
 where (select sees_all()) or p.run_id in (select r.run_id from run r join visible_sweep using (sweep_id));

create or replace view all_predictions with (security_barrier) as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner, p.truth
  from prediction p join run r using (run_id) join visible_sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;

create or replace view predictions with (security_barrier) as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight, s.owner, p.truth
  from prediction p join run r using (run_id) join visible_sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern
 where r.phase = 'replicate' and r.state = 'done' and r.planned and t.name = 'id';

create or replace view unit_groups with (security_barrier) as
select d.name as dataset, d.hash as dataset_hash, u.unit_hash as unit, u.grp, u.lvl from unit_group u join dataset d using (dataset_id)
 where (select sees_all()) or u.dataset_id in (select r.dataset_id from run r join visible_sweep using (sweep_id));

create or replace view events with (security_barrier) as
select s.name as sweep, e.event_id, e.run_id, e.at, e.attempt, e.old::text as old, e.new::text as new, nullif(e.note, '') as note, s.owner
  from run_event e join run r using (run_id) join visible_sweep s using (sweep_id);

create or replace view decisions with (security_barrier) as
select s.name as sweep, d.dataset, d.backbone, d.variant, d.number, d.at, d.event->>'kind' as event, (d.event->>'trial')::int as trial,
       (d.event->>'epoch')::int as epoch, (d.event->>'value')::float8 as value, d.actions, s.owner
  from decision d join visible_sweep s using (sweep_id);

-- The tables.
alter table sweep_reader enable row level security;
create policy sweep_reader_read on sweep_reader for select using (login = current_user or (select sees_all()));
create policy sweep_reader_own on sweep_reader for all using (owner = session_user) with check (owner = session_user);

drop policy sweep_read on sweep;
create policy sweep_read on sweep for select
  using ((select sees_all()) or owner = current_user or owner in (select r.owner from sweep_reader r where r.login = current_user));

-- +goose StatementBegin
do $$
declare
  t text;
begin
  -- Each condition asks a table above it, and so by that table's policy.
  foreach t in array '{sweep_revision,run,run_block,search,decision,progress,sweep_share,kept_comparison,comparison}'::text[] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy %I on %I using ((select sees_all()) or sweep_id in (select sweep_id from sweep))', t || '_of_sweep', t);
  end loop;
  foreach t in array '{run_event,checkpoint,artifact,summary,result,diagnostic,point,prediction}'::text[] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy %I on %I using ((select sees_all()) or run_id in (select run_id from run))', t || '_of_run', t);
  end loop;
  foreach t in array '{dataset,unit_group,pattern_name}'::text[] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy %I on %I using ((select sees_all()) or dataset_id in (select dataset_id from run))', t || '_of_run', t);
  end loop;
  -- Contents of logs and artifacts, programs, and feature stores.
  foreach t in array '{blob,blob_part,bundle}'::text[] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy %I on %I using ((select sees_all()))', t || '_of_all', t);
  end loop;
  -- A partition has no policy: it is read through its table, or by its owner.
  for t in select c.relname from pg_class c join pg_inherits i on i.inhrelid = c.oid
      where i.inhparent in ('deconfound.point'::regclass, 'deconfound.prediction'::regclass) loop
    execute format('alter table %I enable row level security', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function reserve_runs(p_sweep bigint, n int) returns bigint[]
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  out bigint[] := '{}';
  b run_block;
  k bigint;
begin
  while n > 0 loop
    select * into b from run_block x where x.sweep_id = p_sweep and x.next <= x.last order by x.first limit 1 for update;
    if not found then
      perform pg_advisory_xact_lock(1145261638, 0);
      b.first := (select coalesce(max(x.last), 0) + 1 from run_block x);
      b.next := b.first;
      b.last := b.first - 1 + (n + 999) / 1000 * 1000;
      execute format('create table %I (like point including all)', 'point_r' || b.first);
      execute format('alter table %I enable row level security', 'point_r' || b.first);
      execute format('alter table point attach partition %I for values from (%s) to (%s)', 'point_r' || b.first, b.first, b.last + 1);
      execute format('create table %I (like prediction including all)', 'prediction_r' || b.first);
      execute format('alter table %I enable row level security', 'prediction_r' || b.first);
      execute format('alter table prediction attach partition %I for values from (%s) to (%s)', 'prediction_r' || b.first, b.first, b.last + 1);
      insert into run_block values (b.first, b.last, b.next, p_sweep);
    end if;
    k := least(n, b.last - b.next + 1);
    out := out || array(select generate_series(b.next, b.next + k - 1));
    update run_block x set next = b.next + k where x.first = b.first;
    n := n - k;
  end loop;
  return out;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
do $$
declare
  t text;
begin
  foreach t in array '{sweep_revision,run,run_block,search,decision,progress,sweep_share,kept_comparison,comparison}'::text[] loop
    execute format('drop policy %I on %I', t || '_of_sweep', t);
    execute format('alter table %I disable row level security', t);
  end loop;
  foreach t in array '{run_event,checkpoint,artifact,summary,result,diagnostic,point,prediction,dataset,unit_group,pattern_name}'::text[] loop
    execute format('drop policy %I on %I', t || '_of_run', t);
    execute format('alter table %I disable row level security', t);
  end loop;
  foreach t in array '{blob,blob_part,bundle}'::text[] loop
    execute format('drop policy %I on %I', t || '_of_all', t);
    execute format('alter table %I disable row level security', t);
  end loop;
  for t in select c.relname from pg_class c join pg_inherits i on i.inhrelid = c.oid
      where i.inhparent in ('deconfound.point'::regclass, 'deconfound.prediction'::regclass) loop
    execute format('alter table %I disable row level security', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function reserve_runs(p_sweep bigint, n int) returns bigint[]
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  out bigint[] := '{}';
  b run_block;
  k bigint;
begin
  while n > 0 loop
    select * into b from run_block x where x.sweep_id = p_sweep and x.next <= x.last order by x.first limit 1 for update;
    if not found then
      perform pg_advisory_xact_lock(1145261638, 0);
      b.first := (select coalesce(max(x.last), 0) + 1 from run_block x);
      b.next := b.first;
      b.last := b.first - 1 + (n + 999) / 1000 * 1000;
      execute format('create table %I (like point including all)', 'point_r' || b.first);
      execute format('alter table point attach partition %I for values from (%s) to (%s)', 'point_r' || b.first, b.first, b.last + 1);
      execute format('create table %I (like prediction including all)', 'prediction_r' || b.first);
      execute format('alter table prediction attach partition %I for values from (%s) to (%s)', 'prediction_r' || b.first, b.first, b.last + 1);
      insert into run_block values (b.first, b.last, b.next, p_sweep);
    end if;
    k := least(n, b.last - b.next + 1);
    out := out || array(select generate_series(b.next, b.next + k - 1));
    update run_block x set next = b.next + k where x.first = b.first;
    n := n - k;
  end loop;
  return out;
end $$;
-- +goose StatementEnd

drop policy sweep_read on sweep;
create policy sweep_read on sweep for select using (true);

create or replace view sweeps as
select s.name as sweep, s.owner, s.revision, s.baseline,
       case when s.cancelled_at is not null then 'cancelled' when s.paused_at is not null then 'paused'
            when count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) > 0 then 'open' else 'ended' end as state,
       count(r.run_id) as runs,
       count(r.run_id) filter (where r.state = 'done') as done,
       count(r.run_id) filter (where r.state in ('queued', 'running', 'paused')) as open,
       count(r.run_id) filter (where r.state in ('failed', 'lost')) as failed,
       encode(v.analysis_sha256, 'hex') as analysis_sha256, s.created_at, s.updated_at,
       count(r.run_id) filter (where r.state = 'pruned') as pruned, nullif(s.pause_reason, '') as pause_reason,
       coalesce(sum(extract(epoch from r.busy)), 0)::float8 as worker_seconds
  from sweep s join sweep_revision v using (sweep_id, revision) left join run r on r.sweep_id = s.sweep_id and r.planned
 group by s.sweep_id, v.sweep_id, v.revision;
alter view sweeps reset (security_barrier);

create or replace view runs as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, nullif(r.strategy, '') as strategy,
       r.phase::text as phase, r.trial, r.replicate as seed, r.state::text as state, r.planned,
       r.attempt, r.epoch, r.epochs, nullif(r.stop_reason, '') as stop_reason,
       nullif(r.error_code, '') as error_code, nullif(r.error_message, '') as error_message,
       r.split_seed, r.init_seed, r.spec, encode(r.run_hash, 'hex') as run_hash, d.hash as dataset_hash,
       r.backbone_hash, nullif(r.strategy_hash, '') as strategy_hash, nullif(r.git_commit, '') as git_commit, r.git_dirty,
       nullif(r.host_version, '') as host_version, r.environment, w.name as worker,
       r.created_at, r.started_at, r.ended_at, s.owner,
       r.memory_host + r.memory_plugins as memory_peak, r.memory_host, r.memory_plugins
  from run r join sweep s using (sweep_id) join dataset d using (dataset_id) left join worker w using (worker_id);
alter view runs reset (security_barrier);

create or replace view results as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.trial, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.value, m.goal, r.planned, s.owner
  from result z join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
 where r.state = 'done';
alter view results reset (security_barrier);

create or replace view leaderboard as
select sweep, dataset, backbone, variant, metric, split, grp, lvl, n, mean, sd,
       mean - t_975(n - 1) * sd / sqrt(n) as lo, mean + t_975(n - 1) * sd / sqrt(n) as hi,
       rank() over (partition by owner, sweep, dataset, metric, split, grp, lvl
                    order by case when goal = 'minimize' then mean else -mean end) as rank,
       owner
  from (select s.name as sweep, d.name as dataset, r.backbone, r.variant, m.name as metric, m.split, m.grp, m.lvl, m.goal, s.owner,
               count(z.value) as n, avg(z.value) as mean, stddev_samp(z.value) as sd
          from result z join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id) join metric m using (metric_id)
         where r.state = 'done' and r.phase = 'replicate' and r.planned and z.value <> 'NaN'
         group by s.sweep_id, d.dataset_id, r.backbone, r.variant, m.metric_id) x;
alter view leaderboard reset (security_barrier);

create or replace view paired_seeds as
select a.sweep, a.dataset, a.backbone, a.variant, s.baseline, a.metric, a.split, a.grp, a.lvl, a.seed,
       a.value, b.value as baseline_value, a.value - b.value as difference, a.goal, a.owner
  from results a join sweep s on s.name = a.sweep and s.owner = a.owner
  join results b on b.owner = a.owner and b.sweep = a.sweep and b.dataset = a.dataset and b.backbone = a.backbone
   and b.metric = a.metric and b.split = a.split and b.grp = a.grp and b.lvl = a.lvl and b.seed = a.seed
   and b.variant = s.baseline and b.phase = 'replicate' and b.planned
 where a.phase = 'replicate' and a.planned and a.variant <> s.baseline and a.value <> 'NaN' and b.value <> 'NaN';
alter view paired_seeds reset (security_barrier);

create or replace view paired as
select sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl,
       count(*) as n, avg(difference) as mean, stddev_samp(difference) as sd,
       avg(difference) - t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as lo,
       avg(difference) + t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as hi,
       avg(difference) / nullif(stddev_samp(difference) / sqrt(count(*)), 0) as t,
       count(*) filter (where case when goal = 'minimize' then difference < 0 else difference > 0 end) as wins,
       owner
  from paired_seeds group by owner, sweep, dataset, backbone, variant, baseline, metric, split, grp, lvl, goal;
alter view paired reset (security_barrier);

create or replace view pattern_results as
select l.sweep, l.dataset, l.backbone, l.variant, l.metric, l.split, l.lvl as pattern, l.n, l.mean, l.sd, l.lo, l.hi,
       p.mean as patients, e.mean as events, l.owner
  from leaderboard l
  left join leaderboard p on p.owner = l.owner and p.sweep = l.sweep and p.dataset = l.dataset and p.backbone = l.backbone
   and p.variant = l.variant and p.metric = 'patients' and p.split = l.split and p.grp = l.grp and p.lvl = l.lvl
  left join leaderboard e on e.owner = l.owner and e.sweep = l.sweep and e.dataset = l.dataset and e.backbone = l.backbone
   and e.variant = l.variant and e.metric = 'events' and e.split = l.split and e.grp = l.grp and e.lvl = l.lvl
 where l.grp = 'pattern' and l.metric not in ('patients', 'events');
alter view pattern_results reset (security_barrier);

create or replace view diagnostics as
select s.name as sweep, r.run_id, d.name as dataset, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       g.name as diagnostic, g.estimate, g.lo, g.hi, g.p, nullif(g.verdict, '') as verdict, g.detail, r.planned, s.owner,
       split_part(g.name, '/', 1) as name, coalesce(g.detail->>'split', 'test') as split,
       case when position('/' in g.name) > 0 then substr(g.name, position('/' in g.name) + 1) end as grp,
       g.estimate as value, g.lo as ci_low, g.hi as ci_high,
       (g.detail->>'n')::int as n, (g.detail->>'effective_n')::float8 as n_eff, g.detail->>'reason' as reason
  from diagnostic g join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
 where r.state = 'done';
alter view diagnostics reset (security_barrier);

create or replace view comparison_diagnostics as
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
alter view comparison_diagnostics reset (security_barrier);

create or replace view metrics as
select s.name as sweep, z.run_id, r.backbone, r.variant, r.phase::text as phase, r.replicate as seed,
       m.name as metric, m.split, m.grp, m.lvl, z.n, z.last_step, z.last, z.min, z.max, m.goal, s.owner
  from summary z join run r using (run_id) join sweep s using (sweep_id) join metric m using (metric_id);
alter view metrics reset (security_barrier);

create or replace view points as
select p.run_id, m.name as metric, m.split, m.grp, m.lvl, p.step, p.v[k.idx] as value
  from metric m join keyset_member k using (metric_id) join point p using (keyset_id);
alter view points reset (security_barrier);

create or replace view all_predictions as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner, p.truth
  from prediction p join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;
alter view all_predictions reset (security_barrier);

create or replace view predictions as
select sweep, dataset, backbone, variant, seed, run_id, unit, class, label, score, pattern, weight, owner, truth
  from all_predictions where phase = 'replicate' and state = 'done' and planned and test_set = 'id';
alter view predictions reset (security_barrier);

create or replace view unit_groups as
select d.name as dataset, d.hash as dataset_hash, u.unit_hash as unit, u.grp, u.lvl from unit_group u join dataset d using (dataset_id);
alter view unit_groups reset (security_barrier);

create or replace view events as
select s.name as sweep, e.event_id, e.run_id, e.at, e.attempt, e.old::text as old, e.new::text as new, nullif(e.note, '') as note, s.owner
  from run_event e join run r using (run_id) join sweep s using (sweep_id);
alter view events reset (security_barrier);

create or replace view decisions as
select s.name as sweep, d.dataset, d.backbone, d.variant, d.number, d.at, d.event->>'kind' as event, (d.event->>'trial')::int as trial,
       (d.event->>'epoch')::int as epoch, (d.event->>'value')::float8 as value, d.actions, s.owner
  from decision d join sweep s using (sweep_id);
alter view decisions reset (security_barrier);

drop view visible_sweep;
drop table sweep_reader;
drop function sees_all;
