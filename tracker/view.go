package tracker

import (
	"context"
	"fmt"
)

// View is a documented view.
type View struct {
	Name    string
	Text    string
	Columns []Column
}

// Column is a column of a view.
type Column struct {
	Name string
	Type string
	Text string // what it means
}

// Views lists the views that people may rely on, in the order in which they are
// best read.
func (r Reader) Views(ctx context.Context) ([]View, error) {
	const query = `select c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '')
		from unnest($1::text[]) with ordinality u(name, place)
		join pg_class c on c.relname = u.name and c.relnamespace = to_regnamespace($2)
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		order by u.place, a.attnum`
	rows, err := r.db.Query(ctx, query, analystViews, Schema)
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	defer rows.Close()
	var out []View
	for rows.Next() {
		var v View
		var c Column
		if err := rows.Scan(&v.Name, &v.Text, &c.Name, &c.Type, &c.Text); err != nil {
			return nil, fmt.Errorf("list views: %w", err)
		}
		if len(out) == 0 || out[len(out)-1].Name != v.Name {
			out = append(out, v)
		}
		last := &out[len(out)-1]
		last.Columns = append(last.Columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	return out, nil
}
