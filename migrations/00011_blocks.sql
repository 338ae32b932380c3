-- +goose Up
-- Every sweep has partitions of its own for what takes space, so that deleting it
-- gives the space back at once. A partition is a block of run numbers: whoever asks
-- for a run reads one partition, and rows need not repeat the sweep.
create table run_block (
  first    bigint primary key,              -- of the run numbers
  last     bigint not null,
  next     bigint not null,                 -- the first that is free
  sweep_id bigint references sweep on delete set null,  -- null: of a deleted sweep; its partitions are empty
  constraint block_in_order check (first <= next and next <= last + 1)
);
create index run_block_sweep on run_block (sweep_id);
comment on table run_block is 'Run numbers that belong to a sweep. Partitions point_r<first> and prediction_r<first> hold its rows.';

alter table run alter column run_id drop identity;
drop function ensure_point_partitions;

alter table prediction rename to prediction_before;
alter index prediction_pkey rename to prediction_before_pkey;
create table prediction (like prediction_before including defaults) partition by range (run_id);
alter table prediction add primary key (run_id, test_set_id, unit_hash, class);
create table prediction_default partition of prediction default;

create or replace view all_predictions as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner, p.truth
  from prediction p join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;

-- +goose StatementBegin
-- What was there before stays in the partitions it has; the blocks begin after them.
do $$
declare
  part text;
  rows bigint;
  top bigint := (select coalesce(max(run_id), 0) from run);
begin
  for part in select c.relname from pg_class c join pg_inherits i on i.inhrelid = c.oid
      where i.inhparent = 'deconfound.point'::regclass and c.relname ~ '^point_\d+$' loop
    execute format('select count(*) from (select from %I limit 1) x', part) into rows;
    if rows = 0 and substr(part, 7)::bigint * 100000 > top then
      execute format('drop table %I', part);
    else
      top := greatest(top, (substr(part, 7)::bigint + 1) * 100000);
    end if;
  end loop;
  top := (top + 999) / 1000 * 1000;
  if top = 0 then
    drop table prediction_before;
  else
    execute format('alter table prediction attach partition prediction_before for values from (minvalue) to (%s)', top + 1);
    insert into run_block values (1, top, top + 1, null); -- no new number is one of these
  end if;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- reserve_runs takes n run numbers for a sweep and makes the partitions they need,
-- before there is a row for them, so that nobody waits. The transaction must hold the
-- sweep's lock. Runs as its owner, because a worker may not create tables.
create function reserve_runs(p_sweep bigint, n int) returns bigint[]
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
revoke all on function reserve_runs from public;

-- +goose StatementBegin
-- For a run that is inserted by hand.
create function run_numbered() returns trigger language plpgsql as $$
begin
  new.run_id := (deconfound.reserve_runs(new.sweep_id, 1))[1];
  return new;
end $$;
-- +goose StatementEnd
create trigger run_numbered before insert on run for each row when (new.run_id is null) execute function run_numbered();

-- +goose StatementBegin
create or replace function run_deleted() returns trigger language plpgsql as $$
declare
  gone bigint;
begin
  -- One by one, each in its partition; a join would go through all of them.
  for gone in select run_id from old_run loop
    delete from deconfound.point p where p.run_id = gone;
    delete from deconfound.prediction p where p.run_id = gone;
  end loop;
  return null;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- empty_points gives the space of a sweep's curves back at once; their summaries stay.
-- Points from before there were blocks are deleted row by row. Only the sweep's owner
-- may call it. Answers the bytes of the partitions that were emptied.
create function empty_points(p_sweep bigint) returns bigint
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

-- +goose StatementBegin
create function own_sweep(p_sweep bigint) returns void language plpgsql as $$
begin
  if not exists (select from deconfound.sweep where sweep_id = p_sweep
      and (owner = session_user or (select rolsuper from pg_roles where rolname = session_user))) then
    raise insufficient_privilege using message = format('sweep %s does not exist or belongs to somebody else', p_sweep);
  end if;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- delete_sweep deletes a sweep with all that belongs to it and gives its space back.
-- Only its owner may call it. Its empty partitions are dropped by drop_block.
create function delete_sweep(p_sweep bigint) returns bigint
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
declare
  b bigint;
  bytes bigint;
