package plugin

import (
	"io"
	"time"
)

// Config is how processes are run. The zero value is good.
type Config struct {
	// Log gets every line the process prints; nil keeps the last 200 only.
	Log io.Writer
	// Timeouts bound the calls of sessions; zero fields take the defaults.
	Timeouts Timeouts
	// MaxMessage is the size in bytes of the largest message; 0 is 1 GiB.
	MaxMessage int
	// NoSharedMemory has tensors travel inside messages.
	NoSharedMemory bool
	// NoSockets has sessions travel over gRPC, as with a plugin that takes no
	// sockets.
	NoSockets bool
	// Getenv looks up the host's environment; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
}

// Timeouts are the longest times a plugin may take; after them its process is
// killed.
type Timeouts struct {
	Info  time.Duration // default 30 s
	Open  time.Duration // default 5 min: a plugin may look at all training rows
	Step  time.Duration // forward, backward, augment, objective: default 2 min
	State time.Duration // snapshot, restore: default 5 min
	Close time.Duration // default 30 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Info, 30 * time.Second},
		{&t.Open, 5 * time.Minute},
		{&t.Step, 2 * time.Minute},
		{&t.State, 5 * time.Minute},
		{&t.Close, 30 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return t
}
