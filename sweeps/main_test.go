package sweeps

import (
	"testing"

	"go.uber.org/goleak"
)

// Every goroutine that a worker starts has ended when the tests have. The
// private cluster reaps its supervisor in a goroutine of its own.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/deconfound/deconfound/tracker/pglocal.(*Cluster).spawn.func1"))
}
