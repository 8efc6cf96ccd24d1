package proxy

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxDescriptors bounds the descriptors looked at to find a socket's process.
const maxDescriptors = 1 << 16

// socketProgram names a process that holds the socket whose ends are client and
// proxy, as proc(5) tells: its comm. It looks at the processes of our user;
// "" means that none has it any more.
func socketProgram(client, proxy netip.AddrPort) string {
	inode := socketInode(client, proxy)
	if inode == "" {
		return ""
	}
	wanted, own, left := "socket:["+inode+"]", strconv.Itoa(os.Getpid()), maxDescriptors
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		fds, err := os.ReadDir(process + "/fd")
		if left -= len(fds); left < 0 {
			break
		}
		if err != nil || filepath.Base(process) == own {
			continue
		}
		for _, fd := range fds {
			if link, err := os.Readlink(process + "/fd/" + fd.Name()); err == nil && link == wanted {
				comm, _ := os.ReadFile(process + "/comm")
				return strings.TrimSpace(string(comm))
			}
		}
	}
	return ""
}

// socketInode finds the inode of the client's socket in /proc/net.
func socketInode(client, proxy netip.AddrPort) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			row := strings.Fields(line)
			if len(row) < 10 || row[9] == "0" {
				continue
			}
			local, err := procAddr(row[1])
			if err != nil || local != client {
				continue
			}
			if remote, err := procAddr(row[2]); err == nil && remote == proxy {
				return row[9]
			}
		}
	}
	return ""
}
