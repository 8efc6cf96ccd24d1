//go:build unix

package proxy

import "golang.org/x/sys/unix"

// ownFiles is what the process needs besides connections.
const ownFiles = 64

// maxClients is how many connections can be served at a time when each may
// need a second one to its upstream. The Go runtime has raised the soft limit
// on descriptors to the hard one.
func maxClients() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 10
	}
	return int(min(max(int64(min(limit.Cur, 1<<20))-ownFiles, 2)/2, 1<<16))
}
