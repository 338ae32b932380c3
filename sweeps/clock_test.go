package sweeps

import (
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A job that is put back keeps its place, and is due at once, on a machine whose
// clock is ten minutes wrong; the server says what the right time is.
func TestProcess_PutBack(t *testing.T) {
	p := &process{}
	for _, wrong := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		p.clock.offset.Store(int64(wrong))
		server := time.Now().Add(wrong)
		for _, test := range []struct{ due, least, most time.Duration }{
			{-time.Hour, -61 * time.Minute, -time.Hour}, // waited for an hour
			{time.Hour, 0, 0}, // by a clock that was wrong in turn
		} {
			err := p.putBack(&river.Job[sliceArgs]{JobRow: &rivertype.JobRow{ScheduledAt: server.Add(test.due)}})
			snooze, ok := err.(*river.JobSnoozeError) //nolint:errorlint // it is not wrapped
			if !ok || snooze.Duration < test.least || snooze.Duration > test.most {
				t.Errorf("clock wrong by %v, due in %v: got %v", wrong, test.due, err)
			}
		}
	}
	store := trackertest.New(t)
	p.clock.offset.Store(int64(time.Hour))
	if err := p.clock.set(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if off := time.Duration(p.clock.offset.Load()).Abs(); off > time.Minute {
		t.Errorf("the server of this machine is %v off", off)
	}
}
