package transport

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// handle unpacks a request, calls the author's code and packs its response.
func (h *handler) handle(ctx context.Context, m *pb.HostMessage, reply *pb.PluginMessage) error {
	switch r := m.GetRequest().(type) {
	case *pb.HostMessage_OpenBackbone:
		return h.handleOpenBackbone(ctx, r.OpenBackbone, reply)
	case *pb.HostMessage_OpenStrategy:
		return h.handleOpenStrategy(ctx, r.OpenStrategy, reply)
	}
	if h.author() == nil {
		return sdk.Errorf(sdk.CodeProtocol, "%T before the session was opened", m.GetRequest())
	}
	n := m.GetSequence()
	switch r := m.GetRequest().(type) {
	case *pb.HostMessage_Snapshot:
		return exchange(h, n, struct{}{}, nothing, h.snapshot(ctx), func(w *writer, resp sdk.SnapshotResponse) {
			reply.Reply = &pb.PluginMessage_Snapshot{Snapshot: packSnapshot(w, resp)}
		})
	case *pb.HostMessage_Restore:
		return exchange(h, n, r.Restore, unpackRestore, bind(ctx, h.author().Restore), func(*writer, sdk.RestoreResponse) {
			reply.Reply = &pb.PluginMessage_Restore{Restore: &pb.RestoreResponse{}}
		})
	case *pb.HostMessage_Close:
		return h.handleClose(ctx, reply)
	}
	if h.backbone != nil {
		switch r := m.GetRequest().(type) {
		case *pb.HostMessage_Forward:
			return exchange(h, n, r.Forward, unpackForward, bind(ctx, h.backbone.Forward), func(w *writer, resp sdk.ForwardResponse) {
				reply.Reply = &pb.PluginMessage_Forward{Forward: packForwarded(w, resp)}
			})
		case *pb.HostMessage_Backward:
			return exchange(h, n, r.Backward, unpackBackward, bind(ctx, h.backbone.Backward), func(w *writer, resp sdk.BackwardResponse) {
				reply.Reply = &pb.PluginMessage_Backward{Backward: packBackwarded(w, resp)}
			})
		}
	}
	if h.strategy != nil {
		switch r := m.GetRequest().(type) {
		case *pb.HostMessage_Augment:
			return exchange(h, n, r.Augment, unpackAugment, bind(ctx, h.strategy.Augment), func(w *writer, resp sdk.AugmentResponse) {
				reply.Reply = &pb.PluginMessage_Augment{Augment: packAugmented(w, resp)}
			})
		case *pb.HostMessage_Objective:
			return exchange(h, n, r.Objective, unpackObjective, bind(ctx, h.strategy.Objective), func(w *writer, resp sdk.ObjectiveResponse) {
				reply.Reply = &pb.PluginMessage_Objective{Objective: packObjected(w, resp)}
			})
		}
		if handled, err := h.handleOptional(ctx, m, reply); handled {
			return err
		}
	}
	return sdk.Errorf(sdk.CodeUnsupported, "this session does not take %T", m.GetRequest())
}

// handleOptional handles what only some strategies take; handled says whether this
// one does.
func (h *handler) handleOptional(ctx context.Context, m *pb.HostMessage, reply *pb.PluginMessage) (handled bool, err error) {
	n := m.GetSequence()
	switch r := m.GetRequest().(type) {
	case *pb.HostMessage_Stage:
		if s, ok := h.strategy.(sdk.Stager); ok {
			return true, exchange(h, n, r.Stage, unpackStage, bind(ctx, s.Stage), func(_ *writer, resp sdk.StageResponse) {
				reply.Reply = &pb.PluginMessage_Stage{Stage: &pb.StageResponse{Terms: packTerms(resp.Terms)}}
			})
		}
	case *pb.HostMessage_Mix:
		if s, ok := h.strategy.(sdk.Mixer); ok {
			return true, exchange(h, n, r.Mix, unpackMix, bind(ctx, s.Mix), func(w *writer, resp sdk.MixResponse) {
				reply.Reply = &pb.PluginMessage_Mix{Mix: packMixed(w, resp)}
			})
		}
	case *pb.HostMessage_Fit:
		if s, ok := h.strategy.(sdk.Fitter); ok {
			return true, exchange(h, n, r.Fit, unpackFit, bind(ctx, s.Fit), func(_ *writer, resp sdk.FitResponse) {
				reply.Reply = &pb.PluginMessage_Fit{Fit: &pb.FitResponse{Terms: packTerms(resp.Terms)}}
			})
		}
	case *pb.HostMessage_Adjust:
		if s, ok := h.strategy.(sdk.Fitter); ok {
			return true, exchange(h, n, r.Adjust, unpackAdjust, bind(ctx, s.Adjust), func(w *writer, resp sdk.AdjustResponse) {
				reply.Reply = &pb.PluginMessage_Adjust{Adjust: packAdjusted(w, resp)}
			})
		}
	}
	return false, nil
}

