-- +goose Up
-- What a comparison came to, so that it is computed once for the command, the pages
-- and the reports.
create table kept_comparison (
  sweep_id bigint not null references sweep on delete cascade,
  key      bytea not null,                 -- SHA-256 of all that the result depends on
  kept_at  timestamptz not null default now(),
  result   bytea not null,                 -- as the program encodes it
  primary key (sweep_id, key)
);
comment on table kept_comparison is 'Results of compare by the content of what was compared; may be deleted at any time.';

-- +goose Down
drop table kept_comparison;
