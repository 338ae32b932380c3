-- +goose Up
-- A run that its search method ended early. In a migration of its own: a new value
-- of an enum cannot be used by the transaction that adds it.
alter type run_state add value if not exists 'pruned';

-- +goose Down
-- PostgreSQL cannot take a value of an enum away; it is of no use and does no harm.
select 1;
