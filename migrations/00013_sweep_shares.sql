-- +goose Up
create table sweep_share (
  sweep_id bigint primary key references sweep on delete cascade,
  priority smallint not null default 10 check (priority between 1 and 100),
  pass     double precision not null default 0   -- slices begun, each counted as 1 / priority
);
comment on table sweep_share is 'How much each sweep gets of the workers: the one that waits with the lowest pass is next. A sweep without a row has the defaults.';

-- +goose Down
drop table sweep_share;
