-- +goose Up
alter table worker
  add column alive_until timestamptz not null default now() + interval '60 seconds',
  add column labels      jsonb not null default '{}',   -- name to value, compared with [requires] of sweeps
  add column memory      bigint not null default 0,     -- bytes it may use; 0 is not known
  add column cores       int not null default 0,        -- 0 is not known
  add column lacks       jsonb not null default '[]',   -- what it cannot train, and why
  add constraint labels_are_an_object check (jsonb_typeof(labels) = 'object'),
  add constraint lacks_are_a_list check (jsonb_typeof(lacks) = 'array');
comment on table worker is 'Worker processes. A worker is alive while its session holds the advisory lock (1145261638, worker_id) and alive_until, which it puts off, lies ahead by the clock of the server.';
comment on column worker.alive_until is 'From then on its runs are given to others; it puts this off every few seconds.';

-- +goose Down
alter table worker drop column alive_until, drop column labels, drop column memory, drop column cores, drop column lacks;
comment on table worker is 'Worker processes. A worker is alive while its session holds the advisory lock (1145261638, worker_id).';
