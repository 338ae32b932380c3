package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	mdast "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	mdparser "github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// page is one page of the site.
type page struct {
	Source string // in the repository
	Name   string // in the site
	Title  string
	Body   template.HTML
}

// section is a part of the navigation; the pages of a directory follow those named.
type section struct {
	Title   string
	sources []string
	dir     string
	Pages   []*page
}

// manual is the source of the plugin manual, which is a package comment.
const manual = "sdk/doc.go"

// sections are what the site has, in the order of the navigation.
func sections() []*section {
	return []*section{
		{Title: "Start", sources: []string{"README.md", "docs/tutorial.md", "docs/reading.md"}},
		{Title: "Ask", sources: []string{"docs/sql.md", "docs/cookbook.md", "docs/json/README.md"}},
		{Title: "Build and run", sources: []string{manual, "sdk/python/README.md", "docs/machines.md", "BENCHMARKS.md", "CONTRIBUTING.md"}},
		{Title: "Methods", sources: []string{"docs/methods/README.md"}, dir: "docs/methods"},
	}
}

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	style []byte

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// builder makes the site of a checkout.
type builder struct {
	repository fs.FS
	sections   []*section
	pages      map[string]*page  // by source
	files      map[string][]byte // of the site
}

// build answers the files of the site by their names in it. A link to something that
// the repository does not have is an error.
func build(repository fs.FS) (map[string][]byte, error) {
	b := &builder{repository: repository, sections: sections(), pages: map[string]*page{}, files: map[string][]byte{"style.css": style}}
	for _, s := range b.sections {
		if err := b.collect(s); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, s := range b.sections {
		for _, p := range s.Pages {
			errs = append(errs, b.render(p))
		}
	}
	for _, s := range b.sections {
		for _, p := range s.Pages {
			errs = append(errs, b.write(p))
		}
	}
	return b.files, errors.Join(errs...)
}

// collect names the pages of a section.
func (b *builder) collect(s *section) error {
	sources := s.sources
	if s.dir != "" {
		err := fs.WalkDir(b.repository, s.dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && path.Ext(name) == ".md" && !slices.Contains(s.sources, name) {
				sources = append(sources, name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, source := range sources {
		p := &page{Source: source, Name: strings.TrimSuffix(strings.TrimSuffix(source, ".md"), ".go") + ".html"}
		if source == "README.md" {
			p.Name = "index.html"
		}
		b.pages[source] = p
		s.Pages = append(s.Pages, p)
	}
	return nil
}

// render makes the body of a page.
func (b *builder) render(p *page) error {
	source, err := fs.ReadFile(b.repository, p.Source)
	if err != nil {
		return err
	}
	if p.Source == manual {
		return p.renderManual(source)
	}
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(mdparser.WithAutoHeadingID()))
	tree := markdown.Parser().Parse(text.NewReader(source), mdparser.WithContext(mdparser.NewContext(mdparser.WithIDs(places{}))))
	var errs []error
	err = mdast.Walk(tree, func(n mdast.Node, entering bool) (mdast.WalkStatus, error) {
		if !entering {
			return mdast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *mdast.Heading:
			if n.Level == 1 && p.Title == "" {
				p.Title = string(n.Lines().Value(source))
			}
		case *mdast.Link:
			to, err := b.link(p, string(n.Destination))
			errs = append(errs, err)
			n.Destination = []byte(to)
		case *mdast.Image:
			to, err := b.link(p, string(n.Destination))
			errs = append(errs, err)
			n.Destination = []byte(to)
		}
		return mdast.WalkContinue, nil
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if p.Title == "" {
		return fmt.Errorf("%s has no title", p.Source)
	}
	var body bytes.Buffer
	if err := markdown.Renderer().Render(&body, source, tree); err != nil {
		return err
	}
	p.Body = template.HTML(body.String()) //nolint:gosec // goldmark escapes what is raw in Markdown
	return nil
}

// renderManual makes a page of a package comment.
func (p *page) renderManual(source []byte) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, p.Source, source, parser.ParseComments)
	if err != nil {
		return err
	}
	pkg, err := doc.NewFromFiles(set, []*ast.File{file}, "github.com/deconfound/deconfound/"+path.Dir(p.Source))
	if err != nil {
		return err
	}
	p.Title = "The plugin manual"
	printer := pkg.Printer()
	printer.HeadingLevel = 2
	printer.DocLinkURL = nil
	printer.DocLinkBaseURL = "https://pkg.go.dev"
	p.Body = template.HTML("<h1>" + p.Title + "</h1>\n" + string(printer.HTML(pkg.Parser().Parse(pkg.Doc)))) //nolint:gosec // the printer escapes
	return nil
}

// link is where a link of a page leads in the site: to another page, to a file of the
// repository, which is then part of the site, or out of it.
func (b *builder) link(p *page, to string) (string, error) {
	if strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "#") {
		return to, nil
	}
	name, fragment, _ := strings.Cut(to, "#")
	target := path.Join(path.Dir(p.Source), name)
	site := target
	switch page := b.pages[target]; {
	case page != nil:
		site = page.Name
	case b.pages[target+"/README.md"] != nil:
		site = b.pages[target+"/README.md"].Name
	default:
		content, err := fs.ReadFile(b.repository, target)
		if err != nil {
			return "", fmt.Errorf("%s links to %s: %w", p.Source, to, err)
		}
		// As text, whatever it is: a browser then shows it.
		if ext := path.Ext(target); ext != ".toml" && ext != ".json" && ext != ".yaml" && ext != ".txt" {
			site += ".txt"
		}
		b.files[site] = content
	}
	site = relative(p.Name, site)
	if fragment != "" {
		site += "#" + fragment
	}
	return site, nil
}

// relative is the way from a page to another file of the site.
func relative(from, to string) string {
	return strings.Repeat("../", strings.Count(from, "/")) + to
}

// write puts a page into its frame.
func (b *builder) write(p *page) error {
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, struct {
		Page     *page
		Sections []*section
		Root     string
	}{p, b.sections, relative(p.Name, "")})
	if err != nil {
		return fmt.Errorf("%s: %w", p.Source, err)
	}
	b.files[p.Name] = out.Bytes()
	return nil
}
