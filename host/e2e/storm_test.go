//go:build chaos

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// storm does harm to an installation that trains a sweep, and to the machines that
// have joined it.
type storm struct {
	t      testing.TB
	home   *home
	random *rand.Rand
	file   string

	host     *program
	machines []*machine
	killed   map[int]bool // processes that died by our hand
	faults   int
	db       *pgx.Conn
	epochs   int           // trained and stored so far
	changed  time.Time     // when that was last seen to grow
	pace     time.Duration // between two times that it grew
	deaths   []death
	refused  int // results of workers that came back from the dead
}

// machine is a worker with a home, an address and a clock of its own.
type machine struct {
	name    string
	home    *home
	link    *trackertest.Link
	lease   time.Duration // 0: the default
	program *program
	disk    bool // its TMPDIR is a small disk of its own
	// trouble is what it suffers from; heal ends that, and answers false while it is
	// too early.
	trouble string
	heal    func() bool
	stopped bool // once, if its lease is the default one
}

// death is when a worker died or fell silent, by the server's clock, and the runs
// that it held.
type death struct {
	how     string
	machine *machine
	at      time.Time
	runs    []held
}

type held struct{ ID, Fence int64 }

func newStorm(t testing.TB, h *home, random *rand.Rand, file string) *storm {
	return &storm{t: t, home: h, random: random, file: file, killed: map[int]bool{}}
}

// join adds a machine.
func (s *storm) join(name, address string, lease time.Duration, skew int, data cohort, key *home) {
	s.t.Helper()
	socket := filepath.Join(s.home.data(), "postgres", "socket")
	link := trackertest.NewLink(s.t, address+":0", "unix", filepath.Join(socket, ".s.PGSQL.5432"))
	m := &machine{name: name, home: newHome(s.t).withKey(key), link: link, lease: lease}
	m.disk = smallDisk(s.t, filepath.Join(m.home.dir, "tmp"))
	host, port := link.Address()
	m.home.env = []string{fmt.Sprintf("DECONFOUND_DSN=host=%s port=%d user=deconfound dbname=deconfound sslmode=disable", host, port)}
	if skew != 0 {
		m.home.env = append(m.home.env, wrongBy(skew))
	}
	m.home.add(data)
	s.machines = append(s.machines, m)
}

// smallDisk mounts one for the time of the test; false if only root could.
func smallDisk(t testing.TB, dir string) bool {
	t.Helper()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,nr_inodes=64")
	if errors.Is(err, unix.EPERM) {
		t.Log("no disk can be filled without the right to mount one; plugins are killed instead")
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return true
}

// fillDisk writes until there is room for nothing, and answers how to undo it.
func fillDisk(t testing.TB, dir string) (free func()) {
	t.Helper()
	var made []string
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf("ballast%d", i))
		err := os.WriteFile(name, make([]byte, 4096), 0o644)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			made = append(made, name)
		}
		if errors.Is(err, syscall.ENOSPC) && i > 0 && len(made) > 1 && !room(dir) {
			break
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		for _, name := range made {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}
	}
}

// room says whether a directory can still be made.
func room(dir string) bool {
	probe := filepath.Join(dir, "probe")
	if os.Mkdir(probe, 0o755) != nil {
		return false
	}
	_ = os.Remove(probe)
	return true
}

// rage deals out its faults. The moments are spread over the progress of the sweep,
// so that it does not matter how fast the machine is, and end two runs before it
// does: a short run may store nothing before its end, and who has finished does not
// come back to be killed.
func (s *storm) rage(total int) {
	faults := shuffled(s.random)
	s.changed = time.Now()
	for i := range faults {
		// Every fourth fault follows at once, while the last one is being healed.
		at := int(float64(total) * 0.85 * (float64(i) + s.random.Float64()) / float64(len(faults)))
		fraction, atOnce := s.random.Float64(), s.random.IntN(4) == 0
		if !atOnce {
			s.until(fmt.Sprintf("epoch %d", at), func() bool { return s.progress() >= at })
			time.Sleep(time.Duration(fraction * float64(min(s.pace, 2*time.Second))))
		}
		what := ""
		s.until("there is something for one of "+strings.Join(faults[i:], ", "), func() bool {
			// If nobody is there for the next one at the moment, a later one comes
			// first: the sweep does not wait.
			for j := i; j < len(faults) && what == ""; j++ {
				if what = s.strike(faults[j]); what != "" {
					faults[i], faults[j] = faults[j], faults[i]
				}
			}
			if what == "" && s.ended() {
				s.t.Fatalf("the sweep ended after %d of %d faults", i, len(faults))
			}
			return what != ""
		})
		s.faults++
		s.t.Logf("fault %2d at epoch %4d of %d: %-10s %s", i+1, s.epochs, total, faults[i], what)
	}
}

