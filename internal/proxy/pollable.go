package proxy

import (
	"net"
	"os"
	"syscall"
	"time"
)

// pollable is an upstream connection below TLS. It tells when a read is about to
// wait, and can be asked to read without waiting, and it counts what was
// written: the three things a net.Conn can't say.
type pollable struct {
	net.Conn
	raw     syscall.RawConn // nil when the kernel's socket can't be had
	try     func(fd uintptr) bool
	waiting func() // called before a read waits, may be nil
	polling bool   // a read must not wait
	written int64  // bytes that the kernel took
	p       []byte // of the read that goes on
	n       int    // its result
	err     error  // its result
}

func newPollable(conn net.Conn) *pollable {
	s := &pollable{Conn: conn}
	if c, ok := conn.(syscall.Conn); ok && canRead {
		if raw, err := c.SyscallConn(); err == nil {
			s.raw, s.try = raw, s.tryRead
		}
	}
	return s
}

// Read waits for data unless the socket is polled.
func (s *pollable) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.raw == nil {
		return s.readBlindly(p)
	}
	s.p, s.n, s.err = p, 0, nil
	err := s.raw.Read(s.try)
	s.p = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// tryRead is one read(2). It returns false to be called again when there is
// something to be read.
func (s *pollable) tryRead(fd uintptr) bool {
	s.n, s.err = read(fd, s.p)
	if s.err != errAgain { //nolint:errorlint // it is ours, and never wrapped
		return true
	}
	if s.polling {
		s.err = errNothing{}
		return true
	}
	if s.waiting != nil {
		s.waiting()
	}
	return false
}

// pollTime is how long a poll lasts where the system's socket is out of reach.
const pollTime = time.Millisecond

func (s *pollable) readBlindly(p []byte) (int, error) {
	if s.polling {
		_ = s.SetReadDeadline(time.Now().Add(pollTime))
		defer func() { _ = s.SetReadDeadline(time.Time{}) }()
	} else if s.waiting != nil {
		s.waiting()
	}
	return s.Conn.Read(p)
}

// Write counts.
func (s *pollable) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.written += int64(n)
	return n, err
}

// CloseWrite ends our half.
func (s *pollable) CloseWrite() error { return closeWrite(s.Conn) }

// errNothing is what a poll that found nothing returns. It is temporary for
// crypto/tls, which goes on after such an error.
type errNothing struct{}

func (errNothing) Error() string        { return "nothing to read" }
func (errNothing) Timeout() bool        { return true }
func (errNothing) Temporary() bool      { return true }
func (errNothing) Is(target error) bool { return target == os.ErrDeadlineExceeded }
