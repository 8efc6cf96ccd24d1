package proxy

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestKeepAlive_W007: the kernel gives a vanished server up within two
// minutes, however long nobody says anything.
func TestKeepAlive_W007(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newServer(ctx, &Proxy{})
	defer s.kill()
	conn, err := s.dialAddress(ctx, listener.Addr().String(), blindly)
	must(t, err)
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	must(t, err)
	option := func(level, name int) (value int) {
		must(t, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }))
		must(t, err)
		return value
	}
	if option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 {
		t.Fatal("no keep-alive")
	}
	idle, interval, count := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
	if found := time.Duration(idle+interval*count) * time.Second; found > 2*time.Minute {
		t.Errorf("found after %v", found)
	}
}
