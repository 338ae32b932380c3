-- +goose Up
-- What data audit says of a dataset, so that pages show it without the data.
create table dataset_audit (
  dataset_id int primary key references dataset on delete cascade,
  made_at    timestamptz not null default now(),
  audit      jsonb not null                -- as data audit --json prints it: counts and estimates, no row of a patient
);
comment on table dataset_audit is 'What data audit says of each dataset that was trained on: made once for its content by the first worker that opens it.';
alter table dataset_audit enable row level security;
create policy dataset_audit_of_run on dataset_audit using ((select sees_all()) or dataset_id in (select dataset_id from run));

create view dataset_audits with (security_barrier) as
  select w.name as sweep, d.name as dataset, d.hash as dataset_hash, a.made_at, (a.audit ->> 'rows')::bigint as rows,
         (a.audit ->> 'patients')::bigint as patients, a.audit, w.owner
    from visible_sweep w join (select distinct sweep_id, dataset_id from run) r using (sweep_id)
    join dataset_audit a using (dataset_id) join dataset d using (dataset_id);
comment on view dataset_audits is 'What is missing from the datasets of a sweep and how the label goes with it, as data audit prints it.';
comment on column dataset_audits.sweep is 'name of the sweep, unique within its owner';
comment on column dataset_audits.dataset is 'name of the dataset';
comment on column dataset_audits.dataset_hash is 'hash of the content of the dataset';
comment on column dataset_audits.made_at is 'when the audit was made';
comment on column dataset_audits.rows is 'rows of the dataset';
comment on column dataset_audits.patients is 'patients of the dataset';
comment on column dataset_audits.audit is 'the audit as JSON: modalities, patterns and, under missingness, what goes with them (propensity, positivity, balance, odds ratios, sensitivity)';
comment on column dataset_audits.owner is 'login that the sweep belongs to';

-- +goose Down
drop view dataset_audits;
drop table dataset_audit;
