package sweeps

import (
	"context"
	"time"
)

// retainInterval is how often a worker removes what the settings of owners no longer
// keep; retainGrace is how long contents of artifacts stay that nothing names.
const (
	retainInterval = time.Hour
	retainGrace    = 24 * time.Hour
)

// retain removes what the owners of sweeps have said need not be kept so long, so that
// nobody has to. Several workers may do it at once.
func (p *process) retain(ctx context.Context) {
	freed, err := p.store.Retain(ctx)
	for what, bytes := range freed {
		p.log.Info("removed by retention", "what", what, "bytes", bytes)
	}
	if _, contents := freed["artifacts"]; err == nil && (contents || freed["logs"] > 0) {
		_, err = p.store.CollectGarbage(ctx, retainGrace)
	}
	if err != nil && ctx.Err() == nil {
		p.log.Warn("could not remove what is no longer kept", "error", err)
	}
}
