package nn

import "math/rand/v2"

// Embedding takes row id of the table [n, d] for every id, [len(ids), d]; a
// negative id gives zeros. The list is not copied.
func (t *Tape) Embedding(table *Var, ids []int32) *Var {
	for _, id := range ids {
		if id >= 0 {
			checkRow("embedding", id, table.Rows)
		}
	}
	out := t.op(len(ids), table.Cols, record{a: table, rows: ids, run: func(t *Tape, r *record) {
		out, table, ids := r.out, r.a, r.rows
		for i, id := range ids {
			if id >= 0 {
				addTo(table.gradRow(int(id)), out.gradRow(i))
			}
		}
	}})
	for i, id := range ids {
		if id >= 0 {
			copy(out.row(i), table.row(int(id)))
		} else {
			clear(out.row(i))
		}
	}
	return out
}

// Embedding is a layer with a table [n, width].
type Embedding struct {
	Table *Param
}

// NewEmbedding makes the parameter name.table, normal with standard deviation
// 0.02.
func NewEmbedding(ps *Params, name string, n, width int, r *rand.Rand) *Embedding {
	return &Embedding{Table: ps.New(name+".table", n, width, Normal(r, 0.02))}
}

// Apply maps ids to [len(ids), width].
func (e *Embedding) Apply(t *Tape, ids []int32) *Var {
	return t.Embedding(t.Param(e.Table), ids)
}
