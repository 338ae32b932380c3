package nn

import "fmt"

func shape(v *Var) string { return fmt.Sprintf("[%d, %d]", v.Rows, v.Cols) }

func checkData(name string, rows, cols int, data []float32) {
	if rows < 0 || cols < 0 || len(data) != rows*cols {
		panic(fmt.Sprintf("nn: %s: %d values for [%d, %d]", name, len(data), rows, cols))
	}
}

// checkSame wants two matrices of one shape.
func checkSame(name string, a, b *Var) {
	if a.Rows != b.Rows || a.Cols != b.Cols {
		panic(fmt.Sprintf("nn: %s: shapes %s and %s differ", name, shape(a), shape(b)))
	}
}

// checkShape wants v to be [rows, cols].
func checkShape(name, what string, v *Var, rows, cols int) {
	if v.Rows != rows || v.Cols != cols {
		panic(fmt.Sprintf("nn: %s: %s is %s, want [%d, %d]", name, what, shape(v), rows, cols))
	}
}

// checkLength wants a list of n elements.
func checkLength(name, what string, got, n int) {
	if got != n {
		panic(fmt.Sprintf("nn: %s: %d %s, want %d", name, got, what, n))
	}
}

// checkRow wants a row index in [0, n).
func checkRow(name string, row int32, n int) {
	if row < 0 || int(row) >= n {
		panic(fmt.Sprintf("nn: %s: row %d of %d", name, row, n))
	}
}

// checkClasses wants a class of every row of logits.
func checkClasses(name string, logits *Var, class []int32) {
	checkLength(name, "classes", len(class), logits.Rows)
	for i, c := range class {
		if c < 0 || int(c) >= logits.Cols {
			panic(fmt.Sprintf("nn: %s: row %d has class %d of %d", name, i, c, logits.Cols))
		}
	}
}
