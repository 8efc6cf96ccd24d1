package proxy

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it, and not as protection
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// checkUpgrade returns the Sec-WebSocket-Key of a websocket handshake (RFC
// 6455 section 4.1), or "". Every other Upgrade is ignored, as a server may,
// and is gone with the hop-by-hop fields.
func checkUpgrade(r *http.Request) (key string, err error) {
	upgrade := r.Header["Upgrade"]
	if r.ProtoMajor != 1 || !hasToken(upgrade, "websocket") {
		return "", nil
	}
	keys := r.Header["Sec-Websocket-Key"]
	switch {
	case len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket"):
		return "", bad("Upgrade that names more than websocket")
	case r.Method != http.MethodGet || r.ProtoMinor == 0 || r.ContentLength != 0:
		return "", bad("websocket handshake that is not a plain GET in HTTP/1.1")
	case !hasToken(r.Header["Connection"], "upgrade"):
		return "", bad("websocket handshake without Connection: Upgrade")
	case len(r.Header["Sec-Websocket-Version"]) != 1 || r.Header["Sec-Websocket-Version"][0] != "13":
		return "", bad("websocket version other than 13")
	case len(keys) != 1:
		return "", bad("websocket handshake without exactly one key")
	}
	if nonce, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		return "", bad("websocket key that is not 16 bytes in base64")
	}
	return keys[0], nil
}

// extensionsField is Sec-WebSocket-Extensions (RFC 6455 section 11.3.2).
const extensionsField = "Sec-Websocket-Extensions"

// readsFrames reports whether frames have to be read, which can't be when they
// are compressed. The server is then offered no extension.
func (x *exchange) readsFrames() bool { return x.scan != nil || x.grant.Message != nil }

// checkAccept verifies that a 101 answers the handshake: only then are the
// bytes that follow a websocket's.
func (x *exchange) checkAccept(resp *http.Response) error {
	sum := sha1.Sum([]byte(x.websocket + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	want := base64.StdEncoding.EncodeToString(sum[:])
	upgrade, accept := resp.Header["Upgrade"], resp.Header["Sec-Websocket-Accept"]
	if len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") &&
		hasToken(resp.Header["Connection"], "upgrade") && len(accept) == 1 && accept[0] == want &&
		(resp.Header[extensionsField] == nil || !x.readsFrames()) {
		return nil
	}
	return &Refusal{Status: http.StatusBadGateway, Code: "upstream_websocket", Message: "the server's websocket answer does not fit the handshake"}
}

// relayWebSocket passes the 101 on and then the frames of both directions.
func (s *server) relayWebSocket(w http.ResponseWriter, r *http.Request, resp *http.Response, x *exchange) {
	w1, ok1 := w.(*response)
	upstream, ok2 := resp.Body.(io.ReadWriteCloser)
	if !ok1 || !ok2 {
		panic(http.ErrAbortHandler)
	}
	x.relayFields(w, resp)
	delete(w1.header, "Content-Length")
	w1.header["Upgrade"] = []string{"websocket"}
	w1.WriteHeader(http.StatusSwitchingProtocols)
	if w1.h.bw.Flush() != nil {
		return
	}
	early := w1.take()
	w1.h.client.enter(phaseTunnel)
	socket := websocket{client: withEarly(w1.h.conn, early), upstream: upstream, x: x}
	if err := socket.relay(); err != nil {
		s.report(Event{
			Kind: KindRefused, Host: x.to.host, Port: x.to.port, Method: r.Method, Path: x.target.path,
			Code: "websocket_frame", Reason: err.Error(),
		})
	}
}

// websocket is an open one. Where nothing is to be replaced its bytes are
// copied; else its frames are read, and a connection with a frame that is
// against the rules is ended: nobody can tell what would come after it.
type websocket struct {
	client   net.Conn
	upstream io.ReadWriteCloser
	x        *exchange
}

// relay copies both ways until both ends have ended, and returns the
// *frameError that ended it before.
func (c *websocket) relay() error {
	var group sync.WaitGroup
	var sent error
	group.Go(func() { sent = c.send() })
	received := c.receive()
	group.Wait()
	for _, err := range []error{sent, received} {
		if _, ok := errors.AsType[frameError](err); ok {
			return err
		}
	}
	return nil
}

// send is the client's direction.
func (c *websocket) send() (err error) {
	if message := c.x.grant.Message; message != nil {
		err = copyMessages(c.upstream, c.client, message)
	} else {
		_, err = io.Copy(c.upstream, c.client)
	}
	endHalf(c.upstream, c.client, err)
	return err
}

// receive is the server's direction.
func (c *websocket) receive() (err error) {
	if c.x.scan != nil {
		err = copyClean(c.client, c.upstream, c.x.scan)
	} else {
		_, err = io.Copy(c.client, c.upstream)
	}
	if _, ok := errors.AsType[frameError](err); ok {
		_, _ = c.client.Write(protocolError())
	}
	endHalf(c.client, c.upstream, err)
	return err
}

// protocolError is a Close frame with status 1002 (RFC 6455 section 7.4.1).
func protocolError() []byte {
	const reason = "\x03\xeaauthsome: not a frame that can be read"
	return append(appendFrame(nil, opClose, nil, len(reason)), reason...)
}
