package tracker

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// datasetID answers the number of the dataset with this content hash. The first
// name that a content was stored under stays.
func datasetID(ctx context.Context, db querier, name, hash string) (int32, error) {
	if _, err := db.Exec(ctx, `insert into dataset (name, hash) values ($1, $2) on conflict do nothing`, name, hash); err != nil {
		return 0, err
	}
	var id int32
	err := db.QueryRow(ctx, `select dataset_id from dataset where hash = $1`, hash).Scan(&id)
	return id, err
}

// UnitGroup is the level of one subgroup column for one unit (row) of a dataset.
type UnitGroup struct {
	Unit  int64 // keyed hash, as in Prediction
	Group string
	Level string
}

// DatasetInfo is what the views need to know about a dataset beside its name.
type DatasetInfo struct {
	Name     string
	Hash     string
	Task     string            // binary, multiclass or multilabel
	Classes  int               // of a multiclass or multilabel task
	Patterns map[uint64]string // availability -> text, for example base+lipid
	Groups   []UnitGroup
	// Key tells the installation key of the unit hashes apart from others; "" is
	// not checked.
	Key string
}

// DescribeDataset stores the task, names of patterns and subgroup levels. It adds what is
// not there and leaves the rest alone, so any worker may call it at any time. It
// answers ErrOtherKey, and stores nothing, if the dataset has been described with
// unit hashes of another key.
func (s *Store) DescribeDataset(ctx context.Context, info DatasetInfo) error {
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		id, err := datasetID(ctx, tx, info.Name, info.Hash)
		if err != nil {
			return err
		}
		if err := holdUnitKey(ctx, tx, id, info.Key); err != nil {
			return err
		}
		const addTask = `update dataset set task = $2, classes = $3 where dataset_id = $1 and task is null`
		if _, err := tx.Exec(ctx, addTask, id, info.Task, info.Classes); err != nil {
			return err
		}
		var patterns []int64
		var names []string
		for p, name := range info.Patterns {
			patterns, names = append(patterns, int64(p)), append(names, name)
		}
		const addPatterns = `insert into pattern_name (dataset_id, pattern, name)
			select $1, p, n from unnest($2::bigint[], $3::text[]) u(p, n) order by p on conflict do nothing`
		if _, err := tx.Exec(ctx, addPatterns, id, patterns, names); err != nil {
			return err
		}
		units := make([]int64, len(info.Groups))
		groups, levels := make([]string, len(info.Groups)), make([]string, len(info.Groups))
		for i, g := range info.Groups {
			units[i], groups[i], levels[i] = g.Unit, g.Group, g.Level
		}
		const addGroups = `insert into unit_group (dataset_id, unit_hash, grp, lvl)
			select $1, u, g, l from unnest($2::bigint[], $3::text[], $4::text[]) x(u, g, l) order by u, g on conflict do nothing`
		_, err = tx.Exec(ctx, addGroups, id, units, groups, levels)
		return err
	})
	if err != nil {
		return fmt.Errorf("describe dataset %q: %w", info.Name, err)
	}
	return nil
}

// UnitKey reads which key made the unit hashes of a dataset; "" if none is recorded.
func (r Reader) UnitKey(ctx context.Context, hash string) (string, error) {
	var key *string
	err := r.db.QueryRow(ctx, `select unit_key from dataset where hash = $1`, hash).Scan(&key)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read the key of dataset %.12s: %w", hash, err)
	}
	if key == nil {
		return "", nil
	}
	return *key, nil
}

// HoldUnitKey decides the key of a dataset's unit hashes, or answers ErrOtherKey
// if another one is recorded: predictions of both could not be compared.
func (s *Store) HoldUnitKey(ctx context.Context, name, hash, key string) error {
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		id, err := datasetID(ctx, tx, name, hash)
		if err != nil {
			return err
		}
		return holdUnitKey(ctx, tx, id, key)
	})
	if err != nil {
		return fmt.Errorf("record the key of dataset %q: %w", name, err)
	}
	return nil
}

func holdUnitKey(ctx context.Context, tx pgx.Tx, id int32, key string) error {
	if key == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, `update dataset set unit_key = $2 where dataset_id = $1 and unit_key is null`, id, key); err != nil {
		return err
	}
	var held string
	if err := tx.QueryRow(ctx, `select unit_key from dataset where dataset_id = $1`, id).Scan(&held); err != nil {
		return err
	}
	if held != key {
		return ErrOtherKey
	}
	return nil
}

// Dataset reads what DescribeDataset stored of the dataset with a content hash.
// It answers ErrNotFound for one that has not been described.
func (r Reader) Dataset(ctx context.Context, hash string) (DatasetInfo, error) {
	info := DatasetInfo{Hash: hash, Patterns: map[uint64]string{}}
	fail := func(err error) (DatasetInfo, error) {
		return DatasetInfo{}, fmt.Errorf("read dataset %.12s: %w", hash, notFound(err))
	}
	var id int32
	const dataset = `select dataset_id, name, task, classes from dataset where hash = $1 and task is not null`
	if err := r.db.QueryRow(ctx, dataset, hash).Scan(&id, &info.Name, &info.Task, &info.Classes); err != nil {
		return fail(err)
	}
	rows, err := r.db.Query(ctx, `select pattern, name from pattern_name where dataset_id = $1`, id)
	if err != nil {
		return fail(err)
	}
	var pattern int64
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&pattern, &name}, func() error {
		info.Patterns[uint64(pattern)] = name
		return nil
	}); err != nil {
		return fail(err)
	}
	if rows, err = r.db.Query(ctx, `select unit_hash, grp, lvl from unit_group where dataset_id = $1 order by 1, 2`, id); err != nil {
		return fail(err)
	}
	var g UnitGroup
	if _, err := pgx.ForEachRow(rows, []any{&g.Unit, &g.Group, &g.Level}, func() error {
		info.Groups = append(info.Groups, g)
		return nil
	}); err != nil {
		return fail(err)
	}
	return info, nil
}

// notFound turns "no rows" into ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