// ended says whether the sweep has, and its server with the host.
func (s *storm) ended() bool {
	return s.host.over() && s.host.cmd.ProcessState.ExitCode() == 0
}

// strike does harm, and answers to whom; "" if there is nobody at the moment.
func (s *storm) strike(fault string) string {
	switch fault {
	case "stop", "cut", "blink", "disk":
		m := s.well(fault)
		if m == nil {
			return ""
		}
		switch fault {
		case "stop":
			return s.stop(m)
		case "cut":
			return s.cut(m)
		case "blink":
			m.link.Break()
		case "disk":
			return s.fill(m)
		}
		return m.name
	}
	found := s.find(fault)
	if len(found) == 0 {
		return ""
	}
	dead := found[s.random.IntN(len(found))]
	for _, m := range s.machines {
		if fault == "worker" && m.pid() == dead.pid {
			how := "killed"
			switch m.trouble {
			case "stop":
				m.trouble, m.heal = "", nil
			case "cut":
				how = "killed behind a cut link" // of which the server hears nothing
			}
			s.mourn(how, m)
		}
	}
	s.killed[dead.pid] = true
	if syscall.Kill(dead.pid, syscall.SIGKILL) != nil {
		return ""
	}
	return dead.String()
}

// well is a machine without trouble that a fault may come to.
func (s *storm) well(fault string) *machine {
	var found []*machine
	for _, m := range s.machines {
		// To be silent for the default lease once is enough: it takes a minute.
		long := (fault == "stop" || fault == "cut") && m.lease == 0
		if m.trouble == "" && m.pid() > 0 && (!long || !m.stopped) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[s.random.IntN(len(found))]
}

func (s *storm) stop(m *machine) string {
	pid := m.pid()
	s.mourn("stopped", m)
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return ""
	}
	silent := s.silence(m)
	m.stopped, m.trouble = true, "stop"
	m.heal = func() bool { return silent() && syscall.Kill(pid, syscall.SIGCONT) == nil }
	return m.name
}

func (s *storm) cut(m *machine) string {
	s.mourn("cut off", m)
	m.link.Cut()
	silent, forgets := s.silence(m), s.random.IntN(2) == 0
	m.stopped, m.trouble = true, "cut"
	m.heal = func() bool {
		if !silent() {
			return false
		}
		if forgets { // the network between has forgotten the connections
			m.link.Break()
		}
		m.link.Heal()
		return true
	}
	return m.name
}

// silence answers whether a machine that fell silent now has lost what it held, and
// been silent for longer than its lease.
func (s *storm) silence(m *machine) func() bool {
	begin, lease := time.Now(), m.lease
	if lease == 0 {
		lease = time.Minute
	}
	last := s.deaths[len(s.deaths)-1]
	return func() bool {
		if s.ended() {
			return true
		}
		return time.Since(begin) > lease*3/2 && (len(last.runs) == 0 || s.moved(last.runs))
	}
}

// fill fills the disk of a machine and kills its plugins, so that it must start
// others.
func (s *storm) fill(m *machine) string {
	if m.disk {
		free := fillDisk(s.t, filepath.Join(m.home.dir, "tmp"))
		said := strings.Count(m.program.errors(), "no space left")
		program, begin := m.program, time.Now()
		m.trouble = "disk"
		m.heal = func() bool {
			// It says so as soon as it needs room; it may not need any.
			if program == m.program && strings.Count(program.errors(), "no space left") == said && time.Since(begin) < 10*time.Second {
				return false
			}
			free()
			return true
		}
	}
	for _, p := range m.home.pluginProcesses() {
		s.killed[p.pid] = true
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may just have ended
	}
	return m.name
}

