-- +goose Up
-- What the last look at a sweep's plan found, so that its status does not take a
-- walk over the plan and every run.
create table progress (
  sweep_id bigint primary key references sweep on delete cascade,
  revision int not null,
  ended    int not null,                    -- planned runs that had ended
  expected int not null,                    -- runs of the whole sweep, as far as that was known
  complete boolean not null,                -- the plan wanted no further run
  detail   jsonb not null
) with (fillfactor = 50);                   -- every run that ends updates the row
comment on table progress is 'How far a sweep has come by its plan; written whenever the plan is looked at.';

-- By numbers first and names afterwards: to group hundreds of thousands of results by
-- nine texts takes several times as long. A condition on a name still reaches the
-- runs, because the name depends on the number.
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

-- Row by row, and only where a state changes. A statement's tables of old and new rows
-- are joined by the plan that fitted the first statement of the session, which for
-- thousands of runs compares each with each.
drop trigger run_updated on run;
drop function run_updated;
-- +goose StatementBegin
create function run_changed() returns trigger language plpgsql as $$
begin
  insert into deconfound.run_event (run_id, attempt, old, new, note)
  values (new.run_id, old.attempt, old.state, new.state,
          case when new.state = 'done' then new.stop_reason
               when new.error_code <> '' and new.state in ('failed', 'lost', 'queued', 'paused') then new.error_code
               else '' end);
  -- Once for each transaction: PostgreSQL drops what repeats.
  perform pg_notify('deconfound_run', 'state');
  return null;
end $$;
-- +goose StatementEnd
create trigger run_changed after update on run for each row
  when (new.state <> old.state and not (old.state = 'running' and new.state = 'queued' and new.attempt = old.attempt)
        and not (old.state = 'queued' and new.state = 'running' and new.epoch > 0))
  execute function run_changed();

-- The writer holds the run's lock and has looked what is there; it adds up the summary
-- by itself, which was most of what storing points cost.
drop function ingest;

-- +goose Down
-- +goose StatementBegin
-- ingest stores points of one run and one keyset and brings summary up to date
-- in the same statement. p_flat holds cardinality(p_metrics) values per step.
-- A row that is there already is left alone and counted nowhere, so any replay
-- changes nothing. Answers the number of rows that are new.
create function ingest(p_run bigint, p_keyset int, p_metrics int[], p_steps int[], p_flat float8[])
returns int language sql as $$
  with ins as (
    insert into deconfound.point (run_id, step, keyset_id, v)
    select p_run, s.step, p_keyset, p_flat[(s.i - 1) * cardinality(p_metrics) + 1 : s.i * cardinality(p_metrics)]
      from unnest(p_steps) with ordinality s(step, i)
     order by s.step
    on conflict do nothing
    returning step, v),
  x as (
    select u.metric_id, ins.step, u.value
      from ins, lateral unnest(p_metrics, ins.v) u(metric_id, value)),
  up as (
    insert into deconfound.summary as z (run_id, metric_id, n, last_step, last, min, max)
    select p_run, metric_id, count(*), max(step), (array_agg(value order by step desc))[1],
           min(value) filter (where value <> 'NaN'), max(value) filter (where value <> 'NaN')
      from x group by metric_id order by metric_id
    on conflict (run_id, metric_id) do update
      set n = z.n + excluded.n,
          last_step = greatest(z.last_step, excluded.last_step),
          last = case when excluded.last_step >= z.last_step then excluded.last else z.last end,
          min = least(z.min, excluded.min),
          max = greatest(z.max, excluded.max)
    returning 1)
  select count(*)::int from ins
$$;
-- +goose StatementEnd

drop trigger run_changed on run;
drop function run_changed;
-- +goose StatementBegin
create function run_updated() returns trigger language plpgsql as $$
begin
  insert into deconfound.run_event (run_id, attempt, old, new, note)
    select n.run_id, o.attempt, o.state, n.state,
           case when n.state in ('done') then n.stop_reason
                when n.error_code <> '' and n.state in ('failed', 'lost', 'queued', 'paused') then n.error_code
                else '' end
      from new_run n join old_run o using (run_id)
     where n.state <> o.state and not (o.state = 'running' and n.state = 'queued' and n.attempt = o.attempt)
       and not (o.state = 'queued' and n.state = 'running' and n.epoch > 0)
     order by n.run_id;
  if found then
    perform pg_notify('deconfound_run', 'state');
  end if;
  return null;
end $$;
-- +goose StatementEnd
create trigger run_updated after update on run
  referencing old table as old_run new table as new_run for each statement execute function run_updated();
drop table progress;
create or replace view leaderboard as
select sweep, dataset, backbone, variant, metric, split, grp, lvl,
       count(value) as n, avg(value) as mean, stddev_samp(value) as sd,
       avg(value) - t_975(count(value) - 1) * stddev_samp(value) / sqrt(count(value)) as lo,
       avg(value) + t_975(count(value) - 1) * stddev_samp(value) / sqrt(count(value)) as hi,
       rank() over (partition by owner, sweep, dataset, metric, split, grp, lvl
                    order by case when goal = 'minimize' then avg(value) else -avg(value) end) as rank,
       owner
  from results where phase = 'replicate' and planned and value <> 'NaN'
 group by owner, sweep, dataset, backbone, variant, metric, split, grp, lvl, goal;
