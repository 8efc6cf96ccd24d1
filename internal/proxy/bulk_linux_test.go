package proxy

import (
	"bufio"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// records is a reader that brings no more than a TLS record at a time.
type records struct{ io.Reader }

func (r records) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), recordSize)]) }

// TestGather: what is there is read in one piece, and what is not is waited
// for once.
func TestGather(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer client.Close()
	server, err := l.Accept()
	must(t, err)
	defer server.Close()

	s := newPollable(server)
	f := &fixedReader{br: bufio.NewReaderSize(records{s}, recordSize), left: bulkSize + 10}
	_, err = client.Write(make([]byte, bulkSize))
	must(t, err)
	awaitReceived(t, server.(syscall.Conn), bulkSize)
	p := make([]byte, bulkSize)
	if n, err := f.gather(s, p); n != bulkSize || err != nil {
		t.Errorf("%d bytes of %d at once, %v", n, bulkSize, err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _, _ = client.Write(make([]byte, 10)) })
	if n, err := f.gather(s, p); n != 10 || err != io.EOF || s.polling {
		t.Errorf("%d bytes, %v, still polling %v", n, err, s.polling)
	}
}

// awaitReceived waits until the kernel has n bytes for c.
func awaitReceived(t *testing.T, c syscall.Conn, n int) {
	raw, err := c.SyscallConn()
	must(t, err)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got := 0
		must(t, raw.Control(func(fd uintptr) { got, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }))
		must(t, err)
		if got >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d bytes arrived", got, n)
		}
	}
}