// mourn notes what a machine holds that dies or falls silent now.
func (s *storm) mourn(how string, m *machine) {
	d := death{how: how, machine: m}
	if s.connect() {
		ctx, cancel := within(s.t)
		defer cancel()
		rows, err := s.db.Query(ctx, `select run_id, fence from run join worker using (worker_id) where state = 'running' and name = $1`, m.name)
		if err == nil {
			d.runs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[held])
		}
		if err == nil {
			err = s.db.QueryRow(ctx, `select clock_timestamp()`).Scan(&d.at)
		}
		if err != nil {
			s.disconnect()
			d.runs = nil
		}
	}
	s.deaths = append(s.deaths, d)
}

// moved says whether the runs are out of the hands that held them.
func (s *storm) moved(runs []held) bool {
	if !s.connect() {
		return false
	}
	ctx, cancel := within(s.t)
	defer cancel()
	for _, r := range runs {
		var moved bool
		if err := s.db.QueryRow(ctx, `select fence <> $2 from run where run_id = $1`, r.ID, r.Fence).Scan(&moved); err != nil {
			s.disconnect()
			return false
		}
		if !moved {
			return false
		}
	}
	return true
}

// rescues reports how long runs of dead workers waited for their rescue, by the
// server's clock.
func (s *storm) rescues(db *pgx.Conn) {
	s.t.Helper()
	n, longest := map[bool]int{}, map[bool]time.Duration{}
	for _, d := range s.deaths {
		for _, r := range d.runs {
			var waited time.Duration
			err := db.QueryRow(s.t.Context(), `select at - $2 from run_event where run_id = $1 and at > $2 and note = 'lost' order by event_id limit 1`, r.ID, d.at).Scan(&waited)
			if errors.Is(err, pgx.ErrNoRows) {
				continue // it had stored its slice before it died
			}
			if err != nil {
				s.t.Fatal(err)
			}
			short := d.machine.lease > 0 || d.how == "killed"
			s.t.Logf("rescue of a run of %s, %s: %v", d.machine.name, d.how, waited.Round(time.Millisecond))
			n[short]++
			longest[short] = max(longest[short], waited)
		}
	}
	s.t.Logf("rescues: %d, at most %v after the worker died or fell silent with a lease of %v", n[true], longest[true].Round(time.Millisecond), testLease)
	s.t.Logf("rescues: %d, at most %v with the default lease", n[false], longest[false].Round(time.Millisecond))
	s.t.Logf("refused: %d results of workers that were taken for dead", s.refused)
	if n[true] == 0 || longest[true] > rescueBound || longest[false] > rescueBoundDefault {
		s.t.Errorf("rescue took longer than %v or %v, or nothing was rescued", rescueBound, rescueBoundDefault)
	}
	if s.refused == 0 {
		s.t.Error("no worker came back from the dead")
	}
}

// settle lets the sweep end.
func (s *storm) settle() {
	s.t.Helper()
	s.until("the sweep has ended", s.ended)
	s.until("all troubles are over", func() bool {
		return !slices.ContainsFunc(s.machines, func(m *machine) bool { return m.trouble != "" })
	})
	s.disconnect()
	for _, m := range s.machines {
		m.program.interrupt(s.t)
		// The last death may have been its own, with nothing left to come back for.
		if a := m.program.wait(s.t); a.code != 0 && !s.mayEnd(m.program) {
			s.t.Errorf("%s: exit code %d\n%s", m.name, a.code, a.err)
		}
		s.count(m)
		m.home.expectNoProcesses()
	}
	s.home.expectNoProcesses()
	status := decode[status](s.t, answer{out: s.host.out.String()})
	if !status.Finished || status.Done != status.Expected || status.Failed != 0 {
		s.t.Errorf("got %+v", status)
	}
}

// until polls, and meanwhile starts again what was killed and heals what can be.
func (s *storm) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.revive()
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			text := fmt.Sprintf("still not: %s\nhost:\n%s", what, s.host.errors())
			for _, m := range s.machines {
				if m.program != nil {
					text += fmt.Sprintf("%s (%s): %v\n%s", m.name, m.trouble, m.home.processes(), m.program.errors())
				}
			}
			s.t.Fatal(text)
		}
	}
}

