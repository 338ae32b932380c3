package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Expression is a compiled condition or constraint. It sees the cell and the
// parameters of a trial and nothing else, has no functions and no side effects.
type Expression struct {
	Text string
	// Parameters are the names of the parameters it looks at, sorted.
	Parameters []string
	program    *vm.Program
}

// Cell is what an expression may say of a cell.
type Cell struct {
	Dataset     string `json:"dataset" expr:"dataset"`
	Backbone    string `json:"backbone" expr:"backbone"`
	Variant     string `json:"variant" expr:"variant"`
	Strategy    string `json:"strategy" expr:"strategy"` // "" when the variant has none
	Missingness bool   `json:"missingness" expr:"missingness"`
	DualBranch  bool   `json:"dual_branch" expr:"dual_branch"`
}

// scope is the environment of an expression.
type scope struct {
	Cell
	Parameters map[string]any `expr:"__parameters"`
}

// Sections are the words that a parameter's name begins with.
var Sections = []string{"backbone", "strategy", "missingness", "dual_branch", "optimizer", "head", "run"}

// Compile reads an expression. Parameters are written section.name. The checks
// see its syntax tree first and may report what cannot be.
func Compile(text string, checks ...ast.Visitor) (*Expression, error) {
	names := &parameterNames{}
	options := []expr.Option{expr.Env(scope{}), expr.AsBool(), expr.DisableAllBuiltins()}
	for _, check := range checks {
		options = append(options, expr.Patch(check))
	}
	program, err := expr.Compile(text, append(options, expr.Patch(names))...)
	if err != nil {
		return nil, err
	}
	slices.Sort(names.found)
	return &Expression{Text: text, Parameters: slices.Compact(names.found), program: program}, nil
}

// Holds evaluates the expression. known is false when it cannot be decided, for
// example because a parameter it looks at is absent.
func (e *Expression) Holds(cell Cell, parameters Point) (holds, known bool) {
	for _, name := range e.Parameters {
		if _, ok := parameters[name]; !ok {
			return false, false
		}
	}
	out, err := expr.Run(e.program, scope{Cell: cell, Parameters: parameters})
	if err != nil {
		return false, false
	}
	holds, known = out.(bool)
	return holds, known
}

// parameterNames turns optimizer.lr into a look at the parameter of that name.
type parameterNames struct{ found []string }

func (p *parameterNames) Visit(node *ast.Node) {
	member, ok := (*node).(*ast.MemberNode)
	if !ok || member.Method {
		return
	}
	section, ok := member.Node.(*ast.IdentifierNode)
	if !ok || !slices.Contains(Sections, section.Value) {
		return
	}
	key, ok := member.Property.(*ast.StringNode)
	if !ok {
		return
	}
	name := section.Value + "." + key.Value
	p.found = append(p.found, name)
	ast.Patch(node, &ast.MemberNode{Node: &ast.IdentifierNode{Value: "__parameters"}, Property: &ast.StringNode{Value: name}})
}

// must compiles an expression that was compiled before it was stored.
func must(text string) (*Expression, error) {
	e, err := Compile(text)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("read stored expression %q: %s", text, line)
	}
	return e, nil
}
