package transport

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk"
)

// NewDoor makes the door of one plugin process.
func NewDoor() (*Door, error) {
	host, plugin, err := socketPair()
	if err != nil {
		return nil, err
	}
	return &Door{file: os.NewFile(uintptr(host), "door"), other: os.NewFile(uintptr(plugin), "door")}, nil
}

// socketPair makes two connected sockets that Go's poller can wait for and that
// no child inherits by itself.
func socketPair() (host, plugin int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("make sockets: %w", err)
	}
	return pair[0], pair[1], nil
}

// Greeted reports whether the plugin takes sessions from its door. It must be
// asked after the handshake, which the greeting precedes.
func (d *Door) Greeted() bool {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	n := 0
	_ = raw.Control(func(fd uintptr) {
		n, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT)
	})
	return err == nil && n == 1 && b[0] == greeting
}

// open makes the socket of one session and passes the other end to the plugin.
func (d *Door) open() (*os.File, error) {
	host, plugin, err := socketPair()
	if err != nil {
		return nil, sdk.Wrap(sdk.CodeInternal, err, "open a session")
	}
	defer unix.Close(plugin)
	raw, err := d.file.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) {
			err = unix.Sendmsg(int(fd), []byte{greeting}, unix.UnixRights(plugin), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		})
		err = errors.Join(err, controlErr)
	}
	if err != nil {
		unix.Close(host)
		return nil, sdk.Errorf(sdk.CodePluginCrash, "the plugin takes no sessions: %s", err)
	}
	return os.NewFile(uintptr(host), "session"), nil
}

// endOfWriting says on a socket that nothing more will be written.
func endOfWriting(socket *os.File) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return errors.Join(err, controlErr)
}

// OpenDoor takes the door that the process inherited as fd and greets the host.
func OpenDoor(fd int) (*Door, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	if _, err := unix.Write(fd, []byte{greeting}); err != nil {
		return nil, fmt.Errorf("greet the host: %w", err)
	}
	return &Door{file: os.NewFile(uintptr(fd), "door")}, nil
}

// accept waits for the next session.
func (d *Door) accept() (*os.File, error) {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	if waitErr := raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, _, _, err = unix.Recvmsg(int(fd), b[:], oob, unix.MSG_CMSG_CLOEXEC)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	}); waitErr != nil {
		return nil, waitErr
	}
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, os.ErrClosed
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, errNoSocket
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errNoSocket
	}
	return os.NewFile(uintptr(fds[0]), "session"), nil
}