// exchange is one call of the author's code between two conversions. The
// request may be a view of the slot; the host does not write to it before it has
// the reply.
func exchange[W, Req, Resp any](h *handler, sequence uint64, wire W, unpack func(*reader, W) (Req, error), call func(Req, *Resp) error, pack func(*writer, Resp)) error {
	var req Req
	if err := h.slab.read(fromHost, sequence, false, func(r *reader) (err error) {
		req, err = unpack(r, wire)
		return err
	}); err != nil {
		return err
	}
	var resp Resp
	if err := call(req, &resp); err != nil {
		return err
	}
	return h.slab.write(fromPlugin, sequence, func(w *writer) error {
		pack(w, resp)
		return nil
	})
}

// bind gives a method of a session its context.
func bind[Req, Resp any](ctx context.Context, method func(context.Context, Req, *Resp) error) func(Req, *Resp) error {
	return func(req Req, resp *Resp) error { return method(ctx, req, resp) }
}

func (h *handler) snapshot(ctx context.Context) func(struct{}, *sdk.SnapshotResponse) error {
	return func(_ struct{}, resp *sdk.SnapshotResponse) error {
		return h.author().Snapshot(ctx, sdk.SnapshotRequest{}, resp)
	}
}

// nothing unpacks a request without content.
func nothing(*reader, struct{}) (struct{}, error) { return struct{}{}, nil }

// handleOpenBackbone opens a session of a backbone.
func (h *handler) handleOpenBackbone(ctx context.Context, m *pb.OpenBackboneRequest, reply *pb.PluginMessage) error {
	if h.author() != nil {
		return sdk.Errorf(sdk.CodeProtocol, "the session is open already")
	}
	if h.server.openBackbone == nil {
		return sdk.Errorf(sdk.CodeUnsupported, "this plugin is no backbone")
	}
	if err := h.adopt(m.GetChannel()); err != nil {
		return err
	}
	req, err := unpackOpenBackbone(&reader{}, m)
	if err != nil {
		return err
	}
	var resp sdk.OpenResponse
	if err := h.server.openBackbone(ctx, req, &resp); err != nil {
		return err
	}
	if resp.Session == nil {
		return sdk.Errorf(sdk.CodeInternal, "the plugin's Open returned neither a session nor an error")
	}
	h.backbone = resp.Session
	reply.Reply = &pb.PluginMessage_Open{Open: &pb.OpenResponse{}}
	return nil
}

// handleOpenStrategy opens a session of a strategy.
func (h *handler) handleOpenStrategy(ctx context.Context, m *pb.OpenStrategyRequest, reply *pb.PluginMessage) error {
	if h.author() != nil {
		return sdk.Errorf(sdk.CodeProtocol, "the session is open already")
	}
	if h.server.openStrategy == nil {
		return sdk.Errorf(sdk.CodeUnsupported, "this plugin is no strategy")
	}
	if err := h.adopt(m.GetChannel()); err != nil {
		return err
	}
	req, err := unpackOpenStrategy(&reader{}, m)
	if err != nil {
		return err
	}
	var resp sdk.StrategyOpenResponse
	if err := h.server.openStrategy(ctx, req, &resp); err != nil {
		return err
	}
	if resp.Session == nil {
		return sdk.Errorf(sdk.CodeInternal, "the plugin's Open returned neither a session nor an error")
	}
	h.strategy = resp.Session
	opened := &pb.OpenResponse{}
	if stager, ok := resp.Session.(sdk.Stager); ok {
		opened.Stages = packStages(stager.Stages())
	}
	reply.Reply = &pb.PluginMessage_Open{Open: opened}
	return nil
}

// adopt takes over how the host wants tensors to travel.
func (h *handler) adopt(c *pb.Channel) error {
	var err error
	if h.slab, err = h.server.arena.slabAt(c.GetOffset(), c.GetSlotSize()); err != nil {
		return err
	}
	if c.GetMaxMessage() > 0 {
		h.limit = c.GetMaxMessage()
	}
	return nil
}

// handleClose ends the session, whatever the author's Close answers.
func (h *handler) handleClose(ctx context.Context, reply *pb.PluginMessage) error {
	a := h.author()
	h.backbone, h.strategy = nil, nil
	if err := a.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{}); err != nil {
		return err
	}
	reply.Reply = &pb.PluginMessage_Close{Close: &pb.CloseResponse{}}
	return nil
}
