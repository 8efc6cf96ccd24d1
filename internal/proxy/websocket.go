package proxy

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it, and not as protection
	"encoding/base64"
	"io"
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

// checkAccept verifies that a 101 answers the handshake with this key: only
// then are the bytes that follow a websocket's.
func checkAccept(resp *http.Response, key string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	want := base64.StdEncoding.EncodeToString(sum[:])
	upgrade, accept := resp.Header["Upgrade"], resp.Header["Sec-Websocket-Accept"]
	if len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") &&
		hasToken(resp.Header["Connection"], "upgrade") && len(accept) == 1 && accept[0] == want {
		return nil
	}
	return &Refusal{Status: http.StatusBadGateway, Code: "upstream_websocket", Message: "the server's websocket answer does not fit the handshake"}
}

// relayWebSocket passes the 101 on and then copies both ways. Frames are not
// searched for the secret.
func (s *server) relayWebSocket(w http.ResponseWriter, resp *http.Response, x *exchange) {
	w1, ok1 := w.(*response)
	upstream, ok2 := resp.Body.(io.ReadWriteCloser)
	if !ok1 || !ok2 {
		panic(http.ErrAbortHandler)
	}
	clear(w1.header)
	for name, values := range resp.Header {
		w1.header[name] = values
	}
	stripHop(w1.header)
	x.scan.header(w1.header)
	delete(w1.header, "Content-Length")
	w1.header["Upgrade"] = []string{"websocket"}
	w1.WriteHeader(http.StatusSwitchingProtocols)
	if w1.h.bw.Flush() != nil {
		return
	}
	h := w1.h
	early := w1.take()
	h.client.enter(phaseTunnel)
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := upstream.Write(early); err == nil {
			_, _ = io.Copy(upstream, h.conn)
		}
		_ = upstream.Close()
	})
	_, _ = io.Copy(h.conn, upstream)
	_ = closeWrite(h.conn)
	_ = h.client.Close()
	group.Wait()
}
