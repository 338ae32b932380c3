package tracker_test

import (
	"testing"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestMigrate_Again(t *testing.T) {
	s := trackertest.New(t)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	applied, newest, err := s.SchemaVersion(t.Context())
	if err != nil || applied != newest || newest < 4 {
		t.Errorf("got version %d of %d, %v; want the newest", applied, newest, err)
	}
}
