package ca

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrInvalidHost is wrapped when a host is no lower-case LDH name, wildcard or
// canonical IP address.
var ErrInvalidHost = errors.New("invalid host")

// noName stands in the constraints of an authority without DNS names. To have
// no permitted subtree would permit all; this one is reserved (RFC 6761).
const noName = "invalid"

// hostSet is what an authority may issue for.
type hostSet struct {
	names    map[string]bool // exact DNS names
	suffixes map[string]bool // "example.com" for "*.example.com"
	ips      map[netip.Addr]bool
}

func newHostSet(hosts []string) (hostSet, error) {
	s := hostSet{map[string]bool{}, map[string]bool{}, map[netip.Addr]bool{}}
	for _, host := range hosts {
		if err := s.add(host); err != nil {
			return hostSet{}, err
		}
	}
	return s, nil
}

func (s hostSet) add(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.String() != host || ip.Is4In6() || ip.Zone() != "" {
			return fmt.Errorf("%w %.80q: not a canonical IP address", ErrInvalidHost, host)
		}
		s.ips[ip] = true
		return nil
	}
	name, wildcard := strings.CutPrefix(host, "*.")
	if err := checkName(name); err != nil {
		return fmt.Errorf("%w %.80q: %w", ErrInvalidHost, host, err)
	}
	if wildcard {
		s.suffixes[name] = true
	} else {
		s.names[name] = true
	}
	return nil
}

// permits reports whether host, in lower case, is in the set.
func (s hostSet) permits(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return s.ips[ip] && ip.String() == host
	}
	if checkName(host) != nil {
		return false
	}
	if s.names[host] {
		return true
	}
	for _, rest, found := strings.Cut(host, "."); found; _, rest, found = strings.Cut(rest, ".") {
		if s.suffixes[rest] {
			return true
		}
	}
	return false
}

func (s hostSet) list() []string {
	var hosts []string
	for name := range s.names {
		hosts = append(hosts, name)
	}
	for name := range s.suffixes {
		hosts = append(hosts, "*."+name)
	}
	for ip := range s.ips {
		hosts = append(hosts, ip.String())
	}
	slices.Sort(hosts)
	return hosts
}

// dnsConstraints returns the permitted DNS subtrees. They have no leading
// dot: RFC 5280 knows none for DNS names, and validators differ about it. So a
// wildcard's subtree permits its base too, and an exact name its subdomains;
// Leaf is stricter.
func (s hostSet) dnsConstraints() []string {
	var names []string
	for name := range s.names {
		names = append(names, name)
	}
	for name := range s.suffixes {
		names = append(names, name)
	}
	if len(names) == 0 {
		return []string{noName}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ipConstraints permits the set's addresses, each alone, and excludes every
// family the set has no address of: without that, a leaf with an IP address
// for a name would pass constraints that speak of DNS names only.
func (s hostSet) ipConstraints() (permitted, excluded []netip.Prefix) {
	var v4, v6 bool
	for ip := range s.ips {
		permitted = append(permitted, netip.PrefixFrom(ip, ip.BitLen()))
		v4, v6 = v4 || ip.Is4(), v6 || ip.Is6()
	}
	if !v4 {
		excluded = append(excluded, netip.MustParsePrefix("0.0.0.0/0"))
	}
	if !v6 {
		excluded = append(excluded, netip.MustParsePrefix("::/0"))
	}
	return permitted, excluded
}

// checkName accepts lower-case LDH names (RFC 5890, section 2.3.1) of up to
// 253 bytes whose last label is no number, so that none can be read as an
// IPv4 address.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return errors.New("not 1 to 253 bytes long")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return errors.New("not a lower-case DNS name")
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return errors.New("last label is a number")
	}
	return nil
}

func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
