package trackertest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Link is a network between a client and a server that a test can cut.
type Link struct {
	listener        net.Listener
	network, target string
	pumps           sync.WaitGroup

	mu    sync.Mutex
	flows chan struct{} // closed while data may pass
	conns map[net.Conn]struct{}
}

// NewLink listens at an address (port 0 finds a free one) and passes what comes to
// the target, until the test ends.
func NewLink(t testing.TB, address, network, target string) *Link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{listener: listener, network: network, target: target, flows: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(l.flows)
	l.pumps.Go(l.accept)
	t.Cleanup(func() {
		listener.Close()
		l.Heal()
		l.Break()
		l.pumps.Wait()
	})
	return l
}

// LinkTo is a link to the server of a DSN, and a DSN that leads over it.
func LinkTo(t testing.TB, to string) (l *Link, over string) {
	t.Helper()
	config, err := pgx.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	network, target := pgconn.NetworkAddress(config.Host, config.Port)
	l = NewLink(t, "127.0.0.1:0", network, target)
	host, port := l.Address()
	config.Host, config.Port = host, port
	return l, dsn(config, config.Database)
}

// Address is where the link listens.
func (l *Link) Address() (host string, port uint16) {
	a := l.listener.Addr().(*net.TCPAddr) //nolint:forcetypeassert // it listens on tcp
	return a.IP.String(), uint16(a.Port)
}

// Cut lets nothing pass any more and tells nobody: connections stay open, new ones
// are taken and get no answer.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flows:
		l.flows = make(chan struct{})
	default: // it is cut
	}
}

// Heal lets everything pass that was held up, and what comes after it.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flows:
	default:
		close(l.flows)
	}
}

// Break ends all connections; what was held up is lost.
func (l *Link) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		conn.Close()
	}
}

func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.pumps.Go(func() { l.serve(conn) })
	}
}

func (l *Link) serve(client net.Conn) {
	defer l.drop(client)
	l.keep(client)
	if !l.passes(client) {
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), l.network, l.target)
	if err != nil {
		return
	}
	defer l.drop(server)
	l.keep(server)
	back := make(chan struct{})
	go func() {
		defer close(back)
		l.pump(client, server)
	}()
	l.pump(server, client)
	<-back
}

// pump copies until either end closes, then closes both.
func (l *Link) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !l.passes(from) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// passes waits until data may pass; false if the connection was ended meanwhile.
func (l *Link) passes(conn net.Conn) bool {
	l.mu.Lock()
	flows := l.flows
	l.mu.Unlock()
	<-flows
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.conns[conn]
	return ok
}

func (l *Link) keep(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[conn] = struct{}{}
}

func (l *Link) drop(conn net.Conn) {
	conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}
