package proxy

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var errNoSocket = errors.New("no such socket")

// socketOwners are the ways to ask Linux, the cheapest first.
func socketOwners() []func(client, proxy netip.AddrPort) (int, error) {
	return []func(client, proxy netip.AddrPort) (int, error){diagOwner, procOwner}
}

// Layout of the messages of sock_diag(7), in the kernel's byte order but for
// ports and addresses.
const (
	diagRequestLen = unix.SizeofNlMsghdr + 56 // struct inet_diag_req_v2
	diagAnswerLen  = unix.SizeofNlMsghdr + 72 // struct inet_diag_msg
	tcpListen      = 10                       // TCP_LISTEN
)

// diagOwner asks the kernel for the one socket whose ends are client and
// proxy (NETLINK_SOCK_DIAG, exact lookup).
func diagOwner(client, proxy netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	timeout := unix.Timeval{Sec: 1}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, diagRequest(client, proxy), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	var answer [1024]byte
	for {
		n, from, err := unix.Recvfrom(fd, answer[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue // another process can send to a netlink socket, too
		}
		return parseDiag(answer[:n], client.Port(), proxy.Port())
	}
}

func diagRequest(client, proxy netip.AddrPort) []byte {
	b := make([]byte, diagRequestLen)
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], diagRequestLen)
	ne.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST)
	ne.PutUint32(b[8:], 1)
	body := b[unix.SizeofNlMsghdr:]
	body[0], body[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if client.Addr().Is4() {
		body[0] = unix.AF_INET
	}
	ne.PutUint32(body[4:], 1<<32-1) // any state
	id := body[8:]
	binary.BigEndian.PutUint16(id[0:], client.Port())
	binary.BigEndian.PutUint16(id[2:], proxy.Port())
	copy(id[4:20], client.Addr().AsSlice())
	copy(id[20:36], proxy.Addr().AsSlice())
	ne.PutUint64(id[40:], 1<<64-1) // no cookie
	return b
}

// parseDiag reads one inet_diag_msg. A socket without an inode belongs to no
// process any more, and its uid is no answer.
func parseDiag(b []byte, client, proxy uint16) (int, error) {
	ne := binary.NativeEndian
	if len(b) < unix.SizeofNlMsghdr {
		return 0, errNoSocket
	}
	if kind := ne.Uint16(b[4:]); kind == unix.NLMSG_ERROR && len(b) >= unix.SizeofNlMsghdr+4 {
		return 0, os.NewSyscallError("inet_diag", unix.Errno(-int32(ne.Uint32(b[unix.SizeofNlMsghdr:]))))
	}
	if len(b) < diagAnswerLen {
		return 0, errNoSocket
	}
	m := b[unix.SizeofNlMsghdr:]
	ports := [2]uint16{binary.BigEndian.Uint16(m[4:]), binary.BigEndian.Uint16(m[6:])}
	inode := ne.Uint32(m[68:])
	if m[1] == tcpListen || ports != [2]uint16{client, proxy} || inode == 0 {
		return 0, errNoSocket
	}
	return int(ne.Uint32(m[64:])), nil
}

// procOwner reads the same from /proc/net, for kernels and sandboxes without
// sock_diag. The cost grows with the number of sockets on the machine.
func procOwner(client, proxy netip.AddrPort) (int, error) {
	tables := []string{"/proc/net/tcp", "/proc/net/tcp6"}
	var failed error
	for _, table := range tables {
		f, err := os.Open(table)
		if err != nil {
			failed = err
			continue
		}
		uid, err := scanProc(bufio.NewScanner(f), client, proxy)
		_ = f.Close()
		if err == nil {
			return uid, nil
		}
		failed = err
	}
	return 0, failed
}

func scanProc(rows *bufio.Scanner, client, proxy netip.AddrPort) (int, error) {
	for rows.Scan() {
		// sl local rem st tx:rx tr:when retrnsmt uid timeout inode …
		row := strings.Fields(rows.Text())
		if len(row) < 10 || row[9] == "0" {
			continue
		}
		local, err := procAddr(row[1])
		if err != nil || local != client {
			continue
		}
		if remote, err := procAddr(row[2]); err != nil || remote != proxy {
			continue
		}
		return strconv.Atoi(row[7])
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return 0, errNoSocket
}

// procAddr reads ADDRESS:PORT of /proc/net/tcp: hexadecimal, the address in
// 32-bit words of the machine's byte order.
func procAddr(s string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(address)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q", s)
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}
