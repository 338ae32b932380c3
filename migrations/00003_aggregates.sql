-- +goose Up
-- Aggregates of a score against a label. A label counts as positive above 0.5
-- or when true. Rows with a null score, label or weight are skipped. auroc and
-- auprc are null unless both classes occur, and NaN if a score is NaN.
--
-- Types: the arguments are float8, or float8 with a boolean label; PostgreSQL
-- casts real, numeric and the integers by itself. The optional third argument
-- weights the rows.

-- +goose StatementBegin
-- collect is the transition function of the aggregates that need all rows. A
-- state that a function of plpgsql changes is copied for every row, so it must
-- stay small: it is a text of at most some 4 kB, which is moved into settings
-- local to the transaction when it is full. Each row costs the same, however
-- many there are. (array_append, which avoids the copy, takes one value a row.)
--
-- The state is BLOCK|numbers; a full block setting is PREVIOUS|numbers. An empty
-- number of a block ends the chain.
create function collect(state text, score float8, label float8) returns text
language plpgsql strict volatile parallel unsafe as $$
begin
  if octet_length(state) > 4000 then
    state := deconfound.collect_flush(state);
  end if;
  if label > 0.5 then
    return state || score::text || ',1,';
  end if;
  return state || score::text || ',0,';
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function collect(state text, score float8, label boolean) returns text
language plpgsql strict volatile parallel unsafe as $$
begin
  if octet_length(state) > 4000 then
    state := deconfound.collect_flush(state);
  end if;
  if label then
    return state || score::text || ',1,';
  end if;
  return state || score::text || ',0,';
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function collect(state text, score float8, label float8, weight float8) returns text
language plpgsql strict volatile parallel unsafe as $$
begin
  if octet_length(state) > 4000 then
    state := deconfound.collect_flush(state);
  end if;
  if label > 0.5 then
    return state || score::text || ',' || weight::text || ',';
  end if;
  -- a negative row has a negative weight, -0 if it has none
  return state || score::text || ',' || (-weight)::text || ',';
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function collect(state text, score float8, label boolean, weight float8) returns text
language plpgsql strict volatile parallel unsafe as $$
begin
  return deconfound.collect(state, score, case when label then 1.0 else 0.0 end::float8, weight);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function collect_flush(state text) returns text
language plpgsql strict volatile parallel unsafe as $$
declare
  block text := split_part(state, '|', 1);
  content text;
begin
  if block <> '' then
    content := current_setting('deconfound_aggregate.b' || block);
  end if;
  if block = '' or octet_length(content) > 200000 then
    content := block || '|';
    block := (coalesce(nullif(current_setting('deconfound_aggregate.n', true), ''), '0')::bigint + 1)::text;
    perform set_config('deconfound_aggregate.n', block, true);
  end if;
  perform set_config('deconfound_aggregate.b' || block, content || split_part(state, '|', 2), true);
  return block || '|';
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function collected(state text) returns float8[]
language plpgsql strict volatile parallel unsafe as $$
declare
  block text := split_part(state, '|', 1);
  content text;
  parts text[] := array[split_part(state, '|', 2)];
begin
  while block <> '' loop
    content := current_setting('deconfound_aggregate.b' || block);
    parts := parts || split_part(content, '|', 2);
    block := split_part(content, '|', 1);
  end loop;
  return ('{' || rtrim(array_to_string(parts, ''), ',') || '}')::float8[];
end $$;
-- +goose StatementEnd

-- In the final functions the array is a variable of plpgsql and not a column:
-- a column would travel, whole, with every row through the sort.

-- +goose StatementBegin
-- Area under the ROC curve: the share of (positive, negative) pairs that are in
-- order, a tie counting one half (Mann and Whitney 1947).
create function auroc_final(state text) returns float8
language plpgsql strict volatile parallel unsafe as $$
declare
  a float8[] := deconfound.collected(state);
