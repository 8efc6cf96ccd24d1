package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// client reaches the upstream in one way. It is lean: a heavy client hides
// the differences between proxies.
type client struct {
	proxy    string // its address; "" is direct
	header   string // value of Authorization
	roots    *x509.CertPool
	sessions tls.ClientSessionCache
}

func newClient(proxy, header string, roots *x509.CertPool) *client {
	return &client{proxy: proxy, header: header, roots: roots, sessions: tls.NewLRUClientSessionCache(64)}
}

// conn is one connection to a host.
type conn struct {
	net.Conn
	br      *bufio.Reader
	resumed bool
}

// patience is how long one answer may take.
const patience = 20 * time.Second

// dial connects to host:443, through the proxy where there is one, and begins
// TLS.
func (c *client) dial(ctx context.Context, host, protocol string) (*conn, error) {
	address := c.proxy
	if address == "" {
		address = upstreamAddress + ":443"
	}
	dialer := net.Dialer{Timeout: patience}
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(patience))
	if c.proxy != "" {
		if err := connect(raw, host+":443"); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	secure := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: c.roots, ClientSessionCache: c.sessions, NextProtos: []string{protocol}})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS to %s: %w", host, err), raw.Close())
	}
	_ = raw.SetDeadline(time.Time{})
	return &conn{Conn: secure, br: bufio.NewReaderSize(secure, 16<<10), resumed: secure.ConnectionState().DidResume}, nil
}

// connect asks a proxy for a tunnel. Nothing follows the answer until the
// client begins TLS.
func connect(raw net.Conn, target string) error {
	if _, err := fmt.Fprintf(raw, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return err
	}
	answer := make([]byte, 0, 256)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		n, err := raw.Read(answer[len(answer):cap(answer)])
		if err != nil {
			return err
		}
		if answer = answer[:len(answer)+n]; len(answer) == cap(answer) {
			return errors.New("CONNECT: too long an answer")
		}
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) && !bytes.HasPrefix(answer, []byte("HTTP/1.0 200")) {
		return fmt.Errorf("CONNECT: %q", answer)
	}
	return nil
}

// head is a request with a dozen fields, as an SDK sends them.
func (c *client) head(method, host, path string, extra ...string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: SDK/Python 1.54.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"+
		"Authorization: %s\r\nContent-Type: application/json\r\nX-Stainless-Lang: python\r\nX-Stainless-Package-Version: 1.54.0\r\nX-Stainless-Os: Linux\r\n"+
		"X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\nX-Request-Id: 1234567890\r\n%s\r\n", method, path, host, c.header, strings.Join(extra, ""))
}

// do sends a prepared request and takes the whole answer, of which it
// returns the size.
func (c *conn) do(request []byte) (int64, error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	return c.answer(io.Discard)
}

// answer reads one answer with its body.
func (c *conn) answer(to io.Writer) (int64, error) {
	length, err := c.answerHead()
	if err != nil {
		return 0, err
	}
	if length < 0 {
		return c.chunks(to)
	}
	if to == io.Discard && length <= 16<<10 {
		n, err := c.br.Discard(int(length))
		return int64(n), err
	}
	return io.CopyN(to, c.br, length)
}

// answerHead reads status and fields, and returns the body's length, -1 for
// chunked.
func (c *conn) answerHead() (int64, error) {
	length := int64(0)
	for first := true; ; first = false {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if first {
			if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
				return 0, fmt.Errorf("answer: %q", line)
			}
			continue
		}
		if len(line) == 0 {
			return length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		}
	}
}

func (c *conn) chunks(to io.Writer) (int64, error) {
	total := int64(0)
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return total, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return total, err
		}
		if _, err := io.CopyN(to, c.br, n); err != nil {
			return total, err
		}
		if _, err := c.br.Discard(2); err != nil {
			return total, err
		}
		if total += n; n == 0 {
			return total, nil
		}
	}
}
