package plugin

import (
	"os"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

// A run's memory is its share of the host and of its plugin while others use them
// too, and there is no room for another beyond the limit.
func TestMeter(t *testing.T) {
	if _, err := ownMemory(os.Getpid()); err != nil {
		t.Skipf("cannot see what a process uses: %v", err)
	}
	const size = 64 << 20
	e := install(t, t.TempDir(), "backbone", "misbehave")
	pool := newPool(t, PoolConfig{})
	m := NewMeter(pool)
	if !m.Room(0) || !m.Room(1<<40) || m.Room(1) {
		t.Error("room without a run is not as the limit says")
	}
	alone := m.Begin(e)
	s, err := pool.OpenBackbone(t.Context(), e, openRequest("keep", size))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forward(t.Context(), sdk.ForwardRequest{Rows: []int32{0}, Availability: []uint64{1}}, &sdk.ForwardResponse{}); err != nil {
		t.Fatal(err)
	}
	other := m.Begin().End() // uses no plugin
	first := alone.End()
	if first.Plugins < size || first.Plugins > 2*size || first.Host <= 0 {
		t.Errorf("the run alone used %+v, its plugin keeps %d", first, size)
	}
	if other.Plugins != 0 || other.Host <= 0 || other.Host > first.Host*3/4 {
		t.Errorf("one of two runs used %+v, the other %+v when it was alone", other, first)
	}
	if alone.End() != first {
		t.Error("a second end changes what was measured")
	}

	a, b := m.Begin(e), m.Begin(e)
	for _, shared := range []Usage{a.End(), b.peak} {
		if shared.Plugins < size/2 || shared.Plugins >= first.Plugins {
			t.Errorf("one of two runs of a plugin used %+v, alone it was %+v", shared, first)
		}
	}
	b.End()
	m.mu.Lock()
	total := m.sample()
	m.mu.Unlock()
	if m.Room(total + first.Sum()/2) {
		t.Error("room for half a run")
	}
	if !m.Room(2 * (total + first.Sum())) {
		t.Error("no room for a whole run")
	}
}
