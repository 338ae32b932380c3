package methods

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// bookkeeping are methods whose comments say nothing of the method.
var bookkeeping = []string{"State", "SetState", "Reset", "Params", "Close"}

// Equations are the doc comments that say what a plugin written in Go computes: of the
// type model, or of build where there is none, and of the type rule and its methods.
// It answers "" for a directory without Go files.
func Equations(dir string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	docs := map[string]string{}
	var methods []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return "", fmt.Errorf("read equations: %w", err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						docs[t.Name.Name] = d.Doc.Text()
					}
				}
			case *ast.FuncDecl:
				switch {
				case d.Recv == nil:
					docs[d.Name.Name] = d.Doc.Text()
				case receiver(d) == "rule" && d.Doc != nil && !slices.Contains(bookkeeping, d.Name.Name):
					methods = append(methods, d.Doc.Text())
				}
			}
		}
	}
	var out []string
	for _, names := range [][]string{{"model", "build"}, {"rule"}} {
		for _, name := range names {
			if docs[name] != "" {
				out = append(out, markdown(docs[name]))
				break
			}
		}
	}
	for _, m := range methods {
		out = append(out, markdown(m))
	}
	return strings.Join(out, "\n\n"), nil
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// markdown has indented lines as blocks of code and keeps the rest from being taken
// for markup.
func markdown(doc string) string {
	escape := strings.NewReplacer("*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`, "]", `\]`)
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
		if strings.HasPrefix(line, "\t") {
			out = append(out, "    "+strings.TrimPrefix(line, "\t"))
			continue
		}
		out = append(out, escape.Replace(line))
	}
	return strings.Join(out, "\n")
}
