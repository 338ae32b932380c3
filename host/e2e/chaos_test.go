//go:build chaos

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk/rng"
)

// deck is how often each fault comes.
var deck = []struct {
	fault string
	n     int
}{
	{"host", 5}, {"worker", 7}, {"plugin", 8}, {"supervisor", 4}, {"postgres", 7}, // SIGKILL
	{"stop", 5},  // SIGSTOP for longer than the lease, then SIGCONT
	{"cut", 5},   // the link is silent for longer than the lease
	{"blink", 5}, // all connections of the link break
	{"disk", 4},  // of a worker is full
}

// Bounds of the rescue of a run whose worker is dead, by the server's clock.
const (
	rescueBound        = 15 * time.Second // with testLease
	rescueBoundDefault = 2 * time.Minute  // with the default lease
	testLease          = 3 * time.Second
)

// Whatever fails, whenever: the sweep ends with the bits of an undisturbed one. A
// host keeps a private PostgreSQL, and three workers with homes, addresses and links
// of their own share its sweep; the clocks of two of them are ten minutes wrong.
// DECONFOUND_CHAOS_SEED chooses another order and other moments.
func TestChaos(t *testing.T) {
	seed := uint64(1)
	if text := os.Getenv("DECONFOUND_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	normal := built
	defer func() { built = normal }()
	built = t.TempDir()
	if err := build(built, skewed(t)...); err != nil {
		t.Fatal(err)
	}
	data := cohort{name: "two", label: binary, rows: 900}
	plan := sweep{
		name: "chaos", dataset: `"two"`, variant: `"erm", "md", "db", "md_db", "groupdro", "ipw"`, seeds: "0, 1, 2", epochs: 400,
		more: `slice = "1s"` + "\n" + `retry = { max = 1000, on = ["lost", "plugin_crash", "plugin_start", "disk_full"] }`,
	}
	const runs = 18

	calm := newHome(t)
	calm.add(data)
	begin := time.Now()
	calm.trained(t, "--workers", "2", plan.write(calm))
	t.Logf("undisturbed: %v", time.Since(begin).Round(time.Second))

	h := newHome(t).withKey(calm)
	h.add(data)
	begin = time.Now()
	s := newStorm(t, h, rng.Stream(seed, "chaos"), plan.write(h))
	for i, m := range []struct {
		name  string
		lease time.Duration
		skew  int
	}{{"even", testLease, 0}, {"early", testLease, -600}, {"late", 0, 600}} {
		s.join(m.name, fmt.Sprintf("127.0.0.%d", 2+i), m.lease, m.skew, data, calm)
	}
	s.rage(runs * plan.epochs)
	s.settle()
	t.Logf("with %d faults: %v", s.faults, time.Since(begin).Round(time.Second))

	db := h.database()
	s.rescues(db)
	got, want := bitsOf(t, db), bitsOf(t, calm.database())
	if n := want.rows("runs"); n != runs {
		t.Errorf("%d runs, want %d", n, runs)
	}
	got.same(t, want)
}

// shuffled is the deck of faults in some order.
func shuffled(random *rand.Rand) []string {
	var out []string
	for _, d := range deck {
		for range d.n {
			out = append(out, d.fault)
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// within gives a query of the test's own a moment.
func within(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
}
