package nn

// Tokens says where tokens that are stacked one below the other, only those that
// exist, belong in a matrix with room for every token of every row of a batch:
// attention and softmax over tokens need that matrix, everything else works on the
// stack. It keeps its memory from one Reset to the next.
type Tokens struct {
	PerRow int
	// Rows and Place are of every stacked token: its row of the batch, and
	// row·PerRow + token.
	Rows, Place []int32
	// Seen is of every place: whether there is a token.
	Seen []bool
}

// Reset forgets all tokens.
func (k *Tokens) Reset(rows, perRow int) {
	k.PerRow, k.Rows, k.Place = perRow, k.Rows[:0], k.Place[:0]
	if n := rows * perRow; cap(k.Seen) < n {
		k.Seen = make([]bool, n)
	} else {
		k.Seen = k.Seen[:n]
		clear(k.Seen)
	}
}

// Add says what the next rows of the stack are: token k of the given rows of the
// batch.
func (k *Tokens) Add(token int, rows []int32) {
	for _, row := range rows {
		at := row*int32(k.PerRow) + int32(token)
		k.Rows, k.Place = append(k.Rows, row), append(k.Place, at)
		k.Seen[at] = true
	}
}

// AddRuns says that the next rows of the stack are, row by row, the n tokens from
// first on of the given rows of the batch.
func (k *Tokens) AddRuns(first, n int, rows []int32) {
	for _, row := range rows {
		for token := first; token < first+n; token++ {
			at := row*int32(k.PerRow) + int32(token)
			k.Rows, k.Place = append(k.Rows, row), append(k.Place, at)
			k.Seen[at] = true
		}
	}
}

// Spread puts the rows of a stack in their places, [rows·PerRow, cols], zero
// elsewhere.
func (k *Tokens) Spread(t *Tape, x *Var) *Var { return t.Scatter(x, k.Place, len(k.Seen)) }

// stacked is of every place: the row of the stack that belongs there, or -1.
func (k *Tokens) stacked(t *Tape) []int32 {
	rows := t.int32s.alloc(len(k.Seen))
	for i := range rows {
		rows[i] = -1
	}
	for i, at := range k.Place {
		rows[at] = int32(i)
	}
	return rows
}

// Sum adds up the tokens of every row, [rows, cols].
func (k *Tokens) Sum(t *Tape, x *Var) *Var { return t.Scatter(x, k.Rows, len(k.Seen)/k.PerRow) }

// Softmax is the softmax of scores [tokens, 1] over the tokens of each row, [rows,
// PerRow], 0 where there is none.
func (k *Tokens) Softmax(t *Tape, scores *Var) *Var {
	mask, none := t.Scratch(len(k.Seen)), t.Scratch(len(k.Seen))
	for i, seen := range k.Seen {
		if seen {
			mask[i] = 1
		} else {
			none[i] = -1e9
		}
	}
	rows := len(k.Seen) / k.PerRow
	spread := t.Add(t.Reshape(k.Spread(t, scores), rows, k.PerRow), t.Const(rows, k.PerRow, none))
	// A row without tokens has no weights, either.
	return t.Mul(t.Softmax(spread), t.Const(rows, k.PerRow, mask))
}

// Weigh multiplies every token by its weight, given [rows, PerRow].
func (k *Tokens) Weigh(t *Tape, x, weights *Var) *Var {
	return t.MulRows(x, t.Gather(t.Reshape(weights, len(k.Seen), 1), k.Place))
}
