-- +goose Up
-- No row of metric is ever deleted, and a check against it locks the row: every run
-- that begins a curve or ends writes a lock into each of the same few rows.
alter table summary drop constraint summary_metric_id_fkey;
alter table result drop constraint result_metric_id_fkey;

-- +goose Down
alter table result add constraint result_metric_id_fkey foreign key (metric_id) references metric;
alter table summary add constraint summary_metric_id_fkey foreign key (metric_id) references metric;