// revive starts the host and the workers, again if they were killed. By themselves
// they end with the sweep, and a worker that finds no server when it starts.
func (s *storm) revive() {
	s.t.Helper()
	if p := s.host; p == nil || p.over() && (s.killed[p.pid()] || p.cmd.ProcessState.ExitCode() != 0) {
		if p != nil && !s.killed[p.pid()] {
			s.t.Errorf("the host ended by itself: %v\n%s%s", p.cmd.ProcessState, p.out.String(), p.errors())
		}
		s.host = s.home.start("run", "--json", "--workers", "1", s.file)
	}
	for _, m := range s.machines {
		if m.trouble != "" && m.heal() {
			m.trouble, m.heal = "", nil
		}
		if m.program != nil && !m.program.over() {
			continue
		}
		if p := m.program; p != nil {
			if !s.mayEnd(p) {
				s.t.Errorf("%s ended by itself: %v\n%s", m.name, p.cmd.ProcessState, p.errors())
			}
			s.count(m)
		}
		if !s.connect() {
			continue // there is no server yet
		}
		args := []string{"worker", "--workers", "1", "--name", m.name}
		if m.lease > 0 {
			args = append(args, "--lease", m.lease.String())
		}
		m.program = m.home.start(args...)
	}
}

// mayEnd says whether a worker ended by our hand, or because it found no server when
// it started.
func (s *storm) mayEnd(p *program) bool {
	return s.killed[p.pid()] || strings.Contains(p.errors(), "open tracker") || strings.Contains(p.errors(), "bring the database schema up to date")
}

// count adds up what a worker's process said it had to drop.
func (s *storm) count(m *machine) {
	s.refused += strings.Count(m.program.errors(), "slice dropped")
}

func (p *program) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// pid is the worker's; 0 if there is none.
func (m *machine) pid() int {
	if m.program == nil || m.program.over() {
		return 0
	}
	return m.program.pid()
}

// find are the living processes of a kind, always in the same order.
func (s *storm) find(kind string) []process {
	homes := []*home{s.home}
	for _, m := range s.machines {
		homes = append(homes, m.home)
	}
	var found []process
	for i, h := range homes {
		var some []process
		for _, p := range h.processes() {
			is := false
			switch kind {
			case "host":
				is = i == 0 && p.pid == s.host.pid()
			case "worker":
				is = i > 0 && p.pid == s.machines[i-1].pid()
			case "plugin":
				is = strings.Contains(p.exe, "/plugins/")
			case "supervisor":
				is = strings.HasPrefix(p.command, "deconfound-postgres\x00")
			case "postgres":
				is = strings.Contains(p.command, "\x00-D\x00"+filepath.Join(s.home.data(), "postgres", "data")+"\x00")
			}
			if is && !s.killed[p.pid] {
				some = append(some, p)
			}
		}
		slices.SortFunc(some, func(a, b process) int { return strings.Compare(a.exe, b.exe) })
		found = append(found, some...)
	}
	return found
}

// connect opens the test's own connection, past all links; false while the server
// is away.
func (s *storm) connect() bool {
	if s.db != nil {
		return true
	}
	ctx, cancel := within(s.t)
	defer cancel()
	socket := filepath.Join(s.home.data(), "postgres", "socket")
	conn, err := pgx.Connect(ctx, "host="+socket+" user=deconfound dbname=deconfound sslmode=disable search_path=deconfound")
	if err != nil {
		return false
	}
	s.db = conn
	return true
}

func (s *storm) disconnect() {
	if s.db != nil {
		_ = s.db.Close(context.Background())
		s.db = nil
	}
}

// progress is how many epochs are stored; the last known number while the
// database is away.
func (s *storm) progress() int {
	if !s.connect() {
		return s.epochs
	}
	ctx, cancel := within(s.t)
	defer cancel()
	var n int
	if err := s.db.QueryRow(ctx, `select count(*) from (select distinct run_id, step from point) x`).Scan(&n); err != nil {
		s.disconnect()
		return s.epochs
	}
	if n > s.epochs {
		s.pace, s.changed = time.Since(s.changed), time.Now()
		s.epochs = n
	}
	return s.epochs
}
