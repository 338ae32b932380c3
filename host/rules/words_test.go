package rules

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// words that do not belong in the repository. The patterns are written so that
// this file does not match them.
var words = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "unfinished work belongs in an issue, where somebody looks"},
	{regexp.MustCompile(`(?i)\bnot (yet )?imple` + `mented\b`), "what is not there is not offered"},
	{regexp.MustCompile(`(^|[\s"'(=])/(wo` + `rk|ro` + `ot|ho` + `me/[a-z]+|tmp/br` + `ief)/`), "paths of one machine mean nothing on another"},
	{regexp.MustCompile(`(?i)https?://(proxy\.go` + `lang|registry\.|deb\.de` + `bian|py` + `pi\.)`), "where packages come from is a setting of the machine"},
	{regexp.MustCompile(`(?i)\b(AI assis` + `tant|language mo` + `del wrote|co-authored` + `-by|coding ses` + `sion)\b`), "the repository speaks of the product, not of how it came about"},
	{regexp.MustCompile(`(?i)\biss` + `ue #\d+\b`), "numbers of a tracker outlive it badly: say what it was about"},
}

func TestWords(t *testing.T) {
	for _, file := range files(t) {
		if skipWords(file) {
			continue
		}
		text := read(t, file)
		if !utf8.ValidString(text) {
			continue // data
		}
		for n, line := range strings.Split(text, "\n") {
			for _, w := range words {
				if found := w.pattern.FindString(line); found != "" {
					t.Errorf("%s:%d: %q\n\trule: %s", file, n+1, strings.TrimSpace(found), w.why)
				}
			}
		}
	}
}

// skipWords is true for what nobody here wrote.
func skipWords(file string) bool {
	switch path.Ext(file) {
	case ".sum", ".csv", ".gz", ".parquet", ".npy", ".png":
		return true
	}
	return strings.HasSuffix(file, ".pb.go") || strings.HasSuffix(file, "_pb2.py") || strings.HasSuffix(file, "_pb2_grpc.py") ||
		strings.Contains(file, "testdata/fuzz/") || file == "LICENSE"
}

func TestWords_Bite(t *testing.T) {
	for _, line := range []string{
		"// TO" + "DO: later", "return errors.New(\"not imple" + "mented\")", "see /wo" + "rk/main/x", "GOPROXY=https://proxy.go" + "lang.org",
		"as iss" + "ue #12 says", "path = \"/home/" + "ann/data\"",
	} {
		found := false
		for _, w := range words {
			found = found || w.pattern.MatchString(line)
		}
		if !found {
			t.Errorf("no pattern finds %q", line)
		}
	}
	for _, line := range []string{"a session of a backbone", "framework/sub", "https://example.org/work/", "UnimplementedBackboneServer"} {
		for _, w := range words {
			if w.pattern.MatchString(line) {
				t.Errorf("%q is found in %q", w.pattern.FindString(line), line)
			}
		}
	}
}
