-- +goose Up
-- How long to keep what takes space and no comparison needs. Results, summaries of
-- curves, predictions, diagnostics and comparisons are never removed by age.
create table retention (
  owner    text not null default session_user,
  what     text not null check (what in ('points', 'logs', 'artifacts')),
  sweep_id bigint references sweep on delete cascade, -- null: every sweep of the owner that has no row of its own
  days     int check (days > 0),                      -- after the sweep has ended; null: for ever
  unique nulls not distinct (owner, what, sweep_id)
);
create index retention_sweep on retention (sweep_id);
comment on table retention is 'How long an owner keeps points of curves, logs of runs and artifacts after a sweep has ended. What no row names is kept for ever.';
alter table retention enable row level security;
create policy retention_read on retention for select using (owner = current_user or (select sees_all()));
create policy retention_own on retention for all using (owner = session_user)
  with check (owner = session_user and (sweep_id is null or sweep_id in (select s.sweep_id from sweep s where s.owner = session_user)));

create table removal (
  sweep_id bigint not null references sweep on delete cascade,
  what     text not null check (what in ('points', 'logs', 'artifacts')),
  at       timestamptz not null default now(),
  bytes    bigint not null,
  primary key (sweep_id, what)
);
comment on table removal is 'What was removed of a sweep, so that nothing vanishes silently.';
alter table removal enable row level security;
create policy removal_of_sweep on removal using ((select sees_all()) or sweep_id in (select sweep_id from sweep));

-- +goose StatementBegin
-- remove_points gives the space of a sweep's curves back at once; their summaries stay.
-- Points from before there were blocks are deleted row by row. Answers the bytes of
-- the partitions that were emptied. Whoever calls it has asked whether that may be.
create function remove_points(p_sweep bigint) returns bigint
language plpgsql set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  b bigint;
  bytes bigint := 0;
begin
  for b in select first from run_block where sweep_id = p_sweep order by 1 loop
    bytes := bytes + pg_total_relation_size(format('deconfound.point_r%s', b));
    execute format('truncate %I', 'point_r' || b);
  end loop;
  for b in select r.run_id from run r where r.sweep_id = p_sweep
      and not exists (select from run_block x where x.sweep_id = p_sweep and r.run_id between x.first and x.last) loop
    delete from point where run_id = b;
  end loop;
  insert into removal (sweep_id, what, bytes) values (p_sweep, 'points', bytes)
    on conflict (sweep_id, what) do update set at = now(), bytes = removal.bytes + excluded.bytes;
  return bytes;
end $$;
-- +goose StatementEnd
revoke all on function remove_points from public;

-- +goose StatementBegin
create or replace function empty_points(p_sweep bigint) returns bigint
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
begin
  perform own_sweep(p_sweep);
  return remove_points(p_sweep);
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- retention_due lists what there is to be removed by the settings of its owner: of a
-- sweep of which no run waits or is trained, so many days after the last one ended.
create function retention_due() returns table (sweep_id bigint, what text)
language sql stable security definer set search_path = deconfound, pg_catalog, pg_temp as $$
  select i.sweep_id, w.what
    from (select s.sweep_id, s.owner, max(r.ended_at) as ended from sweep s join run r on r.sweep_id = s.sweep_id
           where exists (select from retention t where t.owner = s.owner)
           group by s.sweep_id having not bool_or(r.state in ('queued', 'running', 'paused'))) i
    cross join unnest('{points,logs,artifacts}'::text[]) w(what)
    cross join lateral (select t.days from retention t where t.owner = i.owner and t.what = w.what and (t.sweep_id = i.sweep_id or t.sweep_id is null)
                         order by t.sweep_id nulls last limit 1) kept
   where i.ended <= now() - make_interval(days => kept.days)
     and case w.what
         when 'points' then exists (select from run r join point p on p.run_id = r.run_id where r.sweep_id = i.sweep_id)
         when 'logs' then exists (select from run r where r.sweep_id = i.sweep_id and r.error_log <> '')
           or exists (select from run r join artifact a on a.run_id = r.run_id where r.sweep_id = i.sweep_id and a.kind = 'log')
         else exists (select from run r join artifact a on a.run_id = r.run_id where r.sweep_id = i.sweep_id and a.kind <> 'log') end
   order by 1, 2
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- retain removes what retention_due lists of one sweep, whoever asks: its owner has
-- said so. Answers the bytes, null if it is not due any more.
create function retain(p_sweep bigint, p_what text) returns bigint
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  freed bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('deconfound.sweep', p_sweep));
  if not exists (select from retention_due() d where d.sweep_id = p_sweep and d.what = p_what) then
    return null;
  end if;
  if p_what = 'points' then
    return remove_points(p_sweep);
  end if;
  select coalesce(sum(b.size), 0) into freed from run r join artifact a using (run_id) join blob b using (sha256)
   where r.sweep_id = p_sweep and (a.kind = 'log') = (p_what = 'logs');
  delete from artifact a using run r where r.run_id = a.run_id and r.sweep_id = p_sweep and (a.kind = 'log') = (p_what = 'logs');
  if p_what = 'logs' then
    freed := freed + (select coalesce(sum(octet_length(error_log)), 0) from run where sweep_id = p_sweep);
    update run set error_log = '' where sweep_id = p_sweep and error_log <> '';
  end if;
  insert into removal (sweep_id, what, bytes) values (p_sweep, p_what, freed)
    on conflict (sweep_id, what) do update set at = now(), bytes = removal.bytes + excluded.bytes;
  return freed;
