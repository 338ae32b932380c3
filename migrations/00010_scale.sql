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

-- +goose Down
drop table progress;
