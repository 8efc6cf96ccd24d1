package proxy

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pollable is a connection below TLS. It tells when a read is about to wait, and
// can be asked to read without waiting, and it counts what was written: the
// three things a net.Conn can't say. It asks the kernel itself where it can: see
// read and write. One goroutine reads at a time and one writes, as TLS has it.
type pollable struct {
	net.Conn
	raw     syscall.RawConn // nil when the kernel's socket can't be had
	waiting func()          // called before a read waits, may be nil
	polling bool            // a read must not wait
	holding bool            // what is written waits for the next read
	held    []byte          // in here
	written int64           // bytes that the kernel took
	in, out transfer

	writing   sync.Mutex // guards what follows, and out
	collected []byte     // what leaves together, nil while writes leave at once
}

// transfer is one direction of a pollable, and the read or write that goes on.
type transfer struct {
	try func(fd uintptr) bool // false waits until it can go on
	p   []byte
	n   int   // its result
	err error // its result
}

func newPollable(conn net.Conn) *pollable {
	s := &pollable{Conn: conn}
	if c, ok := conn.(syscall.Conn); ok && canRead {
		if raw, err := c.SyscallConn(); err == nil {
			s.raw, s.in.try, s.out.try = raw, s.tryRead, s.tryWrite
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
	return s.in.run(p, s.raw.Read)
}

// hold makes what is written wait for the next read, which fails with an errHeard
// and writes nothing when there is something to be read before. It reports
// whether that can be done here.
func (s *pollable) hold() bool {
	s.holding = s.raw != nil
	return s.holding
}

// errHeard is a connection that has spoken or ended before it was asked. It
// counts as closed: what it says unasked could be taken for an answer.
type errHeard struct{}

func (errHeard) Error() string        { return "the connection has spoken or ended before a request" }
func (errHeard) Is(target error) bool { return target == net.ErrClosed }

// Write counts.
func (s *pollable) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	switch {
	case s.holding:
		s.held = append(s.held, p...)
		return len(p), nil
	case s.collected != nil:
		return s.add(p)
	}
	return s.write(p)
}

func (s *pollable) write(p []byte) (n int, err error) {
	if s.raw == nil {
		n, err = s.Conn.Write(p)
	} else {
		n, err = s.out.run(p, s.raw.Write)
	}
	s.written += int64(n)
	return n, err
}

// run transfers p by way of how, which calls try until that is true.
func (t *transfer) run(p []byte, how func(func(uintptr) bool) error) (int, error) {
	t.p, t.n, t.err = p, 0, nil
	err := how(t.try)
	t.p = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// tryRead is one read(2). It returns false to be called again when there is
// something to be read.
func (s *pollable) tryRead(fd uintptr) bool {
	s.in.n, s.in.err = read(fd, s.in.p)
	if s.holding {
		return s.ask()
	}
	if s.in.err != errAgain { //nolint:errorlint // it is ours, and never wrapped
		return true
	}
	if s.polling {
		s.in.err = errNothing{}
		return true
	}
	if s.waiting != nil {
		s.waiting()
	}
	return false
}

// ask writes what was held, after a read that should have found nothing. It
// returns false to wait for the answer, which can't be missed: the poller was
// told to look before this.
func (s *pollable) ask() bool {
	s.holding = false
	if s.in.err != errAgain { //nolint:errorlint // as above
		s.in.n, s.in.err = 0, errHeard{}
		return true
	}
	_, s.in.err = s.Write(s.held)
	if s.held = s.held[:0]; cap(s.held) > maxHeld {
		s.held = nil
	}
	return s.in.err != nil
}

// maxHeld is the room for what is held that an idle connection keeps.
const maxHeld = 2 << 10

// tryWrite writes what the kernel takes. It returns false to be called again
// when that takes more.
func (s *pollable) tryWrite(fd uintptr) bool {
	for t := &s.out; t.n < len(t.p); {
		n, err := write(fd, t.p[t.n:])
		if t.n += n; err == errAgain { //nolint:errorlint // as above
			return false
		}
		if t.err = err; err != nil {
			return true
		}
	}
	return true
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

// CloseWrite ends our half.
func (s *pollable) CloseWrite() error { return closeWrite(s.Conn) }

// errNothing is what a poll that found nothing returns. It is temporary for
// crypto/tls, which goes on after such an error.
type errNothing struct{}

func (errNothing) Error() string        { return "nothing to read" }
func (errNothing) Timeout() bool        { return true }
func (errNothing) Temporary() bool      { return true }
func (errNothing) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// failed is err as package net would have it, but for errAgain.
func failed(op string, err error) error {
	if err == nil || err == errAgain { //nolint:errorlint // what a system call returns is never wrapped
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, err)}
}
