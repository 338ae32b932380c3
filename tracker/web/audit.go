package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// DatasetAudit is what data audit says of a dataset.
type DatasetAudit struct {
	Name, Title, Hash, Task string
	Rows, Patients          int
	MadeAt                  time.Time
	Dropped                 []string
	// Label, Information and Random are the sentences about pattern and label.
	Label, Information, Random string
	// Patterns are all of them, the most frequent first.
	Patterns []AuditPattern
	// Tables are those that the command prints, with its own digits.
	Tables []AuditTable
	Blocks []AuditBlock
	// Limits says what no audit can tell.
	Limits string
}

// AuditPattern is an availability pattern.
type AuditPattern struct {
	Name       string
	Rows       int
	Share      float64
	Prevalence float64
}

// AuditTable is a table as it is printed.
type AuditTable struct {
	Title string
	Head  []string
	Words int // so many columns on the left are text
	Rows  [][]string
	Note  string
}

// AuditBlock is about a modality that some rows have and others miss.
type AuditBlock struct {
	Name string
	// With and Without are the histograms of the propensity; nil where it is not known.
	With, Without []int
	Positivity    string
	Balance       []AuditContrast
	Words         []string
}

// AuditContrast is the standardised difference of a covariate; NaN where it does
// not vary.
type AuditContrast struct {
	Covariate     string
	Before, After float64
}

type auditPage struct {
	tracker.Sweep
	Dataset string
	Audit   *DatasetAudit // nil: none is stored
	Upset   *upset
	Charts  []*chart
	Dots    []*dotplot
	Others  []string // datasets of the sweep
}

// auditPage is the page of a dataset of a sweep.
func (s *Server) auditPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, err := number(r)
	if err != nil {
		return err
	}
	page := auditPage{Dataset: r.PathValue("dataset")}
	if page.Sweep, err = s.config.Store.SweepByID(ctx, id); err != nil {
		return err
	}
	sets, err := s.datasets(ctx, id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(sets, func(d sweepDataset) bool { return d.Name == page.Dataset })
	if i < 0 || s.config.Audit == nil {
		return notFound("there is no such dataset in this sweep")
	}
	for _, d := range sets {
		page.Others = append(page.Others, d.Name)
	}
	audit, ok, err := s.config.Audit(ctx, sets[i].Hash)
	if err != nil {
		return err
	}
	if ok {
		page.Audit = &audit
		page.draw(audit)
	}
	return s.render(w, r, "audit", "Dataset "+page.Dataset, page)
}

func (p *auditPage) draw(a DatasetAudit) {
	value := map[string]AuditPattern{}
	var levels []string
	for _, x := range a.Patterns {
		value[x.Name] = x
		levels = append(levels, x.Name)
	}
	slices.SortFunc(levels, func(x, y string) int { return cmp.Or(value[y].Rows-value[x].Rows, cmp.Compare(x, y)) })
	p.Upset = drawUpset(levels, func(level string) (float64, []string) {
		x := value[level]
		return float64(x.Rows), []string{shown.Decimal(x.Share), shown.Decimal(x.Prevalence)}
	})
	if p.Upset != nil {
		p.Upset.Head = []string{"Share", "Label"}
	}
	for i, b := range a.Blocks {
		if c := overlapChart(fmt.Sprintf("overlap%d", i), b.Name, b.With, b.Without); c != nil {
			c.Text = b.Positivity
			p.Charts = append(p.Charts, c)
		}
		if plot := balancePlot(b.Name, b.Balance); plot != nil {
			p.Dots = append(p.Dots, plot)
		}
	}
}
