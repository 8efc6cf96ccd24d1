//go:build linux

package clients_test

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
)

// maxMessage bounds a gRPC message here.
const maxMessage = 1 << 20

// serveRPC is a gRPC service without code generation: it sends each message
// back when it arrives, until the client has said all.
func serveRPC(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(http.StatusOK)
	_ = control.Flush()
	w.Header().Set(http.TrailerPrefix+"Lab-Trailer", "crumbs")
	for {
		message, err := readMessage(r.Body)
		if err != nil {
			status := "13" // INTERNAL
			if err == io.EOF {
				status = "0"
			}
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
			return
		}
		_, _ = w.Write(message)
		_ = control.Flush()
	}
}

// readMessage reads a message with its prefix: a flag and its length.
func readMessage(r io.Reader) ([]byte, error) {
	prefix := make([]byte, 5)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(prefix[1:])
	if length > maxMessage {
		return nil, io.ErrShortBuffer
	}
	message := append(prefix, make([]byte, length)...)
	if _, err := io.ReadFull(r, message[5:]); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return message, nil
}

// TestClient_grpc: unary calls and streams in both directions of two gRPC
// stacks that share no code, found by their own proxy variables. Each call
// arrives once, with the key in place of the placeholder.
func TestClient_grpc(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("acme")
	w.define(t, "acme", "rpc.acme.example")
	w.Require("rpc.acme.example", key)
	w.Handle("rpc.acme.example/", http.HandlerFunc(serveRPC))
	w.login(t, "acme", key)
	for name, command := range map[string][]string{
		"python-grpc": {"/usr/bin/python3", absolute(t, "python/rpc.py")},
		"node-grpc":   {"node", absolute(t, "node/rpc.mjs")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.ok(t, append([]string{"run", "--"}, append(command, "rpc.acme.example:443")...)...)
			equal(t, "output", r.stdout, "unary squeak crumbs\n"+
				"stream ['cheese 0', 'cheese 1', 'cheese 2', 'cheese 3', 'cheese 4'] OK\n")
			w.rpcsArrived(t, name, key)
		})
	}
}

func (w *world) rpcsArrived(t *testing.T, name, key string) {
	t.Helper()
	var targets []string
	for _, r := range w.requests("rpc.acme.example") {
		if r.Get("Lab-Client") != name {
			continue
		}
		targets = append(targets, r.Target)
		equal(t, "protocol", r.Proto, "HTTP/2.0")
		equal(t, "te", r.Get("Te"), "trailers")
		equal(t, "CONNECT target", r.Via, "rpc.acme.example:443")
		equal(t, "Authorization", strings.Join(r.Values("Authorization"), ", "), "Bearer "+key)
		equal(t, "complete", r.Complete, true)
	}
	equal(t, "calls", strings.Join(targets, " "), "/lab.Echo/Once /lab.Echo/Stream")
}
