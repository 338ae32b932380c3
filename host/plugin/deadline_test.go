package plugin

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Every call that lasts too long is ended at its own time, whatever the order in
// which calls begin and end, and no other.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var d deadlines
		ended := make(chan string, 8)
		add := func(name string, timeout time.Duration) *deadline {
			return d.add(timeout, func() { ended <- name + " after " + time.Since(begin).String() })
		}
		short := add("short", time.Second)
		add("long", time.Minute)
		add("between", 10*time.Second)
		d.remove(short)
		d.remove(short)               // of a session that has two reasons to end
		<-time.After(9 * time.Second) // of the bubble
		add("second", 30*time.Second)
		d.remove(add("ended", 2*time.Second))
		add("urgent", 500*time.Millisecond)
		<-time.After(time.Hour) // of the bubble
		add("again", 3*time.Second)
		<-time.After(4 * time.Second)
		synctest.Wait()
		close(ended)
		want := []string{"urgent after 9.5s", "between after 10s", "second after 39s", "long after 1m0s", "again after 1h0m12s"}
		var got []string
		for late := range ended {
			got = append(got, late)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