begin
  return (
    with r as (
      select a[2 * i - 1] as score, (a[2 * i] > 0)::int as p, (a[2 * i] <= 0)::int as n from generate_series(1, cardinality(a) / 2) i),
    c as (
      select score, p, n, sum(n) over (w range unbounded preceding) - sum(n) over (w range current row) / 2.0::float8 as below
        from r window w as (order by score))
    select case when bool_or(score = 'NaN') then 'NaN' else sum(p * below)::float8 / nullif(sum(p)::float8 * sum(n), 0) end from c);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function auroc_weighted_final(state text) returns float8
language plpgsql strict volatile parallel unsafe as $$
declare
  a float8[] := deconfound.collected(state);
begin
  return (
    with r as (
      select a[2 * i - 1] as score, greatest(a[2 * i], 0) as p, greatest(-a[2 * i], 0) as n from generate_series(1, cardinality(a) / 2) i where a[2 * i] <> 0),
    c as (
      select score, p, n, sum(n) over (w range unbounded preceding) - sum(n) over (w range current row) / 2.0::float8 as below
        from r window w as (order by score))
    select case when bool_or(score = 'NaN') then 'NaN' else sum(p * below)::float8 / nullif(sum(p)::float8 * sum(n), 0) end from c);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
-- Average precision: the mean over the positive rows of the precision among all
-- rows that score at least as high. It equals the sum over the distinct
-- thresholds of the gain in recall times the precision; no interpolation.
create function auprc_final(state text) returns float8
language plpgsql strict volatile parallel unsafe as $$
declare
  a float8[] := deconfound.collected(state);
begin
  return (
    with r as (
      select a[2 * i - 1] as score, (a[2 * i] > 0)::int as p, (a[2 * i] <= 0)::int as n from generate_series(1, cardinality(a) / 2) i),
    c as (
      select score, p, n, sum(p) over w as hits, sum(p + n) over w as called from r window w as (order by score desc range unbounded preceding))
    select case when bool_or(score = 'NaN') then 'NaN' when sum(n) > 0 then sum(p * (hits::float8 / called)) / nullif(sum(p), 0) end from c);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function auprc_weighted_final(state text) returns float8
language plpgsql strict volatile parallel unsafe as $$
declare
  a float8[] := deconfound.collected(state);
begin
  return (
    with r as (
      select a[2 * i - 1] as score, greatest(a[2 * i], 0) as p, greatest(-a[2 * i], 0) as n from generate_series(1, cardinality(a) / 2) i where a[2 * i] <> 0),
    c as (
      select score, p, n, sum(p) over w as hits, sum(p + n) over w as called from r window w as (order by score desc range unbounded preceding))
    select case when bool_or(score = 'NaN') then 'NaN' when sum(n) > 0 then sum(p * (hits::float8 / called)) / nullif(sum(p), 0) end from c);
end $$;
-- +goose StatementEnd

create aggregate auroc(score float8, label float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auroc_final);
create aggregate auroc(score float8, label boolean) (sfunc = collect, stype = text, initcond = '|', finalfunc = auroc_final);
create aggregate auroc(score float8, label float8, weight float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auroc_weighted_final);
create aggregate auroc(score float8, label boolean, weight float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auroc_weighted_final);
create aggregate auprc(score float8, label float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auprc_final);
create aggregate auprc(score float8, label boolean) (sfunc = collect, stype = text, initcond = '|', finalfunc = auprc_final);
create aggregate auprc(score float8, label float8, weight float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auprc_weighted_final);
create aggregate auprc(score float8, label boolean, weight float8) (sfunc = collect, stype = text, initcond = '|', finalfunc = auprc_weighted_final);
comment on aggregate auroc(float8, float8) is 'Area under the ROC curve; ties count one half; null unless both classes occur.';
comment on aggregate auroc(float8, boolean) is 'Like auroc(score, label), with a boolean label.';
comment on aggregate auroc(float8, float8, float8) is 'Like auroc(score, label), with a weight for each row.';
comment on aggregate auroc(float8, boolean, float8) is 'Like auroc(score, label), with a boolean label and a weight for each row.';
comment on aggregate auprc(float8, float8) is 'Average precision without interpolation; null unless both classes occur.';
comment on aggregate auprc(float8, boolean) is 'Like auprc(score, label), with a boolean label.';
comment on aggregate auprc(float8, float8, float8) is 'Like auprc(score, label), with a weight for each row.';
comment on aggregate auprc(float8, boolean, float8) is 'Like auprc(score, label), with a boolean label and a weight for each row.';