begin
  perform own_sweep(p_sweep);
  perform pg_advisory_xact_lock(hashtextextended('deconfound.sweep', p_sweep));
  if exists (select from run where sweep_id = p_sweep and state = 'running') then
    raise object_in_use using message = 'a run of the sweep is being trained; cancel the sweep first';
  end if;
  bytes := empty_points(p_sweep);
  for b in select first from run_block where sweep_id = p_sweep order by 1 loop
    bytes := bytes + pg_total_relation_size(format('deconfound.prediction_r%s', b));
    execute format('truncate %I', 'prediction_r' || b);
  end loop;
  delete from sweep where sweep_id = p_sweep;
  return bytes;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- drop_block drops the empty partitions of a deleted sweep. It waits for everybody
-- who reads points: call it with a lock_timeout.
create function drop_block(p_first bigint) returns void
language plpgsql security definer set search_path = deconfound, pg_catalog, pg_temp as $$
begin
  if exists (select from run_block where first = p_first and sweep_id is null)
     and to_regclass(format('deconfound.point_r%s', p_first)) is not null then
    execute format('drop table %I, %I', 'point_r' || p_first, 'prediction_r' || p_first);
  end if;
end $$;
-- +goose StatementEnd
revoke all on function empty_points, delete_sweep, drop_block from public;

-- +goose StatementBegin
-- thinned_curve answers a curve in at most p_points points (at least 4) for drawing:
-- the first and the last as they are, and of each stretch between them the smallest
-- and the largest value, so that no peak is lost. A curve that is short enough comes
-- whole; NaN is left out of a curve that is not, but at its ends.
create function thinned_curve(p_run bigint, p_metric text, p_split text, p_grp text, p_lvl text, p_points int)
returns table (step int, value float8) language sql stable as $$
  with c as (
    select p.step, p.v[k.idx] as value, row_number() over (order by p.step) as i, count(*) over () as n
      from deconfound.metric m join deconfound.keyset_member k using (metric_id) join deconfound.point p using (keyset_id)
     where m.name = p_metric and m.split = p_split and m.grp = p_grp and m.lvl = p_lvl and p.run_id = p_run),
  s as (
    select c.*, (i - 2) * ((greatest(p_points, 4) - 2) / 2) / greatest(n - 2, 1) as stretch from c),
  x as (
    select s.*, row_number() over (partition by stretch order by value, s.step) as low,
           row_number() over (partition by stretch order by value desc, s.step) as high
      from s where i > 1 and i < n and value <> 'NaN')
  select c.step, c.value from c where i = 1 or i = n or n <= greatest(p_points, 4)
  union
  select x.step, x.value from x where (low = 1 or high = 1) and n > greatest(p_points, 4)
  order by 1
$$;
-- +goose StatementEnd
comment on function thinned_curve is 'A curve in at most p_points points: its ends, and the smallest and largest value of each stretch between.';

-- +goose Down
drop function thinned_curve, drop_block, delete_sweep, own_sweep, empty_points;
drop trigger run_numbered on run;
drop function run_numbered, reserve_runs;
-- +goose StatementBegin
create or replace function run_deleted() returns trigger language plpgsql as $$
begin
  delete from deconfound.point p using old_run o where p.run_id = o.run_id;
  delete from deconfound.prediction p using old_run o where p.run_id = o.run_id;
  return null;
end $$;
-- +goose StatementEnd
alter table prediction rename to prediction_parts;
alter table prediction_parts drop constraint prediction_pkey;
create table prediction (like prediction_parts including defaults);
insert into prediction select * from prediction_parts;
alter table prediction add primary key (run_id, test_set_id, unit_hash, class);
create or replace view all_predictions as
select s.name as sweep, d.name as dataset, r.backbone, r.variant, r.replicate as seed, p.run_id, p.unit_hash as unit, p.class,
       p.label, p.score, coalesce(n.name, p.pattern::text) as pattern, p.weight,
       p.score_observed, t.name as test_set, r.phase::text as phase, r.trial, r.state::text as state, r.planned, s.owner, p.truth
  from prediction p join run r using (run_id) join sweep s using (sweep_id) join dataset d using (dataset_id)
  join test_set t using (test_set_id) left join pattern_name n on n.dataset_id = r.dataset_id and n.pattern = p.pattern;
drop table prediction_parts;
-- +goose StatementBegin
do $$
declare
  part text;
  free bigint := (select coalesce(max(last), 0) from run_block);
begin
  for part in select c.relname from pg_class c join pg_inherits i on i.inhrelid = c.oid
      where i.inhparent = 'deconfound.point'::regclass and c.relname ~ '^point_r\d+$' loop
    execute format('alter table point detach partition %I', part);
    execute format('insert into point select * from %I', part);
    execute format('drop table %I', part);
  end loop;
  execute format('alter table run alter column run_id add generated always as identity (start with %s)', free + 1);
end $$;
-- +goose StatementEnd
drop table run_block;
-- +goose StatementBegin
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
