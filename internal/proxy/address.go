package proxy

import (
	"net/netip"
	"slices"
)

// metadataHost is the one cloud metadata service that is known by name.
const metadataHost = "metadata.google.internal"

// isMetadata reports whether a is a cloud's metadata service, whose answers
// are credentials. They are refused whatever the policy.
func isMetadata(a netip.Addr) bool {
	switch a.String() {
	case "169.254.169.254", // AWS, Azure, Google, Oracle and others
		"169.254.170.2", "169.254.170.23", // AWS containers
		"fd00:ec2::254", "fd00:ec2::23", // AWS over IPv6
		"fd20:ce::254",    // Google over IPv6
		"100.100.100.200", // Alibaba
		"168.63.129.16":   // Azure
		return true
	}
	return false
}

// special lists what the IANA special-purpose registries keep for local use,
// besides what netip.Addr has methods for. The documentation ranges are not in
// it: nothing is there to be protected, and test labs use them.
var special = func() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "5f00::/16", "fec0::/10",
	} {
		prefixes = append(prefixes, netip.MustParsePrefix(s))
	}
	return prefixes
}()

// IsPublic reports whether a is a unicast address of the public internet,
// where a credential may go without anybody's leave. An address that wraps an
// IPv4 address is what the wrapped one is.
func IsPublic(a netip.Addr) bool {
	a = unwrap(a)
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// isUndialable reports whether no single host answers at a: unspecified
// (which Linux takes for loopback), multicast, broadcast, reserved.
func isUndialable(a netip.Addr) bool {
	a = unwrap(a)
	return a.IsUnspecified() || a.IsMulticast() || a.Is4() && (a.As4()[0] >= 240 || a.As4()[0] == 0)
}

// unwrap returns the IPv4 address inside an IPv4-mapped, NAT64 (RFC 6052),
// 6to4 (RFC 3056) or IPv4-compatible address.
func unwrap(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case netip.MustParsePrefix("::/96").Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return a
}
