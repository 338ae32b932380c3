-- +goose Up
create table metric (
  metric_id int generated always as identity primary key,
  name      text not null,
  split     text not null default '',       -- train, val, test, or the name of a shifted test set
  grp       text not null default '',       -- subgroup column, for example sex or pattern
  lvl       text not null default '',       -- level of the subgroup column
  goal      text check (goal in ('maximize', 'minimize')),
  unique (name, split, grp, lvl)
);
comment on table metric is 'Dictionary of metrics: a metric in a subgroup is a row here, not a string to parse.';

create table keyset (
  keyset_id  int generated always as identity primary key,
  metric_ids int[] not null,                -- ascending
  -- Unique, by a hash index: a set of a thousand metrics is longer than what fits
  -- into an entry of a btree.
  exclude using hash (metric_ids with =)
);
comment on table keyset is 'Sets of metrics that were recorded together; point.v has their order.';
create table keyset_member (
  metric_id int not null references metric,
  keyset_id int not null references keyset,
  idx       int not null,                   -- from 1
  primary key (metric_id, keyset_id)
);
create index keyset_member_keyset on keyset_member (keyset_id);

-- Neither point nor prediction has a foreign key to run: the writer holds the
-- run's row lock, and a check for every row would cost more than the row. The
-- trigger run_deleted keeps them whole.
create table point (
  run_id    bigint not null,
  step      int not null,
  keyset_id int not null,
  v         float8[] not null,              -- NaN and infinities are ordinary values
  primary key (run_id, step, keyset_id)
) partition by range (run_id);
create table point_default partition of point default;

create table summary (
  run_id    bigint not null references run on delete cascade,
  metric_id int not null references metric,
  n         int not null,
  last_step int not null,
  last      float8,
  min       float8,                         -- of the values that are not NaN
  max       float8,
  primary key (run_id, metric_id)
);
comment on table summary is 'Of each curve in point; written by the statement that writes the points.';
create index summary_metric on summary (metric_id);

create table result (
  run_id    bigint not null references run on delete cascade,
  metric_id int not null references metric,
  value     float8 not null,
  primary key (run_id, metric_id)
);
comment on table result is 'Final metrics of a run that is done.';
create index result_metric on result (metric_id, value);

create table test_set (
  test_set_id smallint generated always as identity primary key,
  name        text not null unique          -- id, or the name of a shift
);

create table prediction (
  run_id         bigint not null,
  unit_hash      bigint not null,           -- keyed hash of the row, never an identifier
  pattern        bigint not null,           -- availability as the model saw it; bit m = modality m
  test_set_id    smallint not null,
  class          smallint not null default 0,
  label          real,                      -- null: the label is not known
  score          real not null,             -- reported probability of the variant
  score_observed real,                      -- of its own stratum or branch, if it has one
  weight         real not null default 1,
  primary key (run_id, test_set_id, unit_hash, class)
);

create table unit_group (
  dataset_id int not null references dataset on delete cascade,
  unit_hash  bigint not null,
  grp        text not null,
  lvl        text not null,
  primary key (dataset_id, unit_hash, grp)
);
create table pattern_name (
  dataset_id int not null references dataset on delete cascade,
  pattern    bigint not null,
  name       text not null,                 -- for example base+lipid
  primary key (dataset_id, pattern)
);

create table diagnostic (
  run_id   bigint not null references run on delete cascade,
  name     text not null,
  estimate float8,
  lo       float8,
  hi       float8,
  p        float8,
  verdict  text not null default '',
  detail   jsonb not null default '{}',
  primary key (run_id, name)
);

-- +goose StatementBegin
create function run_deleted() returns trigger language plpgsql as $$
begin
  delete from deconfound.point p using old_run o where p.run_id = o.run_id;
  delete from deconfound.prediction p using old_run o where p.run_id = o.run_id;
  return null;
end $$;
-- +goose StatementEnd
create trigger run_deleted after delete on run
  referencing old table as old_run for each statement execute function run_deleted();

-- +goose StatementBegin
-- ensure_point_partitions makes the partitions that runs up to p_run need, and
-- one more. They are attached before a row for them exists, so that neither
-- readers nor writers of other partitions wait. Runs as its owner, because a
-- worker may not create tables.
create function ensure_point_partitions(p_run bigint) returns void
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  width constant bigint := 100000;
  b bigint;
  part text;
begin
  if to_regclass('deconfound.point_' || (p_run / width + 1)) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(1145261638, 0);
  for b in select generate_series(greatest(p_run / width - 1, 0), p_run / width + 1) loop
    part := 'point_' || b;
    if to_regclass('deconfound.' || part) is null
       and not exists (select from deconfound.point_default where run_id >= b * width and run_id < (b + 1) * width) then
      execute format('create table %I (like point including all)', part);
      execute format('alter table point attach partition %I for values from (%s) to (%s)', part, b * width, (b + 1) * width);
    end if;
  end loop;
end $$;
-- +goose StatementEnd
revoke all on function ensure_point_partitions from public;

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

-- +goose Down
drop function ingest, ensure_point_partitions;
drop trigger run_deleted on run;
drop function run_deleted;
drop table diagnostic, pattern_name, unit_group, prediction, test_set, result, summary, point, keyset_member, keyset, metric;
