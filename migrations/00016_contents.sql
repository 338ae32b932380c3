-- +goose Up
-- Contents may lie outside the database: blob says what there is, blob_part holds
-- it when the place is PostgreSQL itself.
create table content_place (
  single   boolean primary key default true check (single), -- one row
  url      text not null,                                    -- 'postgres', or a bucket: file:///..., s3://...
  prefix   text not null default 'deconfound/' || gen_random_uuid() || '/'
);
comment on table content_place is 'Where the contents of blob are kept, the same for all workers. The prefix keeps databases apart that share a bucket.';

create table blob_part (
  sha256 bytea not null,
  part   int not null,                                     -- from 0
  data   bytea not null,                                   -- zstd
  primary key (sha256, part)
);
comment on table blob_part is 'The contents themselves, where content_place is postgres: written before the row of blob is relied on, deleted with it.';
alter table blob_part alter column data set storage external;
insert into blob_part (sha256, part, data) select sha256, 0, data from blob;
insert into content_place (url) select 'postgres' where exists (select from blob);
alter table blob drop column data;
comment on column blob.touched_at is 'When the content was last stored or asked for; one that nothing names is deleted some time after.';

create table bundle (
  kind       text not null check (kind in ('plugin', 'store')),
  hash       text not null,                                -- what a run asks for: of the plugin''s files; of the dataset and its seed
  platform   text not null default '',                     -- GOOS/GOARCH that it was built for; '' any
  name       text not null,
  sha256     bytea not null references blob,               -- of the archive
  owner      text not null default session_user,
  created_at timestamptz not null default now(),
  primary key (kind, hash)
);
create index bundle_blob on bundle (sha256);
comment on table bundle is 'Plugins and feature stores that workers may fetch. Whoever may write here decides what code workers run; feature stores hold data of patients. The analyst sees neither.';

alter table dataset add column unit_key text;
comment on column dataset.unit_key is 'Which installation key made the unit hashes of its predictions; those of another key would not match them.';

-- +goose Down
alter table dataset drop column unit_key;
drop table bundle;
-- Contents in a bucket cannot be brought back by SQL.
delete from artifact where not exists (select from blob_part p where p.sha256 = artifact.sha256);
delete from blob where not exists (select from blob_part p where p.sha256 = blob.sha256);
alter table blob add column data bytea;
update blob b set data = (select string_agg(p.data, ''::bytea order by p.part) from blob_part p where p.sha256 = b.sha256);
alter table blob alter column data set not null;
alter table blob alter column data set storage external;
drop table blob_part, content_place;
