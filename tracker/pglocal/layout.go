package pglocal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// layout is where the parts of a cluster are. It depends on the directory and
// the user only, so that every process finds the same.
type layout struct {
	usersLock      string
	supervisorLock string
	home           string // of all below
	data           string
	log            string
	socket         string // directory
	account        *account
}

// account is the user that the server runs as; nil = the one that we are.
type account struct {
	Name     string
	UID, GID uint32
}

// rootHome holds the clusters of root whose directory the server's user cannot
// reach.
const rootHome = "/var/lib/deconfound"

// maxSocketDir is the length of a socket directory's name at which the socket's
// own name still fits into the 104 bytes of the strictest system.
const maxSocketDir = 104 - len("/.s.PGSQL.5432.lock") - 1

func newLayout(dir string) (layout, error) {
	mode := os.FileMode(0o700)
	account, err := serverAccount()
	if err != nil {
		return layout{}, err
	}
	if account != nil {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return layout{}, err
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:12]
	l := layout{
		usersLock:      filepath.Join(dir, "users.lock"),
		supervisorLock: filepath.Join(dir, "supervisor.lock"),
		home:           dir,
		account:        account,
	}
	if account != nil && !reachable(dir, account) {
		l.home = filepath.Join(rootHome, id)
		if err := os.MkdirAll(l.home, mode); err != nil {
			return layout{}, err
		}
		if !reachable(l.home, account) {
			return layout{}, fmt.Errorf("user %s can reach neither %s nor %s", account.Name, dir, l.home)
		}
	}
	l.data = filepath.Join(l.home, "data")
	l.log = filepath.Join(l.home, "postgres.log")
	l.socket = filepath.Join(l.home, "socket")
	if len(l.socket) > maxSocketDir {
		l.socket = filepath.Join("/tmp", fmt.Sprintf("deconfound-%d-%s", os.Getuid(), id))
	}
	return l, nil
}

// serverAccount answers whom the server runs as when we are root, which
// PostgreSQL refuses to be.
func serverAccount() (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &account{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// reachable says whether the account may traverse the directory and all above.
func reachable(dir string, a *account) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		need := os.FileMode(0o001)
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			switch {
			case stat.Uid == a.UID:
				need = 0o100
			case stat.Gid == a.GID:
				need = 0o010
			}
		}
		if info.Mode()&need == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// makeSocketDir makes the socket directory, and refuses one that somebody else
// has put there.
func (l layout) makeSocketDir() error {
	if err := os.Mkdir(l.socket, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(l.socket)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	mine := ok && (int(stat.Uid) == os.Getuid() || l.account != nil && stat.Uid == l.account.UID)
	if !info.IsDir() || !mine {
		return fmt.Errorf("%s belongs to somebody else; remove it or choose another directory", l.socket)
	}
	if err := os.Chmod(l.socket, 0o700); err != nil {
		return err
	}
	return l.own(l.socket)
}

// own gives a file to the server's account.
func (l layout) own(path string) error {
	if l.account == nil {
		return nil
	}
	return os.Lchown(path, int(l.account.UID), int(l.account.GID))
}

func (l layout) dsn(database string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=5432 user=%s dbname=%s sslmode=disable connect_timeout=10", quote.Replace(l.socket), User, database)
}
