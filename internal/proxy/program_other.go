//go:build !linux

package proxy

import "net/netip"

// socketProgram is "": nothing portable tells whose socket it is.
func socketProgram(netip.AddrPort, netip.AddrPort) string { return "" }