-- The proper scores need sums only: state = {weighted sum, weight}.
-- +goose StatementBegin
create function brier_next(state float8[], score float8, label float8, weight float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return array[state[1] + weight * (score - label) * (score - label), state[2] + weight];
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function brier_next(state float8[], score float8, label float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return array[state[1] + (score - label) * (score - label), state[2] + 1];
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function brier_next(state float8[], score float8, label boolean) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return array[state[1] + (score - label::int) * (score - label::int), state[2] + 1];
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
-- Scores are kept 1e-15 away from 0 and 1, so that one confident mistake does
-- not make the whole mean infinite.
create function log_loss_next(state float8[], score float8, label float8, weight float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
declare
  s float8 := least(greatest(score, 1e-15), 1 - 1e-15);
begin
  return array[state[1] - weight * (label * ln(s) + (1 - label) * ln(1 - s)), state[2] + weight];
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function log_loss_next(state float8[], score float8, label float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return deconfound.log_loss_next(state, score, label, 1);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function log_loss_next(state float8[], score float8, label boolean) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return deconfound.log_loss_next(state, score, label::int, 1);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function mean_final(state float8[]) returns float8
language sql strict immutable parallel safe as $$
  select state[1] / nullif(state[2], 0)
$$;
-- +goose StatementEnd
create aggregate brier(score float8, label float8) (sfunc = brier_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
create aggregate brier(score float8, label boolean) (sfunc = brier_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
create aggregate brier(score float8, label float8, weight float8) (sfunc = brier_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
create aggregate log_loss(score float8, label float8) (sfunc = log_loss_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
create aggregate log_loss(score float8, label boolean) (sfunc = log_loss_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
create aggregate log_loss(score float8, label float8, weight float8) (sfunc = log_loss_next, stype = float8[], initcond = '{0,0}', finalfunc = mean_final, parallel = safe);
comment on aggregate brier(float8, float8) is 'Mean squared difference of score and label.';
comment on aggregate brier(float8, boolean) is 'Like brier(score, label), with a boolean label.';
comment on aggregate brier(float8, float8, float8) is 'Like brier(score, label), with a weight for each row.';
comment on aggregate log_loss(float8, float8) is 'Mean negative log likelihood; scores are kept 1e-15 away from 0 and 1.';
comment on aggregate log_loss(float8, boolean) is 'Like log_loss(score, label), with a boolean label.';
comment on aggregate log_loss(float8, float8, float8) is 'Like log_loss(score, label), with a weight for each row.';

-- Expected calibration error (Naeini et al., AAAI 2015) over 15 bins of equal
-- width, [0, 1/15), ..., [14/15, 1]. The state holds for each bin the weighted
-- sum of score - label, and after that the total weight.
-- +goose StatementBegin
create function ece_next(state float8[], score float8, label float8, weight float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
declare
  bin int;
begin
  if score = 'NaN' then
    state[16] := 'NaN';
    return state;
  end if;
  bin := least(greatest(floor(score * 15), 0), 14) + 1;
  state[bin] := state[bin] + weight * (score - label);
  state[16] := state[16] + weight;
  return state;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function ece_next(state float8[], score float8, label float8) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return deconfound.ece_next(state, score, label, 1);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function ece_next(state float8[], score float8, label boolean) returns float8[]
language plpgsql strict immutable parallel safe as $$
begin
  return deconfound.ece_next(state, score, label::int, 1);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function ece_final(state float8[]) returns float8
language sql strict immutable parallel safe as $$
  select sum(abs(gap)) / nullif(state[16], 0) from unnest(state[1:15]) gap
$$;
-- +goose StatementEnd
create aggregate ece(score float8, label float8) (sfunc = ece_next, stype = float8[], initcond = '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', finalfunc = ece_final, parallel = safe);
create aggregate ece(score float8, label boolean) (sfunc = ece_next, stype = float8[], initcond = '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', finalfunc = ece_final, parallel = safe);
create aggregate ece(score float8, label float8, weight float8) (sfunc = ece_next, stype = float8[], initcond = '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', finalfunc = ece_final, parallel = safe);
comment on aggregate ece(float8, float8) is 'Expected calibration error over 15 bins of equal width.';
comment on aggregate ece(float8, boolean) is 'Like ece(score, label), with a boolean label.';
comment on aggregate ece(float8, float8, float8) is 'Like ece(score, label), with a weight for each row.';

-- +goose StatementBegin
-- Quantile 0.975 of Student's t: a table to 30 degrees of freedom, beyond it the
-- expansion of Abramowitz and Stegun 26.7.5, which is exact to 1e-7 there.
create function t_975(df bigint) returns float8
language sql strict immutable parallel safe as $$
  select case when df < 1 then null
    when df <= 30 then (array[12.706204736174694, 4.302652729749462, 3.182446305283709, 2.776445105197793, 2.570581835636315,
      2.446911851144969, 2.364624251592784, 2.306004135204166, 2.262157162798205, 2.2281388519862735, 2.200985160091639,
      2.178812829667228, 2.160368656462792, 2.1447866879178035, 2.131449545559774, 2.119905299221255, 2.109815577833317,
      2.100922040241039, 2.0930240544083087, 2.0859634472658626, 2.0796138447276835, 2.073873067904022, 2.068657610419048,
      2.0638985616280254, 2.0595385527532972, 2.0555294386428713, 2.051830516480284, 2.048407141795245, 2.0452296421327034,
      2.042272456301238]::float8[])[df]
    else (select z + (z^3 + z) / (4 * n) + (5 * z^5 + 16 * z^3 + 3 * z) / (96 * n^2)
        + (3 * z^7 + 19 * z^5 + 17 * z^3 - 15 * z) / (384 * n^3)
        + (79 * z^9 + 776 * z^7 + 1482 * z^5 - 1920 * z^3 - 945 * z) / (92160 * n^4)
      from (select 1.959963984540054::float8 as z, df::float8 as n) q) end
$$;
-- +goose StatementEnd

-- +goose Down
drop aggregate auroc(float8, float8), auroc(float8, boolean), auroc(float8, float8, float8), auroc(float8, boolean, float8),
  auprc(float8, float8), auprc(float8, boolean), auprc(float8, float8, float8), auprc(float8, boolean, float8),
  brier(float8, float8), brier(float8, boolean), brier(float8, float8, float8),
  log_loss(float8, float8), log_loss(float8, boolean), log_loss(float8, float8, float8),
  ece(float8, float8), ece(float8, boolean), ece(float8, float8, float8);
drop function t_975, ece_final, mean_final, auroc_final, auroc_weighted_final, auprc_final, auprc_weighted_final, collected, collect_flush,
  collect(text, float8, float8), collect(text, float8, boolean), collect(text, float8, float8, float8), collect(text, float8, boolean, float8),
  brier_next(float8[], float8, float8), brier_next(float8[], float8, boolean), brier_next(float8[], float8, float8, float8),
  log_loss_next(float8[], float8, float8), log_loss_next(float8[], float8, boolean), log_loss_next(float8[], float8, float8, float8),
  ece_next(float8[], float8, float8), ece_next(float8[], float8, boolean), ece_next(float8[], float8, float8, float8);
