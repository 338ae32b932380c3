package dataset

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
)

// selectRows drops incomplete rows and puts the others in an order that says
// nothing of label, time or site: by a hash of their identifier.
func (l *loader) selectRows() error {
	l.rows = make([]int, l.tables[0].Rows)
	for row := range l.rows {
		l.rows[row] = row
	}
	for _, name := range l.manifest.Rows.DropEmpty {
		c, err := l.column("rows.drop_empty", name)
		if err != nil {
			return err
		}
		before := len(l.rows)
		l.rows = slices.DeleteFunc(l.rows, c.Missing)
		if dropped := before - len(l.rows); dropped > 0 {
			l.dropped = append(l.dropped, Dropped{Reason: "rows without " + name, Count: dropped})
		}
	}
	if len(l.rows) == 0 {
		return l.manifest.Errorf("table[0]", "no row is left of %d", l.tables[0].Rows)
	}
	if len(l.rows) > math.MaxInt32 {
		return l.manifest.Errorf("table[0]", "%d rows are too many", len(l.rows))
	}
	id, err := l.column("rows.id", l.manifest.Rows.ID)
	if err != nil {
		return err
	}
	order, seen := make(map[int]string, len(l.rows)), make(map[string]int, len(l.rows))
	for _, row := range l.rows {
		text := id.Text(row)
		if text == "" {
			return l.manifest.Errorf("rows.id", "%w", l.lineErrorf(row, "the row has no identifier; list %q under rows.drop_empty to drop such rows", l.manifest.Rows.ID))
		}
		if first, twice := seen[text]; twice {
			return l.manifest.Errorf("rows.id", "%w", l.lineErrorf(row, "the identifier is on %s already; if a patient has several rows, name a column that tells them apart here and the patient under rows.patient", l.where(first)))
		}
		seen[text] = row
		sum := sha256.Sum256([]byte(l.manifest.Name + "|order|" + text))
		order[row] = string(sum[:])
	}
	slices.SortFunc(l.rows, func(a, b int) int { return cmp.Compare(order[a], order[b]) })
	return nil
}

func (l *loader) where(row int) string { return l.tables[0].Columns[0].Where(row) }

func (l *loader) lineErrorf(row int, format string, args ...any) error {
	return fmt.Errorf("%s: %w", l.where(row), fmt.Errorf(format, args...))
}

// identify sets identifiers, patients, time and covariates.
func (l *loader) identify() error {
	r := l.manifest.Rows
	id, err := l.column("rows.id", r.ID)
	if err != nil {
		return err
	}
	patient, err := l.column("rows.patient", r.Patient)
	if err != nil {
		return err
	}
	index := map[string]int32{}
	for _, row := range l.rows {
		name := patient.Text(row)
		if name == "" {
			return l.manifest.Errorf("rows.patient", "%w", l.lineErrorf(row, "the row has no patient; list %q under rows.drop_empty to drop such rows", r.Patient))
		}
		p, known := index[name]
		if !known {
			p = int32(len(l.src.patients))
			index[name] = p
			l.src.patients = append(l.src.patients, name)
		}
		l.src.ids = append(l.src.ids, id.Text(row))
		l.src.patient = append(l.src.patient, p)
	}
	if r.Time != "" {
		c, err := l.column("rows.time", r.Time)
		if err != nil {
			return err
		}
		for _, row := range l.rows {
			if c.Missing(row) {
				return l.manifest.Errorf("rows.time", "%w", l.lineErrorf(row, "the row has no time; list %q under rows.drop_empty to drop such rows", r.Time))
			}
			t, err := c.Column.Time(c.at(row))
			if err != nil {
				return err
			}
			l.src.time = append(l.src.time, t)
		}
	}
	l.src.covariate, l.src.covariates, err = l.covariates(l.rows)
	return err
}

func (l *loader) groupRows() error {
	if name := l.manifest.Rows.Environment; name != "" {
		c, err := l.column("rows.environment", name)
		if err != nil {
			return err
		}
		g := grouped("environment", c, l.rows)
		if len(g.Levels) > maxLevels {
			return l.manifest.Errorf("rows.environment", "column %q has %d levels; an environment is a site, a period or a cohort", name, len(g.Levels))
		}
		l.src.environment = &g
	}
	for i, spec := range l.manifest.Groups {
		g, err := l.group(fmt.Sprintf("group[%d]", i), spec, l.rows)
		if err != nil {
			return err
		}
		l.src.groups = append(l.src.groups, g)
	}
	return nil
}
