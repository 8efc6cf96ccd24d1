package ca

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// Kinds of a GeneralName, RFC 5280 section 4.2.1.6.
const (
	dnsName   = 0x80 | 2
	ipAddress = 0x80 | 7
)

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// constraints is the critical NameConstraints of RFC 5280, section 4.2.1.10,
// that permit the set. It is part of every start and has hundreds of names:
// crypto/x509 would allocate twice for each.
func (s hostSet) constraints() (pkix.Extension, error) {
	permitted, excluded := s.ipConstraints()
	var names []byte
	for _, name := range s.dnsConstraints() {
		names = appendSubtree(names, dnsName, []byte(name))
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(names)+256))
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tag.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(appendNetworks(names, permitted)) })
		if len(excluded) > 0 {
			b.AddASN1(tag.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(appendNetworks(nil, excluded)) })
		}
	})
	value, err := b.Bytes()
	return pkix.Extension{Id: oidNameConstraints, Critical: true, Value: value}, err
}

// appendNetworks adds addresses with their masks.
func appendNetworks(b []byte, networks []netip.Prefix) []byte {
	for _, n := range networks {
		b = appendSubtree(b, ipAddress, append(n.Addr().AsSlice(), net.CIDRMask(n.Bits(), n.Addr().BitLen())...))
	}
	return b
}

// appendSubtree adds a GeneralSubtree, of which base is a GeneralName of at
// most 253 bytes.
func appendSubtree(b []byte, kind byte, base []byte) []byte {
	var header [3]byte
	name := appendHeader(header[:0], kind, len(base))
	b = appendHeader(b, byte(tag.SEQUENCE), len(name)+len(base))
	return append(append(b, name...), base...)
}

// appendHeader adds a DER identifier and the length of its contents, below
// 64 KiB.
func appendHeader(b []byte, identifier byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(b, identifier, byte(length))
	case length < 0x100:
		return append(b, identifier, 0x81, byte(length))
	default:
		return append(b, identifier, 0x82, byte(length>>8), byte(length))
	}
}
