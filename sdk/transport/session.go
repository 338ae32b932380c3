package transport

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// inFlight is the number of requests without a reply: as many as there are
// slots a direction.
const inFlight = 2

// session is the host's end of one stream. Requests are numbered and answered in
// order; a second one may be sent while the first is being worked on.
//
// A slot is used again two messages later. That is safe because a reply is
// unpacked in the receiving goroutine, in order, before its request counts as
// answered, so whoever sends message n has unpacked reply n-2.
type session struct {
	stream hostStream
	cancel func() // cuts the stream
	arena  *Arena // nil without a slab
	slab   slab
	limit  uint64
	tokens chan struct{} // holds one value per request in flight
	done   chan struct{} // closed when the stream has ended

	sending sync.Mutex // held while a message is packed and sent

	mu       sync.Mutex
	sequence uint64 // of the last request
	answered uint64 // of the last reply
	pending  map[uint64]*pending
	err      error // why no more requests are taken
}

var errClosed = sdk.Errorf(sdk.CodeClosed, "the session was closed")

// pending is a request without a reply.
type pending struct {
	what   string
	unpack func(*reader, *pb.PluginMessage) error // nil once the caller has left
	result chan error                             // of capacity 1
}

func newSession(stream hostStream, cancel func(), arena *Arena, limit uint64) *session {
	s := &session{
		stream:  stream,
		cancel:  cancel,
		limit:   limit,
		tokens:  make(chan struct{}, inFlight),
		done:    make(chan struct{}),
		pending: map[uint64]*pending{},
	}
	if offset, ok := arena.acquire(); ok {
		s.arena = arena
		s.slab = slab{arena: arena, offset: offset, slotSize: slotSize}
	}
	go s.receive()
	return s
}

// Done is closed when the stream has ended, for whatever reason.
func (s *session) Done() <-chan struct{} { return s.done }

// call sends the request that pack makes and has unpack read the reply. After
// an error of the transport (not of an error reply) the session takes no more
// requests. When ctx ends first, the session is given up too, because the plugin
// may be in the middle of anything.
func (s *session) call(ctx context.Context, what string, pack func(*writer) *pb.HostMessage, unpack func(*reader, *pb.PluginMessage) error) error {
	return s.start(ctx, what, pack, unpack)()
}

// start is call without waiting; what it returns waits, and must be called once.
func (s *session) start(ctx context.Context, what string, pack func(*writer) *pb.HostMessage, unpack func(*reader, *pb.PluginMessage) error) (wait func() error) {
	if err := ctx.Err(); err != nil {
		return func() error { return sdk.Wrap(sdk.CodeCanceled, err, "%s", what) }
	}
	failed := func(err error) func() error { return func() error { return err } }
	select {
	case s.tokens <- struct{}{}:
	case <-s.done:
		return failed(s.failure())
	case <-ctx.Done():
		return failed(sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "%s", what))
	}
	p := &pending{what: what, unpack: unpack, result: make(chan error, 1)}
	sequence, err := s.send(p, pack)
	if err != nil {
		<-s.tokens
		return failed(err)
	}
	return func() error {
		select {
		case err := <-p.result:
			return err
		case <-ctx.Done():
			return s.leave(ctx, p, sequence)
		}
	}
}

// send packs and sends one request. On an error nothing is pending.
func (s *session) send(p *pending, pack func(*writer) *pb.HostMessage) (uint64, error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return 0, s.failure()
	}
	sequence := s.sequence + 1
	s.mu.Unlock()

	var m *pb.HostMessage
	err := s.slab.write(fromHost, sequence, func(w *writer) error {
		m = pack(w)
		m.Sequence = sequence
		return checkSize(m, p.what, s.limit)
	})
	if err != nil {
		return 0, err
	}

	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return 0, s.failure()
	}
	s.sequence = sequence
	s.pending[sequence] = p
	s.mu.Unlock()
	if err := s.stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		s.close(streamError(err))
		s.cancel()
	}
	// After io.EOF the receiver gets the stream's real error; in both cases it
	// ends this request as all others.
	return sequence, nil
}

// leave gives up waiting for a reply, unless it is being unpacked already.
func (s *session) leave(ctx context.Context, p *pending, sequence uint64) error {
	s.mu.Lock()
	if _, waiting := s.pending[sequence]; !waiting {
		s.mu.Unlock()
		return <-p.result
	}
	p.unpack = nil
	s.mu.Unlock()
	err := sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "%s", p.what)
	s.fail(err)
	return err
}

// fail takes no more requests and tells the plugin that none will come. The
// receiver goes on until the plugin has ended the stream: only then does it no
// longer write to the session's slab.
func (s *session) fail(err error) {
	s.close(err)
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.stream.CloseSend()
}

// close records why no more requests are taken; the first reason stays.
func (s *session) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// end closes the session from the host's side.
func (s *session) end() {
	s.fail(errClosed)
}

// Abort cuts the stream without waiting for the plugin.
func (s *session) Abort() { s.cancel() }

// failure is the reason of close.
func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// receive unpacks replies until the stream ends.
func (s *session) receive() {
	var err error
	for {
		var m *pb.PluginMessage
		if m, err = s.stream.Recv(); err != nil {
			break
		}
		if err = s.deliver(m); err != nil {
			break
		}
	}
	clean := errors.Is(err, io.EOF)
	var own *sdk.Error
	if !errors.As(err, &own) {
		err = streamError(err)
	}
	s.cancel()

	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	err = s.err
	waiting := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, p := range waiting {
		p.result <- err
	}
	if clean && s.arena != nil {
		// After any other end the plugin may still be writing to the slab; it is
		// then lost until the process ends.
		s.arena.release(s.slab.offset)
	}
	close(s.done)
}

// deliver unpacks one reply for the request that waits for it. An error of its
// own ends the session.
func (s *session) deliver(m *pb.PluginMessage) error {
	s.mu.Lock()
	sequence := m.GetSequence()
	p := s.pending[sequence]
	if p == nil || sequence != s.answered+1 {
		s.mu.Unlock()
		return sdk.Errorf(sdk.CodeProtocol, "the plugin answered message %d, %d was next", sequence, s.answered+1)
	}
	s.answered = sequence
	delete(s.pending, sequence)
	unpack := p.unpack
	s.mu.Unlock()

	var err error
	switch {
	case unpack == nil:
	case m.GetError() != nil:
		err = unpackError(m.GetError())
		if sdk.CodeOf(err) == sdk.CodePanic {
			s.close(sdk.Errorf(sdk.CodeClosed, "the session ended with a panic"))
		}
	default:
		err = s.slab.read(fromPlugin, sequence, true, func(r *reader) error { return unpack(r, m) })
	}
	p.result <- err
	<-s.tokens
	if sdk.CodeOf(err) == sdk.CodeProtocol && m.GetError() == nil {
		return err
	}
	return nil
}