end $$;
-- +goose StatementEnd
revoke all on function retention_due, retain from public;

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
       coalesce(sum(extract(epoch from r.busy)), 0)::float8 as worker_seconds,
       (select jsonb_object_agg(x.what, x.at) from removal x where x.sweep_id = s.sweep_id) as removed
  from sweep s join sweep_revision v using (sweep_id, revision) left join run r on r.sweep_id = s.sweep_id and r.planned
 where s.sweep_id in (select sweep_id from visible_sweep)
 group by s.sweep_id, v.sweep_id, v.revision;
comment on column sweeps.removed is 'when points, logs or artifacts of the sweep were removed, by retention or by hand; null: never';

-- +goose Down
drop view sweeps;
create view sweeps with (security_barrier) as
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
comment on view sweeps is 'One row per sweep. The counts are of the runs that its newest revision wants; pruned are those that the search ended early. pause_reason says why the sweep paused by itself; worker_seconds is the time that workers have spent on its slices.';
comment on column sweeps.sweep is 'name of the sweep, unique within its owner';
comment on column sweeps.owner is 'login that the sweep belongs to';
comment on column sweeps.revision is 'how often the file has changed, from 1';
comment on column sweeps.baseline is 'variant that is compared with';
comment on column sweeps.state is 'open, ended, paused or cancelled';
comment on column sweeps.runs is 'runs that the newest revision wants';
comment on column sweeps.done is 'of these, how many are done';
comment on column sweeps.open is 'of these, how many wait or train';
comment on column sweeps.failed is 'of these, how many failed or were lost';
comment on column sweeps.analysis_sha256 is 'SHA-256 of the analysis section';
comment on column sweeps.created_at is 'when the sweep was first stored';
comment on column sweeps.updated_at is 'when its newest revision was stored';
comment on column sweeps.pruned is 'of the runs, how many the search ended early';
comment on column sweeps.pause_reason is 'why it paused by itself; null by hand';
comment on column sweeps.worker_seconds is 'time that workers spent on it, in seconds';

-- +goose StatementBegin
create or replace function empty_points(p_sweep bigint) returns bigint
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  b bigint;
  bytes bigint := 0;
begin
  perform own_sweep(p_sweep);
  for b in select first from run_block where sweep_id = p_sweep order by 1 loop
    bytes := bytes + pg_total_relation_size(format('deconfound.point_r%s', b));
    execute format('truncate %I', 'point_r' || b);
  end loop;
  for b in select r.run_id from run r where r.sweep_id = p_sweep
      and not exists (select from run_block x where x.sweep_id = p_sweep and r.run_id between x.first and x.last) loop
    delete from point where run_id = b;
  end loop;
  return bytes;
end $$;
-- +goose StatementEnd
drop function retain, retention_due, remove_points;
drop table removal, retention;
