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
		var late []string
		add := func(name string, timeout time.Duration) *deadline {
			return d.add(timeout, func() { late = append(late, name+" after "+time.Since(begin).String()) })
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
		synctest.Wait()
		want := []string{"urgent after 9.5s", "between after 10s", "second after 39s", "long after 1m0s"}
		if !slices.Equal(late, want) {
			t.Errorf("got %q, want %q", late, want)
		}
		begin = time.Now()
		add("again", 3*time.Second)
		<-time.After(4 * time.Second) // of the bubble
		synctest.Wait()
		if got := late[len(late)-1]; got != "again after 3s" {
			t.Errorf("got %q, want that it waits again", got)
		}
	})
}
