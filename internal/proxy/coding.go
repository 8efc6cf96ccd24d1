package proxy

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxCodings bounds how often a body is packed.
	maxCodings = 3
	// inflatedBody bounds what a body that is read whole may be unpacked.
	inflatedBody = 4 << 20
	// After bombFree bytes of a packed body that is unpacked on the way, each
	// byte that came must account for no more than bombRatio.
	bombFree  = 8 << 20
	bombRatio = 200
	// maxWindow is what a zstd decoder on the web must have, and no more (RFC
	// 9659). A brotli stream can't ask for more than 16 MiB.
	maxWindow = 8 << 20
)

var errBomb = errors.New("packed body that grows out of proportion")

// codings are the content codings that can be searched.
var codings = map[string]func(io.Reader) (io.Reader, error){
	"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"x-gzip":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"deflate": newInflater,
	"br":      func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	"zstd":    newZstd,
}

// uncoded are values of Content-Encoding that are none: what people write
// there of a character set or a transfer. The body is searched as it is.
var uncoded = []string{"", "identity", "none", "binary", "utf-8", "utf8", "aws-chunked"}

// newInflater reads what RFC 9110 section 8.4.1.2 calls deflate, with zlib's
// header, and what some servers take it for, without.
func newInflater(r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	head, _ := br.Peek(2)
	if len(head) == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(br)
	}
	return flate.NewReader(br), nil
}

// zstdDecoders are kept for the memory of their window.
var zstdDecoders sync.Pool

// zstdReader is a decoder until the end of one stream. It has no goroutine,
// and so nothing to close.
type zstdReader struct {
	decoder *zstd.Decoder
	err     error
}

func newZstd(r io.Reader) (io.Reader, error) {
	if decoder, ok := zstdDecoders.Get().(*zstd.Decoder); ok {
		return &zstdReader{decoder: decoder}, decoder.Reset(r)
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	return &zstdReader{decoder: decoder}, err
}

func (z *zstdReader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.decoder.Read(p)
	if err != nil {
		z.err = err
		if z.decoder.Reset(nil) == nil {
			zstdDecoders.Put(z.decoder)
		}
		z.decoder = nil
	}
	return n, err
}

// limitCodings asks for what can be searched: of the codings that the client
// takes only known ones are left, and a part of a body is asked for as it is.
// Codings of messages inside a body are not offered.
func (d *redactor) limitCodings(h http.Header) {
	limitRange(h)
	var known []string
	for member := range tokens(h["Accept-Encoding"]) {
		name, _, _ := strings.Cut(member, ";")
		if name = lower(strings.TrimSpace(name)); codings[name] != nil || name == "identity" {
			known = append(known, member)
		}
	}
	if len(known) == 0 || h["Range"] != nil {
		known = []string{"identity"}
	}
	h["Accept-Encoding"] = []string{strings.Join(known, ", ")}
	for _, name := range []string{"Grpc-Accept-Encoding", "Connect-Accept-Encoding", "A-Im"} {
		delete(h, name)
	}
}

// codingsOf returns what a body is packed with, outermost first. The error is
// a *Refusal for what can't be unpacked.
func codingsOf(header http.Header) ([]string, error) {
	var all []string
	for name := range tokens(header["Content-Encoding"]) {
		switch name = lower(name); {
		case slices.Contains(uncoded, name):
		case codings[name] == nil:
			return nil, unsearchable("Content-Encoding is " + headerSafe(name))
		default:
			all = append(all, name)
		}
	}
	if len(all) > maxCodings {
		return nil, unsearchable("body is packed more than three times")
	}
	if len(all) > 0 && header["Content-Range"] != nil {
		return nil, unsearchable("body is a part of something packed")
	}
	for _, name := range []string{"Grpc-Encoding", "Connect-Content-Encoding"} {
		if inner := lower(header.Get(name)); inner != "" && inner != "identity" {
			return nil, unsearchable(name + " is " + headerSafe(inner))
		}
	}
	slices.Reverse(all)
	return all, nil
}

func unsearchable(reason string) *Refusal {
	return &Refusal{Status: http.StatusBadGateway, Code: "unsearchable", Message: "the answer can't be searched for the credential: its " + reason}
}

// unpacker unpacks a body as it comes, within proportion.
type unpacker struct {
	packed   counter
	codings  []string // outermost first
	unpacked io.Reader
	out      int64
}

func newUnpacker(packed io.Reader, codings []string) *unpacker {
	return &unpacker{packed: counter{Reader: packed}, codings: codings}
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// Read opens the stream first: that may have to wait for its head.
func (u *unpacker) Read(p []byte) (int, error) {
	if u.unpacked == nil {
		if err := u.open(); err != nil {
			return 0, err
		}
	}
	n, err := u.unpacked.Read(p)
	u.out += int64(n)
	if u.out > bombFree && u.out > u.packed.n*bombRatio {
		return 0, errBomb
	}
	return n, err
}

func (u *unpacker) open() error {
	packed := bufio.NewReader(&u.packed)
	if _, err := packed.Peek(1); err != nil {
		return err // nothing is nothing, packed or not
	}
	var stream io.Reader = packed
	for _, name := range u.codings {
		inner, err := codings[name](stream)
		if err != nil {
			return err
		}
		stream = inner
	}
	u.unpacked = stream
	return nil
}
