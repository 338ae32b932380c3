package plugintest

import (
	"github.com/deconfound/deconfound/sdk"
)

// checkShape checks shape and values of what Forward and Backward answer, for
// every task and several widths and batch sizes.
func (b *backbones) checkShape(p *probe) {
	for _, task := range b.tasks() {
		for _, width := range []int{1, hWidth, 9} {
			req := b.request(p)
			req.Task, req.Width = task, width
			for _, rows := range []int{1, 5, batchRows} {
				s := b.open(p, req) // after a panic a session takes no more calls
				train := b.train(b.mixed()[:rows], b.eval(b.mixed()[:rows]).Availability, 1, task)
				if !b.checkShapeOf(p, s, b.eval(b.mixed()[:rows]), width) || !b.checkShapeOf(p, s, train, width) {
					continue // no need for the errors that follow from this one
				}
				dh := sdk.NewTensor(rows, width)
				for i := range dh.Data {
					dh.Data[i] = 0.1
				}
				back, err := s.backward(dh)
				if err != nil {
					p.failf("Backward of %d rows, %s task, width %d: %s", rows, task.Kind, width, describe(err))
					continue
				}
				checkNumber(p, "the gradient norm", back.GradientNorm)
				checkTerms(p, back.Terms)
			}
		}
	}
}

// checkShapeOf reports whether Forward answered something of the right shape.
func (b *backbones) checkShapeOf(p *probe, s *backbone, req sdk.ForwardRequest, width int) bool {
	rows := len(req.Rows)
	resp, err := s.forward(req)
	if err != nil {
		p.failf("Forward of %d rows in %s mode, %s task, width %d: %s", rows, req.Mode, s.task.Kind, width, describe(err))
		return false
	}
	for _, err := range []error{resp.H.Check("h", rows, width), resp.H.CheckFinite("h")} {
		if err != nil {
			p.failf("in %s mode: %v", req.Mode, err)
			return false
		}
	}
	b.checkEmbeddings(p, req, resp.ModalityEmbeddings)
	return true
}

// checkEmbeddings checks the optional modality embeddings.
func (b *backbones) checkEmbeddings(p *probe, req sdk.ForwardRequest, e sdk.Tensor) {
	if !b.info.Capabilities.ModalityEmbeddings {
		if !e.Absent() && len(e.Shape) > 0 {
			p.failf("Forward answers modality embeddings, which the capabilities do not declare")
		}
		return
	}
	if len(e.Shape) != 3 || e.Shape[2] < 1 {
		p.failf("modality embeddings have shape %v, want [%d %d d]", e.Shape, len(req.Rows), len(b.table.modalities))
		return
	}
	d := e.Shape[2]
	for _, err := range []error{e.Check("modality embeddings", len(req.Rows), len(b.table.modalities), d), e.CheckFinite("modality embeddings")} {
		if err != nil {
			p.failf("in %s mode: %v", req.Mode, err)
			return
		}
	}
	for i, a := range req.Availability {
		for m := range b.table.modalities {
			from := (i*len(b.table.modalities) + m) * d
			for _, v := range e.Data[from : from+d] {
				if a>>m&1 == 0 && v != 0 {
					p.failf("the embedding of modality %s is not zero in row %d, which does not have it", b.table.modalities[m].Name, i)
					return
				}
			}
		}
	}
}

func checkNumber(p *probe, what string, v float64) {
	if v-v != 0 {
		p.failf("%s is %v", what, v)
	}
}

func checkTerms(p *probe, terms []sdk.Term) {
	seen := map[string]bool{}
	for _, term := range terms {
		if term.Name == "" || seen[term.Name] {
			p.failf("the name of term %q is empty or used twice", term.Name)
		}
		seen[term.Name] = true
		checkNumber(p, "term "+term.Name, term.Value)
	}
}

// checkAvailability shows patterns that the data do not have: each modality
// alone, all subsets of the complete row, and nothing at all.
func (b *backbones) checkAvailability(p *probe) {
	s := b.open(p, b.request(p))
	complete := int32(len(b.table.modalities)) // the row that has everything
	all := b.table.availability[complete]
	var patterns []uint64
	for pattern := range all + 1 {
		patterns = append(patterns, pattern)
	}
	for _, mode := range []sdk.Mode{sdk.Eval, sdk.Train} {
		for _, pattern := range patterns {
			rows := []int32{complete, complete}
			availability := []uint64{pattern, all}
			for _, batch := range [][]uint64{availability[:1], availability} {
				req := b.train(rows[:len(batch)], batch, 1, s.task)
				if mode == sdk.Eval {
					req.Mode, req.Labels = sdk.Eval, nil
				}
				resp, err := s.forward(req)
				if err == nil {
					err = resp.H.CheckFinite("h")
				}
				if err != nil {
					p.failf("%d rows with availability %0*b in %s mode: %s", len(batch), len(b.table.modalities), pattern, mode, describe(err))
					if code := sdk.CodeOf(err); code == sdk.CodePanic || code == sdk.CodeClosed {
						s = b.open(p, b.request(p))
					}
					break
				}
			}
		}
	}
	p.notef("%d patterns", len(patterns))
}
