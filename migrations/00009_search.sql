-- +goose Up
-- What search methods know and have decided.
alter table run add column until int not null default 0;  -- epoch at which the run waits for its search method; 0: it trains to its end
alter table run add column leased_at timestamptz;         -- when its worker began the slice
alter table run add column busy interval not null default '0';  -- time that workers have spent on its slices
alter table sweep add column pause_reason text not null default '';  -- '' by hand, else why it paused by itself

create table search (
  sweep_id   bigint not null references sweep on delete cascade,
  dataset    text not null,
  backbone   text not null,
  variant    text not null,
  decisions  int not null default 0,        -- number of the newest decision in snapshot
  snapshot   jsonb not null,                -- of the search machine, with its version
  updated_at timestamptz not null default now(),
  primary key (sweep_id, dataset, backbone, variant)
);
comment on table search is 'How far the search of a cell has come, where it depends on results.';

create table decision (
  sweep_id bigint not null,
  dataset  text not null,
  backbone text not null,
  variant  text not null,
  number   int not null,                    -- from 1, within the cell
  at       timestamptz not null default now(),
  event    jsonb not null,                  -- what the search method was told
  actions  jsonb not null,                  -- what it wanted done
  primary key (sweep_id, dataset, backbone, variant, number),
  foreign key (sweep_id, dataset, backbone, variant) references search on delete cascade
);
comment on table decision is 'Every event of a search and what was done about it, in order: replayed, the events give the same actions.';

-- +goose StatementBegin
-- The time that workers spend on slices, whoever ends the lease.
create function run_busy() returns trigger language plpgsql as $$
begin
  if new.state = 'running' then
    new.leased_at := clock_timestamp();
  else
    new.busy := old.busy + (clock_timestamp() - coalesce(old.leased_at, clock_timestamp()));
    new.leased_at := null;
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger run_busy before update on run for each row
  when ((old.state = 'running') is distinct from (new.state = 'running')) execute function run_busy();

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
comment on view sweeps is 'One row per sweep. The counts are of the runs that its newest revision wants; pruned are those that the search ended early. pause_reason says why the sweep paused by itself; worker_seconds is the time that workers have spent on its slices.';

create view decisions as
select s.name as sweep, d.dataset, d.backbone, d.variant, d.number, d.at, d.event->>'kind' as event, (d.event->>'trial')::int as trial,
       (d.event->>'epoch')::int as epoch, (d.event->>'value')::float8 as value, d.actions, s.owner
  from decision d join sweep s using (sweep_id);
comment on view decisions is 'One row per event that a search with results in mind (tpe, or an early stop) was told, in order within its cell, and what it wanted done: create, continue or prune a trial.';

-- +goose Down
drop view decisions, sweeps;
drop trigger run_busy on run;
drop function run_busy;
drop table decision, search;
alter table sweep drop column pause_reason;
alter table run drop column until, drop column leased_at, drop column busy;

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
