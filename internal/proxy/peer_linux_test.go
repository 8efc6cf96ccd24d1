package proxy

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestPeerMain is the other user of TestPeer.
func TestPeerMain(t *testing.T) {
	address := os.Getenv("PROXY_TEST_PEER")
	if address == "" {
		return
	}
	conn, err := net.Dial("tcp", address)
	must(t, err)
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	got, _ := io.ReadAll(conn)
	if len(got) > 0 {
		t.Errorf("another user was answered %q", got)
	}
}

// TestPeer: another user's connection is closed before anything is read; root
// is another user, too.
func TestPeer(t *testing.T) {
	owners := socketOwners()
	if len(owners) == 0 {
		return // the password decides here: TestPassword
	}
	for i, owner := range owners {
		name := []string{"diag", "proc"}[i]
		t.Run("S011_S013_C1_"+name, func(t *testing.T) {
			l := newLab(t, func(_ *lab, p *Proxy) { p.identity.Store(&identity{owner: owner, uid: os.Getuid()}) })
			if l.proxy.NeedsPassword() || l.proxy.URL().User != nil {
				t.Fatal("a password is asked for")
			}
			c := l.dial()
			c.say("GET / HTTP/1.1\nHost: localhost\n\n")
			if a := c.answer("GET"); a.StatusCode != 400 {
				t.Errorf("our own connection: %d", a.StatusCode)
			}
			l.proxy.identity.Store(&identity{owner: owner, uid: os.Getuid() + 1})
			c = l.dial()
			if !c.closed() {
				t.Error("another uid was served")
			}
			if e := l.reported("peer"); e.Reason != errPeer.Error() {
				t.Errorf("%+v", e)
			}
			if os.Getuid() == 0 {
				l.proxy.identity.Store(&identity{owner: owner, uid: 0})
				asOther(t, l.addr)
			}
		})
	}
	t.Run("ipv6_socket_to_ipv4", func(t *testing.T) { // Java's way
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		must(t, err)
		defer listener.Close()
		port := listener.Addr().(*net.TCPAddr).Port
		fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		must(t, err)
		defer syscall.Close(fd)
		mapped := &syscall.SockaddrInet6{Port: port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
		if err := syscall.Connect(fd, mapped); err != nil {
			t.Logf("no IPv6 here: %v", err)
			return
		}
		accepted, err := listener.Accept()
		must(t, err)
		defer accepted.Close()
		for i, owner := range owners {
			if err := (&identity{owner: owner, uid: os.Getuid()}).check(accepted); err != nil {
				t.Errorf("owner %d: %v", i, err)
			}
		}
	})
	t.Run("closed_socket", func(t *testing.T) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		must(t, err)
		defer listener.Close()
		conn, err := net.Dial("tcp4", listener.Addr().String())
		must(t, err)
		accepted, err := listener.Accept()
		must(t, err)
		defer accepted.Close()
		_ = conn.Close()
		for i, owner := range owners {
			if err := (&identity{owner: owner, uid: os.Getuid()}).check(accepted); err == nil {
				t.Errorf("owner %d: a socket that nobody holds is ours", i)
			}
		}
	})
}

// asOther connects as nobody.
func asOther(t *testing.T, address string) {
	self, err := os.Executable()
	must(t, err)
	f, err := os.Open(self) // the test binary's folder may be closed to others
	must(t, err)
	defer f.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestPeerMain$")
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = []string{"PROXY_TEST_PEER=" + address}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4321, Gid: 4321}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkPeer(b *testing.B) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(b, err)
	defer listener.Close()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	must(b, err)
	defer conn.Close()
	accepted, err := listener.Accept()
	must(b, err)
	defer accepted.Close()
	for i, owner := range socketOwners() {
		b.Run([]string{"diag", "proc"}[i], func(b *testing.B) {
			id := &identity{owner: owner, uid: os.Getuid()}
			for b.Loop() {
				must(b, id.check(accepted))
			}
		})
	}
}
