package ca

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// JavaStore returns the certificates of the system's bundle and of extra, PEM,
// as a PKCS #12 file that Java takes for a trust store, without a password:
// nothing in it is secret. It is written by hand, since it is part of every
// start where there is Java, and encoding/asn1 takes ten times the memory.
func JavaStore(extra []byte) ([]byte, error) {
	system, err := readSystemBundle()
	if err != nil {
		return nil, err
	}
	store, err := javaStore(system, extra)
	if err != nil {
		return nil, fmt.Errorf("trust store for Java: %w", err)
	}
	return store, nil
}

// readSystemBundle is SystemBundle in memory, in one piece where its size is
// known.
func readSystemBundle() ([]byte, error) {
	system, err := SystemBundle()
	if err != nil {
		return nil, err
	}
	defer system.Close()
	var text bytes.Buffer
	if f, ok := system.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			text.Grow(int(min(info.Size(), maxRootsFile)) + bytes.MinRead)
		}
	}
	_, err = text.ReadFrom(io.LimitReader(system, maxRootsFile))
	return text.Bytes(), err
}

// Object identifiers of RFC 7292, RFC 2985, RFC 5280 and of Oracle's, by which
// Java knows a certificate that is trusted.
var (
	oidData            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidFriendlyName    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidAnyUsage        = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	oidTrustedUsage    = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
)

var explicit0 = tag.Tag(0).Constructed().ContextSpecific()

// javaStore writes the PFX of RFC 7292 section 4, without a MAC.
func javaStore(bundles ...[]byte) ([]byte, error) {
	size := 1 << 10
	for _, bundle := range bundles {
		size += len(bundle) // base64 wastes more than a bag around a certificate does
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addData(b, func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				addData(b, func(b *cryptobyte.Builder) {
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { addBags(b, bundles) })
				})
			})
		})
	})
	return b.Bytes()
}

// addData adds a ContentInfo of plain data.
func addData(b *cryptobyte.Builder, content cryptobyte.BuilderContinuation) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidData)
		b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddASN1(tag.OCTET_STRING, content) })
	})
}

// addBags adds the certificates. A block that holds none is Java's to complain
// about; one that is no base64 is left out.
func addBags(b *cryptobyte.Builder, bundles [][]byte) {
	der, count := make([]byte, 4<<10), 0
	for _, bundle := range bundles {
		for block := nextBlock(&bundle); block != nil; block = nextBlock(&bundle) {
			text := bytes.TrimSpace(block[len(pemBegin) : len(block)-len(pemEnd)])
			if need := base64.StdEncoding.DecodedLen(len(text)); need > len(der) {
				der = make([]byte, need)
			}
			if n, err := base64.StdEncoding.Decode(der, text); err == nil && n > 0 {
				addBag(b, der[:n], strconv.Itoa(count))
				count++
			}
		}
	}
}

// addBag adds one certificate as a SafeBag with the attributes that make Java
// trust it and give it a name, digits.
func addBag(b *cryptobyte.Builder, der []byte, name string) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidCertBag)
		b.AddASN1(explicit0, func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidX509Certificate)
				b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(der) })
			})
		})
		b.AddASN1(tag.SET, func(b *cryptobyte.Builder) {
			addAttribute(b, oidFriendlyName, func(b *cryptobyte.Builder) { b.AddASN1(bmpString, addBMP(name)) })
			addAttribute(b, oidTrustedUsage, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidAnyUsage) })
		})
	})
}

func addAttribute(b *cryptobyte.Builder, id asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(tag.SET, value)
	})
}

const bmpString = tag.Tag(30)

// addBMP adds ASCII as UTF-16.
func addBMP(text string) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) {
		for i := range len(text) {
			b.AddUint16(uint16(text[i]))
		}
	}
}
