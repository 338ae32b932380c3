-- +goose Up
-- What a run costs in memory.
alter table run add column memory_host bigint;    -- its share of the worker's own memory at its peak, in bytes; null: not measured
alter table run add column memory_plugins bigint; -- its share of that of its plugin processes at the same time

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
comment on view runs is 'One row per run: one training of a cell (dataset, backbone, variant). seed is the replicate, null in the search phase; planned says whether the newest revision of the sweep wants the run; spec is all that the result depends on. memory_peak is in bytes, memory_host its part in the worker and memory_plugins that in plugin processes, which runs share evenly; the feature store, mapped once for all, is not part of it.';

-- +goose Down
drop view runs;
alter table run drop column memory_host, drop column memory_plugins;

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
