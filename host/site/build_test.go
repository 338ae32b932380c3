package main

import (
	"bytes"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"
)

// content is what of a page is checked.
type content struct {
	links []string
	ids   map[string]int
	text  string
}

func read(t *testing.T, file []byte) content {
	t.Helper()
	c := content{ids: map[string]int{}}
	tree, err := html.Parse(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for n := range tree.Descendants() {
		if n.Type == html.TextNode {
			c.text += n.Data + " "
		}
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src":
				c.links = append(c.links, a.Val)
			case "id":
				c.ids[a.Val]++
			}
		}
	}
	return c
}

// Every link of the site leads somewhere: to a page, to a place in it, to a file.
// Nothing is loaded from elsewhere.
func TestBuild_Links(t *testing.T) {
	files, err := build(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]content{}
	for name, file := range files {
		if path.Ext(name) == ".html" {
			pages[name] = read(t, file)
		}
	}
	if len(pages) < 40 {
		t.Errorf("only %d pages", len(pages))
	}
	checked := 0
	for name, page := range pages {
		for id, n := range page.ids {
			if n > 1 {
				t.Errorf("%s has %d places %q", name, n, id)
			}
		}
		if bytes.Contains(files[name], []byte("<script")) || bytes.Contains(files[name], []byte("@import")) {
			t.Errorf("%s loads something", name)
		}
		for _, link := range page.links {
			if strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://") {
				continue
			}
			checked++
			target, fragment, _ := strings.Cut(link, "#")
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			if files[to] == nil {
				t.Errorf("%s links to %s, which is not there", name, link)
			} else if fragment != "" && pages[to].ids[fragment] == 0 {
				t.Errorf("%s links to %s, where there is no such place", name, link)
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d links", checked)
	}
	for name, says := range map[string]string{
		"index.html": "Which debiasing helps which fusion model", "sdk/doc.html": "Who does what", "docs/reading.html": "In a paper",
		"docs/methods/backbone/concat.html": "concat", "docs/sql.html": "leaderboard", "docs/reading.toml": "", "docs/json/compare.json": "",
	} {
		if files[name] == nil || !strings.Contains(pages[name].text, says) {
			t.Errorf("%s is not there, or does not say %q", name, says)
		}
	}
}

// A link to nothing is found, and markup in Markdown is not passed on.
func TestBuild_Bites(t *testing.T) {
	repository := fstest.MapFS{}
	for _, s := range sections() {
		for _, source := range s.sources {
			repository[source] = &fstest.MapFile{Data: []byte("# Title\n\n[absent](absent.md) <script>alert(1)</script>\n")}
		}
	}
	repository[manual] = &fstest.MapFile{Data: []byte("// Package sdk is a manual.\npackage sdk\n")}
	files, err := build(repository)
	if err == nil || !strings.Contains(err.Error(), "README.md links to absent.md") {
		t.Errorf("got %v", err)
	}
	if bytes.Contains(files["index.html"], []byte("<script>")) {
		t.Errorf("got %s", files["index.html"])
	}
}
