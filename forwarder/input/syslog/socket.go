package syslog

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openUDP gives a bound socket that the runtime's poller does not know.
func openUDP(a address) (int, error) {
	to, err := net.ResolveUDPAddr("udp", a.hostPort())
	if err != nil {
		return -1, fmt.Errorf("listening on udp://%s: %w", a.hostPort(), err)
	}
	var fd int
	if ip4 := to.IP.To4(); ip4 != nil {
		fd, err = bindUDP(unix.AF_INET, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(ip4)})
	} else {
		sa := &unix.SockaddrInet6{Port: to.Port, ZoneId: zone(to.Zone)}
		copy(sa.Addr[:], to.IP)
		fd, err = bindUDP(unix.AF_INET6, sa)
		if to.IP == nil && errors.Is(err, unix.EAFNOSUPPORT) { // a machine without IPv6
			fd, err = bindUDP(unix.AF_INET, &unix.SockaddrInet4{Port: to.Port})
		}
	}
	if err != nil {
		return -1, explain(a, err)
	}
	return fd, nil
}

// bindUDP opens a socket. One for every IPv6 address takes IPv4 too.
func bindUDP(family int, sa unix.Sockaddr) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func zone(name string) uint32 {
	if ifc, err := net.InterfaceByName(name); err == nil {
		return uint32(ifc.Index) //nolint:gosec // an index
	}
	n, _ := strconv.ParseUint(name, 10, 32)
	return uint32(n)
}

// openUnixDatagram gives a bound socket that the runtime's poller does not know.
func openUnixDatagram(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return -1, errors.Join(explain(address{path: path}, err), unix.Close(fd))
	}
	return fd, nil
}

// setReceiveBuffer asks for a receive buffer of so many bytes and says what the
// kernel gave, which counts overhead and so is twice what it granted. Only who
// has CAP_NET_ADMIN gets more than net.core.rmem_max.
func setReceiveBuffer(fd, asked int) (got int, err error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, asked) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, asked); err != nil {
			return 0, fmt.Errorf("setting a receive buffer of %d bytes: %w", asked, err)
		}
	}
	got, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0, fmt.Errorf("asking for the receive buffer: %w", err)
	}
	return got, nil
}

// socketFile is a socket in the file system.
type socketFile struct {
	path string
	stat os.FileInfo // of what we made
}

// clearPath makes sure that a socket can be made at path: what a listener left
// that is no more is removed, anything else is an error.
func clearPath(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket: remove it, or name another path", path)
	}
	for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", path, err)
		}
		err = errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
		switch {
		case errors.Is(err, unix.EPROTOTYPE): // somebody listens, but not for that
		case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOENT):
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing a socket that nobody listens on: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("looking whether somebody listens on %s: %w", path, err)
		default:
			return fmt.Errorf("somebody listens on %s already: `ss -xlp src %s` shows who", path, path)
		}
	}
	return fmt.Errorf("somebody listens on %s already: `ss -xlp src %s` shows who", path, path)
}

// madeSocket sets the permissions of a socket that was just bound, or removes it.
func madeSocket(cfg *Config, path string) (*socketFile, error) {
	if err := setOwner(cfg, path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	st, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at the socket: %w", err)
	}
	return &socketFile{path, st}, nil
}

func setOwner(cfg *Config, path string) error {
	uid, err := id(cfg.Owner, user.Lookup, func(u *user.User) string { return u.Uid })
	if err != nil {
		return fmt.Errorf("owner of %s: %w", path, err)
	}
	gid, err := id(cfg.Group, user.LookupGroup, func(g *user.Group) string { return g.Gid })
	if err != nil {
		return fmt.Errorf("group of %s: %w", path, err)
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Lchown(path, uid, gid); err != nil {
			return fmt.Errorf("giving the socket to its owner needs root, or to be in that group: %w", err)
		}
	}
	if err := os.Chmod(path, cfg.Mode); err != nil {
		return fmt.Errorf("permissions of the socket: %w", err)
	}
	return nil
}

// remove takes the socket away, unless another one is in its place.
func (s *socketFile) remove() error {
	if s == nil {
		return nil
	}
	if st, err := os.Lstat(s.path); err != nil || !os.SameFile(st, s.stat) {
		return nil //nolint:nilerr // there is nothing of ours
	}
	return os.Remove(s.path)
}

// id gives the number for a name or number, -1 for none.
func id[T any](name string, lookup func(string) (*T, error), number func(*T) string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return n, nil
	}
	found, err := lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(number(found))
}

// explain says what to do about a socket that can't be opened.
func explain(a address, err error) error {
	where, what := a.path, ""
	if a.path == "" {
		where = a.scheme + "://" + a.hostPort()
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && a.path == "":
		what = fmt.Sprintf("the port is taken: `ss -lnp sport = :%d` shows by whom", a.port)
	case errors.Is(err, syscall.EADDRINUSE):
		what = "somebody made it meanwhile"
	case errors.Is(err, syscall.EACCES) && a.path == "" && a.port < 1024:
		what = "ports below 1024 need CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or take a higher one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		what = "no interface of this machine has that address"
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		what = fmt.Sprintf("make the folder %s first (systemd: RuntimeDirectory=)", filepath.Dir(a.path))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		what = fmt.Sprintf("let user %d write in %s", os.Geteuid(), filepath.Dir(a.path))
	case errors.Is(err, syscall.EROFS):
		what = "the file system is read-only: name another path"
	default:
		return fmt.Errorf("listening on %s: %w", where, err)
	}
	return fmt.Errorf("listening on %s: %w: %s", where, err, what)
}
