package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/deconfound/deconfound/sweeps"
)

// progress shows how far a sweep has come: a bar on a terminal, otherwise one
// line whenever a run ends.
type progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil where there is no terminal
	ended int

	waiting string // as it was last shown
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, ended: -1}
	if terminal(w) {
		p.bar = progressbar.NewOptions(1,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription("training"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionFullWidth(),
			progressbar.OptionSetItsString("epochs"),
		)
	}
	return p
}

func (p *progress) update(s sweeps.Status) {
	if text := strings.Join(s.Waiting, "; "); text != p.waiting {
		if p.waiting = text; text != "" {
			fmt.Fprintf(p.w, "%s is waiting: %s\n", s.Name, text)
		}
	}
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d/%d runs", s.Ended(), s.Expected))
		p.bar.ChangeMax(max(s.EpochsPlanned, 1))
		_ = p.bar.Set(s.Epochs)
		return
	}
	if s.Ended() == p.ended {
		return
	}
	p.ended = s.Ended()
	fmt.Fprintf(p.w, "%s: %d of %d runs ended", s.Name, s.Ended(), s.Expected)
	if s.Failed > 0 {
		fmt.Fprintf(p.w, " (%d failed)", s.Failed)
	}
	for i, run := range s.Active {
		if i == 0 {
			fmt.Fprint(p.w, "; training ")
		} else {
			fmt.Fprint(p.w, ", ")
		}
		fmt.Fprintf(p.w, "%s/%s %s %d", run.Cell.Backbone, run.Cell.Variant, run.Phase, run.Seed)
	}
	fmt.Fprintln(p.w)
}

func (p *progress) finish(s sweeps.Status) {
	if p.bar != nil {
		p.update(s)
		_ = p.bar.Exit()
		fmt.Fprintln(p.w)
	}
}
