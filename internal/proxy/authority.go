package proxy

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// authority is where a request goes: parsed once, and the only thing the
// dialled address, the names in both certificates and the outgoing Host are
// made from.
type authority struct {
	host string // lower-case ASCII without trailing dot, or an IP address without brackets
	port uint16
}

var (
	errAuthority = errors.New("not a host and port")
	errHost      = errors.New("not a host name or address")
	errPort      = errors.New("not a port from 1 to 65535")
)

// String is host:port, with brackets around an IPv6 address.
func (a authority) String() string {
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// field is a as a Host field spells it: without the port that is the scheme's
// own.
func (a authority) field(scheme string) string {
	if a.port == defaultPort(scheme) {
		if strings.Contains(a.host, ":") {
			return "[" + a.host + "]"
		}
		return a.host
	}
	return a.String()
}

// addr is the address a's host is a literal of.
func (a authority) addr() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(a.host)
	return ip, err == nil
}

func defaultPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

// parseAuthority reads host:port, or host alone when port is not 0 and then
// stands for the missing one. It refuses what a second reader could read
// differently: userinfo, percent-encoding, brackets around names, other
// alphabets, numbers that some resolvers take for IPv4 addresses, ports with
// leading zeros (RFC 3986 section 3.2 with RFC 1123 names only).
func parseAuthority(s string, port uint16) (authority, error) {
	host, digits, found := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return authority{}, errAuthority
		}
		host, digits = s[:end+1], s[end+1:]
		if digits != "" {
			if digits[0] != ':' {
				return authority{}, errAuthority
			}
			digits, found = digits[1:], true
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, digits, found = s[:i], s[i+1:], true
	}
	name, err := parseHost(host)
	if err != nil {
		return authority{}, err
	}
	if found {
		if port, err = parsePort(digits); err != nil {
			return authority{}, err
		}
	}
	if port == 0 {
		return authority{}, errAuthority
	}
	return authority{host: name, port: port}, nil
}

func parsePort(s string) (uint16, error) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, errPort
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, errPort
	}
	return uint16(n), nil
}

// parseHost returns the one spelling of a host that everything else compares.
func parseHost(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		if err != nil || ip.Is4() || ip.Zone() != "" {
			return "", errHost
		}
		return ip.Unmap().String(), nil
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > 253 {
		return "", errHost
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	if looksNumeric(last) {
		// What ends in a number is an IPv4 address or nothing: 127.1, 0x7f.1
		// and 2130706433 are spellings that some resolvers accept.
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return "", errHost
		}
		return ip.String(), nil
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return "", errHost
		}
	}
	return lower(s), nil
}

func looksNumeric(label string) bool {
	if len(label) > 1 && label[0] == '0' && label[1]|0x20 == 'x' {
		return true
	}
	for i := range len(label) {
		if label[i] < '0' || label[i] > '9' {
			return false
		}
	}
	return true
}

// isLabel accepts RFC 1123 labels, and the underscore that service names
// have; hasUnderscore keeps the latter from ever being intercepted.
func isLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// lower folds ASCII only: no other alphabet gets here.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}
