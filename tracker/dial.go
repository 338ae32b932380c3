package tracker

import (
	"net"
	"time"
)

// Patience with a silent server.
const (
	connectTimeout = 10 * time.Second
	silenceLimit   = time.Minute // of data that is not acknowledged
)

// dialer notices a link that is cut within silenceLimit: by keepalives if nothing
// was sent, and by the missing acknowledgement otherwise.
var dialer = &net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 10 * time.Second, Count: 4},
	Control:         limitSilence,
}
