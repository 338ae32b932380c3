package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// sqlFunctions are the aggregates of the schema.
var sqlFunctions = []string{"auprc(", "auroc(", "brier(", "ece(", "log_loss("}

// sqlKeywords are those of ordinary questions.
var sqlKeywords = []string{
	"and", "as", "asc", "avg(", "between", "by", "case", "count(", "desc", "distinct", "else", "end", "filter", "from", "group", "having", "in", "is", "join",
	"left", "like", "limit", "max(", "min(", "not", "null", "on", "or", "order", "over", "partition", "select", "stddev_samp(", "sum(", "then", "using", "when", "where", "with",
}

// sqlPrompt asks for statements, one after another, and answers them.
type sqlPrompt struct {
	views []tracker.View
	term  *term.Terminal
	// read gives the next line; io.EOF is the end.
	read func() (string, error)
	ask  func(query string) (shown.Answer, error)
	// width is that of the terminal.
	width func() int

	chart bool
	begun string // a statement without its end
}

const (
	sqlBegins = "deconfound> "
	sqlGoesOn = "        ... "
	sqlHelp   = `Write a query and end it with ; (Tab completes, the arrows go back).
\d lists the views, \d VIEW its columns, \chart draws answers or stops it, \q ends.
`
)

// promptSQL talks to the person at the terminal until the end.
func (a *app) promptSQL(ctx context.Context, store *tracker.Store, in, out *os.File, chart bool) error {
	views, err := store.Views(ctx)
	if err != nil {
		return err
	}
	analyst, err := store.ReadOnly(ctx)
	if err != nil {
		return err
	}
	defer func() { analyst.Close(context.WithoutCancel(ctx)) }()
	p := newSQLPrompt(struct {
		io.Reader
		io.Writer
	}{in, out}, views)
	p.chart = chart
	p.width = func() int {
		if width, _, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
			return width
		}
		return defaultWidth
	}
	read := p.read
	p.read = func() (string, error) {
		// Only while a line is written: Ctrl-C ends a query that runs.
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return "", err
		}
		line, err := read()
		return line, errors.Join(err, term.Restore(int(in.Fd()), before))
	}
	p.ask = func(query string) (shown.Answer, error) {
		answer, err := shown.Ask(ctx, analyst, query, shown.Limit{})
		if err != nil && ctx.Err() == nil && analyst.Closed() {
			if analyst, err = store.ReadOnly(ctx); err == nil {
				answer, err = shown.Ask(ctx, analyst, query, shown.Limit{})
			}
		}
		return answer, err
	}
	return p.run(ctx, out)
}

func newSQLPrompt(rw io.ReadWriter, views []tracker.View) *sqlPrompt {
	p := &sqlPrompt{views: views, term: term.NewTerminal(rw, sqlBegins), width: func() int { return defaultWidth }}
	p.read = p.term.ReadLine
	p.term.AutoCompleteCallback = p.complete
	return p
}

// run answers statements until the input ends or ctx does.
func (p *sqlPrompt) run(ctx context.Context, w io.Writer) error {
	fmt.Fprint(w, sqlHelp)
	for {
		line, err := p.read()
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(w)
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		if quit := p.line(w, strings.TrimSpace(line)); quit {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.begun == "" {
			p.term.SetPrompt(sqlBegins)
		} else {
			p.term.SetPrompt(sqlGoesOn)
		}
	}
}

// line takes one line of input; true is the end.
func (p *sqlPrompt) line(w io.Writer, line string) bool {
	if command, ok := strings.CutPrefix(line, `\`); ok && p.begun == "" {
		return p.command(w, strings.Fields(command))
	}
	p.begun = strings.TrimSpace(p.begun + "\n" + line)
	query, ends := strings.CutSuffix(p.begun, ";")
	if !ends {
		return false
	}
	if p.begun = ""; strings.TrimSpace(query) == "" {
		return false
	}
	answer, err := p.ask(query)
	if err != nil {
		fmt.Fprintf(w, "%v\n", err)
		return false
	}
	printAnswer(w, answer)
	if p.chart {
		if err := answer.Chart(w, p.width()); err != nil {
			fmt.Fprintf(w, "%v\n", err)
		}
	}
	return false
}

func (p *sqlPrompt) command(w io.Writer, words []string) bool {
	switch {
	case len(words) == 1 && words[0] == "q":
		return true
	case len(words) == 1 && words[0] == "chart":
		p.chart = !p.chart
	case len(words) == 1 && words[0] == "d":
		for _, v := range p.views {
			fmt.Fprintf(w, "%s: %s\n", v.Name, v.Text)
		}
	case len(words) == 2 && words[0] == "d":
		i := slices.IndexFunc(p.views, func(v tracker.View) bool { return v.Name == words[1] })
		if i < 0 {
			fmt.Fprintf(w, "there is no view %s\n", words[1])
			break
		}
		for _, c := range p.views[i].Columns {
			fmt.Fprintf(w, "  %-20s %-26s %s\n", c.Name, c.Type, c.Text)
		}
	default:
		fmt.Fprint(w, sqlHelp)
	}
	return false
}

func partOfWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// complete is what Tab does: it writes what all words that fit have in common, and
// lists them where that is no more than what stands there.
func (p *sqlPrompt) complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	start := strings.LastIndexFunc(line[:pos], func(r rune) bool { return !partOfWord(r) }) + 1
	part := line[start:pos]
	var fit []string
	for _, word := range p.words(line[:start]) {
		if strings.HasPrefix(word, strings.ToLower(part)) {
			fit = append(fit, word)
		}
	}
	if len(fit) == 0 {
		return line, pos, true
	}
	common := fit[0]
	for _, word := range fit[1:] {
		for !strings.HasPrefix(word, common) {
			common = common[:len(common)-1]
		}
	}
	if len(fit) == 1 && !strings.HasSuffix(common, "(") {
		common += " "
	}
	if len(fit) > 1 && common == strings.ToLower(part) {
		// The terminal shows its line again below.
		_, _ = fmt.Fprintln(p.term, strings.Join(fit, "  "))
		return line, pos, true
	}
	return line[:start] + common + line[pos:], start + len(common), true
}

// words are those that may follow a beginning of a statement, sorted: views after
// from and join, the columns of a view after its name and a dot, and else columns of
// the views that the statement names, or of all, functions and keywords.
func (p *sqlPrompt) words(before string) []string {
	all := strings.FieldsFunc(strings.ToLower(p.begun+" "+before), func(r rune) bool { return !partOfWord(r) && r != '.' })
	var last string
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	var out []string
	if last == "from" || last == "join" {
		for _, v := range p.views {
			out = append(out, v.Name)
		}
		slices.Sort(out)
		return out
	}
	named := func(v tracker.View) bool { return slices.Contains(all, v.Name) }
	if view, ok := strings.CutSuffix(last, "."); ok && strings.HasSuffix(before, ".") {
		named = func(v tracker.View) bool { return v.Name == view }
	} else {
		out = append(append(out, sqlFunctions...), sqlKeywords...)
	}
	some := slices.ContainsFunc(p.views, named)
	for _, v := range p.views {
		if some && !named(v) {
			continue
		}
		for _, c := range v.Columns {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
