//go:build chaos

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/sdk/rng"
)

// kills is how many processes die; every kind dies equally often.
const kills = 30

// victims are the kinds of process that are killed.
var victims = []string{"host", "worker", "plugin", "supervisor", "postgres"}

// Whatever is killed, whenever: the sweep ends with the bits of an undisturbed
// one. DECONFOUND_CHAOS_SEED chooses another order and other moments.
func TestChaos(t *testing.T) {
	seed := uint64(1)
	if text := os.Getenv("DECONFOUND_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	data := cohort{name: "two", label: binary, rows: 900}
	plan := sweep{
		name: "chaos", dataset: `"two"`, variant: `"erm", "md", "db", "md_db", "groupdro", "ipw"`, seeds: "0, 1", epochs: 120,
		more: `slice = "1s"` + "\n" + `retry = { max = 1000, on = ["lost", "plugin_crash", "plugin_start"] }`,
	}
	const runs = 12

	calm := newHome(t)
	calm.add(data)
	begin := time.Now()
	calm.trained(t, "--workers", "2", plan.write(calm))
	t.Logf("undisturbed: %v", time.Since(begin).Round(time.Second))

	h := newHome(t).withKey(calm)
	h.add(data)
	begin = time.Now()
	s := &storm{t: t, home: h, random: rng.Stream(seed, "chaos"), file: plan.write(h), killed: map[int]bool{}}
	s.rage(runs * plan.epochs)
	s.settle()
	t.Logf("with %d kills: %v", kills, time.Since(begin).Round(time.Second))

	got, want := bitsOf(t, h.database()), bitsOf(t, calm.database())
	if n := want.rows("runs"); n != runs {
		t.Errorf("%d runs, want %d", n, runs)
	}
	got.same(t, want)
}

// storm kills processes of an installation that trains a sweep.
type storm struct {
	t      testing.TB
	home   *home
	random *rand.Rand
	file   string

	host, worker *program
	killed       map[int]bool // processes that died by our hand
	db           *pgx.Conn
	epochs       int           // trained and stored so far
	changed      time.Time     // when that was last seen to grow
	pace         time.Duration // between two times that it grew
}

// rage deals out all its kills. The moments are spread over the progress of the
// sweep, so that it does not matter how fast the machine is, and end two runs before
// it does: a short run may store nothing before its end, and who has finished does
// not come back to be killed.
func (s *storm) rage(total int) {
	deck := make([]string, 0, kills)
	for range kills / len(victims) {
		deck = append(deck, victims...)
	}
	s.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	s.changed = time.Now()
	for i, victim := range deck {
		// Every fourth death follows at once, while the last one is being healed.
		at := int(float64(total) * 0.8 * (float64(i) + s.random.Float64()) / kills)
		fraction, atOnce := s.random.Float64(), s.random.IntN(4) == 0
		if !atOnce {
			s.until(fmt.Sprintf("epoch %d", at), func() bool { return s.progress() >= at })
			time.Sleep(time.Duration(fraction * float64(min(s.pace, 2*time.Second))))
		}
		var dead process
		s.until("there is a "+victim, func() bool {
			found := s.find(victim)
			if len(found) == 0 {
				return false
			}
			dead = found[s.random.IntN(len(found))]
			s.killed[dead.pid] = true
			return syscall.Kill(dead.pid, syscall.SIGKILL) == nil
		})
		s.t.Logf("kill %2d at epoch %4d of %d: %-10s %s", i+1, s.epochs, total, victim, dead)
	}
}

// settle lets the sweep end.
func (s *storm) settle() {
	s.t.Helper()
	s.until("the sweep has ended", func() bool {
		select {
		case <-s.host.ended:
			return s.host.cmd.ProcessState.ExitCode() == 0
		default:
			return false
		}
	})
	if s.db != nil {
		_ = s.db.Close(context.Background())
	}
	if s.worker != nil {
		s.worker.interrupt(s.t)
		// The last death may have been its own, with nothing left to come back for.
		if a := s.worker.wait(s.t); a.code != 0 && !s.killed[s.worker.cmd.ProcessState.Pid()] {
			s.t.Errorf("worker: exit code %d\n%s", a.code, a.err)
		}
	}
	s.home.expectNoProcesses()
	status := decode[status](s.t, answer{out: s.host.out.String()})
	if !status.Finished || status.Done != status.Expected || status.Failed != 0 {
		s.t.Errorf("got %+v", status)
	}
}

// until polls, and meanwhile starts again what was killed.
func (s *storm) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.revive()
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("still not: %s\nprocesses: %v\nhost:\n%s\nworker:\n%s", what, s.home.processes(), s.host.errors(), s.worker.errors())
		}
	}
}

// revive starts the host and the worker, again if they were killed. By
// themselves they may only end with the sweep.
func (s *storm) revive() {
	s.t.Helper()
	for _, p := range []struct {
		program **program
		name    string
		args    []string
	}{
		{&s.host, "host", []string{"run", "--json", "--workers", "1", s.file}},
		{&s.worker, "worker", []string{"worker", "--workers", "1"}},
	} {
		if *p.program != nil {
			select {
			case <-(*p.program).ended:
			default:
				continue
			}
			state := (*p.program).cmd.ProcessState
			if !s.killed[state.Pid()] {
				if p.name == "host" && state.ExitCode() == 0 {
					continue
				}
				s.t.Errorf("%s ended by itself: %v\n%s%s", p.name, state, (*p.program).out.String(), (*p.program).errors())
			}
		}
		*p.program = s.home.start(p.args...)
	}
}

// find are the living processes of a kind, always in the same order.
func (s *storm) find(kind string) []process {
	var found []process
	for _, p := range s.home.processes() {
		is := false
		switch kind {
		case "host":
			is = p.pid == s.host.cmd.Process.Pid
		case "worker":
			is = p.pid == s.worker.cmd.Process.Pid
		case "plugin":
			is = strings.Contains(p.exe, "/plugins/")
		case "supervisor":
			is = strings.HasPrefix(p.command, "deconfound-postgres\x00")
		case "postgres":
			is = strings.Contains(p.command, "\x00-D\x00"+filepath.Join(s.home.data(), "postgres", "data")+"\x00")
		}
		if is && !s.killed[p.pid] {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b process) int { return strings.Compare(a.exe, b.exe) })
	return found
}

// progress is how many epochs are stored; the last known number while the
// database is away.
func (s *storm) progress() int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.db == nil {
		socket := filepath.Join(s.home.data(), "postgres", "socket")
		conn, err := pgx.Connect(ctx, "host="+socket+" user=deconfound dbname=deconfound sslmode=disable search_path=deconfound")
		if err != nil {
			return s.epochs
		}
		s.db = conn
	}
	var n int
	if err := s.db.QueryRow(ctx, `select count(*) from (select distinct run_id, step from point) x`).Scan(&n); err != nil {
		_ = s.db.Close(ctx)
		s.db = nil
		return s.epochs
	}
	if n > s.epochs {
		s.pace, s.changed = time.Since(s.changed), time.Now()
		s.epochs = n
	}
	return s.epochs
}
