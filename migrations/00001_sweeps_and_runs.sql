-- +goose Up
create type run_state as enum ('queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'lost');
create type run_phase as enum ('search', 'replicate');

create table sweep (
  sweep_id     bigint generated always as identity primary key,
  owner        text not null default session_user,
  name         text not null check (name <> ''),
  revision     int not null default 0,      -- of the newest sweep_revision
  baseline     text,                        -- variant that the view paired compares with
  paused_at    timestamptz,
  cancelled_at timestamptz,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  unique (owner, name)
);
comment on table sweep is 'A named sweep of one owner; what its file said at each time is in sweep_revision.';

create table sweep_revision (
  sweep_id        bigint not null references sweep on delete cascade,
  revision        int not null,
  spec_toml       text not null,
  spec            jsonb not null,
  spec_sha256     bytea not null check (octet_length(spec_sha256) = 32),
  analysis_sha256 bytea not null,           -- the analysis section, fixed before its first trial
  created_at      timestamptz not null default now(),
  primary key (sweep_id, revision)
);

create table dataset (
  dataset_id int generated always as identity primary key,
  name       text not null,
  hash       text not null unique,          -- of the content
  task       text,                          -- binary, multiclass, multilabel; null until described
  classes    int
);

create table worker (
  worker_id  int generated always as identity primary key,  -- also the key of its advisory lock
  name       text not null,
  host       text not null,
  pid        int not null,
  started_at timestamptz not null default now(),
  last_seen  timestamptz not null default now()             -- for people; liveness is the lock
);
comment on table worker is 'Worker processes. A worker is alive while its session holds the advisory lock (1145261638, worker_id).';

create table run (
  run_id        bigint generated always as identity primary key,
  sweep_id      bigint not null references sweep on delete cascade,
  fence         bigint not null default 1,  -- rises whenever the right to write changes hands
  split_seed    bigint not null,
  init_seed     bigint not null,
  created_at    timestamptz not null default now(),
  started_at    timestamptz,
  ended_at      timestamptz,
  dataset_id    int not null references dataset,
  worker_id     int references worker,
  trial         int not null,
  replicate     int,                        -- null in the search phase
  epoch         int not null default 0,
  epochs        int not null default 0,
  priority      smallint not null default 2,
  attempt       smallint not null default 1,
  max_attempts  smallint not null default 1,
  state         run_state not null default 'queued',
  phase         run_phase not null,
  planned       boolean not null default true,   -- the newest revision of the sweep wants it
  held          boolean not null default false,  -- paused until its search method decides
  git_dirty     boolean,
  run_hash      bytea not null check (octet_length(run_hash) = 32),
  backbone      text not null,
  backbone_hash text not null default '',
  variant       text not null,
  strategy      text not null default '',
  strategy_hash text not null default '',
  git_commit    text not null default '',
  host_version  text not null default '',
  stop_reason   text not null default '',
  error_code    text not null default '',
  error_message text not null default '',
  error_log     text not null default '',
  spec          jsonb not null,
  environment   jsonb not null default '{}',
  unique (sweep_id, run_hash),
  constraint replicate_has_number check ((phase = 'replicate') = (replicate is not null)),
  constraint running_has_worker check (state <> 'running' or worker_id is not null),
  constraint attempt_in_range check (attempt between 1 and max_attempts)
);
comment on table run is 'One training. Only the holder of (run_id, fence) in state running may write its results.';
create index run_sweep_state on run (sweep_id, state);
create index run_cell on run (sweep_id, backbone, variant, phase);
create index run_dataset on run (dataset_id);
create index run_running on run (worker_id) where state = 'running';
create index run_worker on run (worker_id);
create index run_spec on run using gin (spec jsonb_path_ops);

create table run_event (
  event_id bigint generated always as identity primary key,
  run_id   bigint not null references run on delete cascade,
  at       timestamptz not null default clock_timestamp(),
  attempt  smallint not null,
  old      run_state,                       -- null when the run was planned
  new      run_state not null,
  note     text not null default ''
);
create index run_event_run on run_event (run_id, event_id);

-- +goose StatementBegin
create function run_inserted() returns trigger language plpgsql as $$
begin
  insert into deconfound.run_event (run_id, attempt, new)
    select run_id, attempt, state from new_run order by run_id;
  perform pg_notify('deconfound_run', 'planned');
  return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
-- One notification per statement that changes a state, never one per metric:
-- NOTIFY takes a lock of the whole server at commit.
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
create trigger run_inserted after insert on run
  referencing new table as new_run for each statement execute function run_inserted();
create trigger run_updated after update on run
  referencing old table as old_run new table as new_run for each statement execute function run_updated();

create table checkpoint (
  run_id bigint primary key references run on delete cascade,
  epoch  int not null,
  sha256 bytea not null check (octet_length(sha256) = 32),
  data   bytea not null
);
comment on table checkpoint is 'The newest checkpoint of a run that has not ended; replaced by every slice.';
alter table checkpoint alter column data set storage external;

create table blob (
  sha256     bytea primary key check (octet_length(sha256) = 32),  -- of the uncompressed content
  size       bigint not null,                                      -- uncompressed
  touched_at timestamptz not null default now(),
  data       bytea not null                                        -- zstd
);
alter table blob alter column data set storage external;

create table artifact (
  run_id bigint not null references run on delete cascade,
  path   text not null,
  kind   text not null,
  sha256 bytea not null references blob,
  primary key (run_id, path)
);
create index artifact_blob on artifact (sha256);

alter table sweep enable row level security;
create policy sweep_read on sweep for select using (true);
create policy sweep_own on sweep for all using (owner = session_user) with check (owner = session_user);

-- +goose Down
drop table artifact, blob, checkpoint, run_event, run, worker, dataset, sweep_revision, sweep;
drop function run_inserted, run_updated;
drop type run_state, run_phase;
