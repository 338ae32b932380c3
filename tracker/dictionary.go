package tracker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// dictionary gives out the numbers of metrics, keysets and test sets. It writes
// through a connection of its own and commits at once: a number that it has
// handed out stays valid when the caller's transaction is rolled back, and two
// transactions never wait for each other's new names.
type dictionary struct {
	pool *pgxpool.Pool

	mu       sync.Mutex
	metrics  map[Metric]int32
	keysets  map[string]int32 // key: the ids, printed
	testSets map[string]int16
}

func newDictionary(pool *pgxpool.Pool) *dictionary {
	return &dictionary{pool: pool, metrics: map[Metric]int32{}, keysets: map[string]int32{}, testSets: map[string]int16{}}
}

// metricIDs answers the number of each metric, making those that are new.
func (d *dictionary) metricIDs(ctx context.Context, metrics []Metric) (map[Metric]int32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make(map[Metric]int32, len(metrics))
	missing := map[Metric]bool{}
	for _, m := range metrics {
		if m.Name == "" {
			return nil, fmt.Errorf("record metric: a metric of split %q has no name", m.Split)
		}
		if id, ok := d.metrics[m]; ok {
			ids[m] = id
		} else {
			missing[m] = true
		}
	}
	if len(missing) == 0 {
		return ids, nil
	}
	sorted := slices.SortedFunc(maps.Keys(missing), Metric.compare)
	var names, splits, groups, levels []string
	var goals []*string
	for _, m := range sorted {
		names, splits = append(names, m.Name), append(splits, m.Split)
		groups, levels = append(groups, m.Group), append(levels, m.Level)
		goals = append(goals, goalOf(m.Name))
	}
	const insert = `insert into metric (name, split, grp, lvl, goal)
		select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) on conflict do nothing`
	if _, err := d.pool.Exec(ctx, insert, names, splits, groups, levels, goals); err != nil {
		return nil, fmt.Errorf("record metric: %w", err)
	}
	const read = `select m.metric_id, m.name, m.split, m.grp, m.lvl from metric m
		join unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(name, split, grp, lvl) using (name, split, grp, lvl)`
	rows, err := d.pool.Query(ctx, read, names, splits, groups, levels)
	if err != nil {
		return nil, fmt.Errorf("record metric: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int32
		var m Metric
		if err := rows.Scan(&id, &m.Name, &m.Split, &m.Group, &m.Level); err != nil {
			return nil, fmt.Errorf("record metric: %w", err)
		}
		d.metrics[m] = id
		ids[m] = id
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("record metric: %w", err)
	}
	return ids, nil
}

// keysetID answers the number of the set of metrics ids, which must ascend.
func (d *dictionary) keysetID(ctx context.Context, ids []int32) (int32, error) {
	key := fmt.Sprint(ids)
	d.mu.Lock()
	defer d.mu.Unlock()
	if id, ok := d.keysets[key]; ok {
		return id, nil
	}
	// The members are written in the statement that makes the set: one cannot
	// be seen without the other.
	const insert = `with k as (insert into keyset (metric_ids) values ($1) on conflict do nothing returning keyset_id)
		insert into keyset_member (metric_id, keyset_id, idx)
		select u.id, k.keyset_id, u.idx from k, unnest($1::int[]) with ordinality u(id, idx)`
	if _, err := d.pool.Exec(ctx, insert, ids); err != nil {
		return 0, fmt.Errorf("record keyset: %w", err)
	}
	var id int32
	if err := d.pool.QueryRow(ctx, `select keyset_id from keyset where metric_ids = $1`, ids).Scan(&id); err != nil {
		return 0, fmt.Errorf("record keyset: %w", err)
	}
	d.keysets[key] = id
	return id, nil
}

// testSetIDs answers the number of each test set.
func (d *dictionary) testSetIDs(ctx context.Context, names []string) (map[string]int16, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make(map[string]int16, len(names))
	for _, name := range names {
		id, ok := d.testSets[name]
		if !ok {
			if name == "" {
				return nil, fmt.Errorf("record test set: a prediction has no test set")
			}
			if _, err := d.pool.Exec(ctx, `insert into test_set (name) values ($1) on conflict do nothing`, name); err != nil {
				return nil, fmt.Errorf("record test set: %w", err)
			}
			if err := d.pool.QueryRow(ctx, `select test_set_id from test_set where name = $1`, name).Scan(&id); err != nil {
				return nil, fmt.Errorf("record test set: %w", err)
			}
			d.testSets[name] = id
		}
		ids[name] = id
	}
	return ids, nil
}
