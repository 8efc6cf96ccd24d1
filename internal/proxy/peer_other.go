//go:build !linux

package proxy

import "net/netip"

// socketOwners is empty: nothing portable tells whose socket it is.
func socketOwners() []func(client, proxy netip.AddrPort) (int, error) { return nil }
