package pglocal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// binaries is a directory with initdb and postgres.
type binaries struct {
	dir   string
	major int
}

// answerTimeout is for a program that is asked for its version and the like.
const answerTimeout = 20 * time.Second

// What is fetched when nothing is installed, and from where: the builds of
// github.com/zonkyio/embedded-postgres-binaries.
const (
	embeddedVersion    = embedded.V17
	embeddedRepository = "https://repo1.maven.org/maven2"
)

var errNoBinaries = errors.New("no PostgreSQL found: install it (Debian: apt install postgresql; macOS: brew install postgresql), " +
	"or set PGBIN to the directory of initdb and postgres, or DECONFOUND_DSN to a server")

// findBinaries looks for installed binaries: $PGBIN and nothing else, or
// pg_config --bindir and what Debian, Red Hat and Homebrew install, the highest
// version first. A major version other than 0 is required. With cache it looks
// there too, and fetches binaries into it if nothing else is found.
func findBinaries(major int, cache string) (binaries, error) {
	var found []binaries
	for _, dir := range candidates() {
		if b, ok := inspect(dir); ok {
			if major == 0 || b.major == major {
				return b, nil
			}
			found = append(found, b)
		}
	}
	fetched := number(string(embeddedVersion))
	if len(found) > 0 && (cache == "" || major != fetched) {
		return binaries{}, fmt.Errorf("the data directory was made by PostgreSQL %d, but only %d is installed (%s)", major, found[0].major, found[0].dir)
	}
	if major != 0 && major != fetched {
		return binaries{}, fmt.Errorf("the data directory was made by PostgreSQL %d, which is not installed any more", major)
	}
	if cache == "" {
		return binaries{}, errNoBinaries
	}
	bin, err := fetchBinaries(cache, embeddedRepository)
	if err != nil {
		return binaries{}, fmt.Errorf("%w (fetching it failed: %w)", errNoBinaries, err)
	}
	b, ok := inspect(bin)
	if !ok {
		return binaries{}, fmt.Errorf("%w (what was fetched into %s does not run)", errNoBinaries, bin)
	}
	return b, nil
}

// Installed says which installed PostgreSQL Open would use, for diagnosis. It
// fetches nothing.
func Installed() (dir string, major int, err error) {
	b, err := findBinaries(0, "")
	return b.dir, b.major, err
}

func candidates() []string {
	if dir := os.Getenv("PGBIN"); dir != "" {
		return []string{dir}
	}
	var dirs []string
	if out, err := output("pg_config", "--bindir"); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		slices.SortFunc(matches, func(a, b string) int { return number(b) - number(a) })
		dirs = append(dirs, matches...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

// output is what a program answers that should end at once.
func output(program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	return exec.CommandContext(ctx, program, args...).Output()
}

var digits = regexp.MustCompile(`\d+`)

// number is the first number in s, 0 if there is none.
func number(s string) int {
	n, err := strconv.Atoi(digits.FindString(s))
	if err != nil {
		return 0
	}
	return n
}

// inspect checks that a directory holds what is needed. pg_config is often
// installed without a server.
func inspect(dir string) (binaries, bool) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, false
	}
	out, err := output(filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return binaries{}, false
	}
	return binaries{dir: dir, major: number(string(out))}, true
}

// fetchBinaries downloads and unpacks PostgreSQL into cache, once.
func fetchBinaries(cache, repository string) (string, error) {
	home := filepath.Join(cache, "postgresql-"+string(embeddedVersion))
	bin := filepath.Join(home, "bin")
	if _, ok := inspect(bin); ok {
		return bin, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "fetch")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	// The library can only fetch as a part of starting a server. Its data
	// directory is to lie below a file, so it fetches, unpacks, and gives up.
	file := filepath.Join(scratch, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	server := embedded.NewDatabase(embedded.DefaultConfig().Version(embeddedVersion).Port(port).
		BinaryRepositoryURL(repository).CachePath(filepath.Join(scratch, "archive")).RuntimePath(filepath.Join(scratch, "runtime")).
		BinariesPath(filepath.Join(scratch, "unpacked")).DataPath(filepath.Join(file, "data")).Logger(nil))
	err = server.Start()
	if err == nil {
		return "", errors.Join(errors.New("the library started a server in a place that does not exist"), server.Stop())
	}
	if _, ok := inspect(filepath.Join(scratch, "unpacked", "bin")); !ok {
		return "", err
	}
	if err := os.Rename(filepath.Join(scratch, "unpacked"), home); err != nil {
		if _, ok := inspect(bin); ok {
			return bin, nil // another process was faster
		}
		return "", err
	}
	return bin, nil
}

// freePort answers a port that is free now; the library checks it, nobody
// listens on it.
func freePort() (uint32, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "localhost:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("listener has no port")
	}
	return uint32(addr.Port), nil
}
