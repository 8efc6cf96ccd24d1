//go:build !unix

package proxy

// maxClients is how many connections are served at a time.
func maxClients() int { return 1 << 14 }
