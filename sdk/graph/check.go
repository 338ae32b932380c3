package graph

import (
	"fmt"
	"reflect"
	"strings"

	"gorgonia.org/gorgonia"
)

// refused are the stock operations of gorgonia 0.9.18 that may not occur in a
// graph whatever their arguments, by type name, with the reason. They must be
// refused as such, because where gorgonia merges two nodes by mistake, the one
// that is left looks innocent.
var refused = map[string]string{
	"softmaxOp":      "gorgonia takes SoftMax and LogSoftMax of one node for the same; use Builder.Softmax, MaskedSoftmax, or nn.Tape.LogSoftmax in Builder.Fused",
	"GroupNormOp":    "in gorgonia 0.9.18 it prints its gradient to the log in every step; use Builder.LayerNorm, or nn.Tape.LayerNorm in Builder.Fused",
	"BatchNormOp":    "its running statistics are beyond the reach of snapshots; use nn.Tape.BatchNorm in Builder.Block",
	"dropoutOp":      "its draws do not depend on the seed of the session; use Builder.Dropout",
	"randomOp":       "its draws do not depend on the seed of the session; use Builder.Input",
	"readOp":         "the graph is written anew to be run, without it; look at values in a function of Builder.Fused",
	"letOp":          "the graph is written anew to be run, without it; use Builder.Input or Param",
	"constantTensor": "gorgonia merges constants whose shortened printouts match; use Builder.Input or Param",
}

// check refuses graphs that gorgonia is known to compute wrongly, and values that
// a snapshot would miss.
func (b *Builder) check() error {
	own := map[*gorgonia.Node]bool{}
	for _, n := range b.names {
		own[n] = true
	}
	for _, n := range b.g.AllNodes() {
		op := n.Op()
		if op == nil {
			if !own[n] {
				return fmt.Errorf("build graph: input %q was not made by the Builder, so that batches would not fill it nor snapshots hold it; use Builder.Input or Param", n.Name())
			}
			continue
		}
		if why, bad := refused[typeName(op)]; bad {
			return fmt.Errorf("build graph: %s is refused: %s", op, why)
		}
	}
	return checkSlices(b.g)
}

// checkSlices refuses slices past 255: bounds are hashed as one byte, so that 0:128
// and 256:384 become one node. Gradients of concatenations are made of slices.
func checkSlices(g *gorgonia.ExprGraph) error {
	for _, n := range g.AllNodes() {
		op := n.Op()
		switch typeName(op) {
		case "sliceOp", "sliceIncrOp":
			for _, child := range children(g, n) {
				if err := within(child, field(op, "along"), "Slice", op); err != nil {
					return err
				}
			}
		case "concatOp":
			if err := within(n, field(op, "axis"), "Concat", op); err != nil {
				return err
			}
		}
	}
	return nil
}

// typeName is the name of the type of an operation without its package.
func typeName(op gorgonia.Op) string {
	name := fmt.Sprintf("%T", op)
	return name[strings.LastIndexByte(name, '.')+1:]
}

func within(n *gorgonia.Node, axis int, what string, op gorgonia.Op) error {
	if s := n.Shape(); axis < 0 || axis >= len(s) || s[axis] > 255 {
		return fmt.Errorf("build graph: %s is refused: gorgonia confuses %s bounds past 255 (axis %d of %v); use Builder.Columns or Builder.Slice", op, what, axis, s)
	}
	return nil
}

// field reads an unexported integer of a stock operation, -1 if there is none.
func field(op gorgonia.Op, name string) int {
	v := reflect.Indirect(reflect.ValueOf(op))
	if v.Kind() != reflect.Struct {
		return -1
	}
	f := v.FieldByName(name)
	if !f.IsValid() || !f.CanInt() {
		return -1
	}
	return int(f.Int())
}
