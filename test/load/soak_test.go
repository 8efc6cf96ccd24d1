//go:build linux

package load_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// Every protocol at once, with access tokens that run out all the time: no
// error, one refresh for each token, and nothing grows.
func TestSoak_F007(t *testing.T) {
	w := newWorld(t)
	w.define(t, "loadoauth", `"auth_type": "oauth2", "flow": "client_credentials", "host_url": "`+oauthHost+`",
		"oauth": {"token_url": "https://`+tokenHost+`/token"},
		"inject": [{"kind": "header", "name": "Authorization", "value": "Bearer {access_token}"}]`)
	w.do(t, "load-client-secret-0123456789\n", "login", "loadoauth", "--client-id", "load", "--client-secret-stdin")
	issued := w.tokens.Load()
	r := w.start(t, "")
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), soakTime(t))
	defer cancel()
	var done, failed atomic.Int64
	var group sync.WaitGroup
	for name, use := range map[string]func(context.Context) error{
		"http/1.1": r.client(t, false, ""), "http/2": r.client(t, true, ""), "grpc": r.client(t, true, "application/grpc"),
		"websocket": r.echo, "new tunnels": r.fresh,
	} {
		for range 2 {
			group.Go(func() {
				for range time.Tick(200 * time.Millisecond) {
					if ctx.Err() != nil {
						return
					}
					if err := use(t.Context()); err != nil && failed.Add(1) < 5 {
						t.Errorf("%s after %v: %v", name, time.Since(begin), err)
					}
					done.Add(1)
				}
			})
		}
	}
	time.Sleep(soakTime(t) / 3)
	warm, files := r.memory(), r.descriptors()
	group.Wait()
	lasted := time.Since(begin)
	t.Logf("%d uses in %v, %d failed, %d refreshes; after a third %.1f MiB and %d descriptors, in the end %.1f and %d; %d upstream connections",
		done.Load(), lasted, failed.Load(), w.tokens.Load()-issued, warm, files, r.memory(), r.descriptors(), w.conns.Load())
	if n := w.refused.Load(); n > 0 {
		t.Errorf("%d requests with a token that was not good", n)
	}
	// Tokens of 6 s are renewed after 3 s, at the first use after that.
	if n := w.tokens.Load() - issued; n < int64(lasted/w.life) || n > int64(lasted/(w.life/2))+1 {
		t.Errorf("%d refreshes in %v", n, lasted)
	}
	// Tokens of a run are looked for in answers to its end, which takes memory.
	if grown := r.memory() - warm; grown > size(30.0, 15.0) {
		t.Errorf("grown by %.0f MiB", grown)
	}
	// A third of the full time is more than connections are kept idle.
	if more := r.descriptors() - files; full() && more > 30 {
		t.Errorf("%d more descriptors", more)
	}
	// Those of the tokens of the last 90 s may be idle yet.
	generations := min(int64(90*time.Second/(w.life/2)), w.tokens.Load()-issued)
	if n := w.conns.Load(); n > 10*(generations+1) {
		t.Errorf("%d upstream connections for %d tokens", n, generations)
	}
	r.end()
}

// client posts on connections that it keeps, to the host with OAuth.
func (r *run) client(t *testing.T, h2 bool, contentType string) func(context.Context) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	transport := &http.Transport{Proxy: http.ProxyURL(r.proxy), Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: r.roots}}
	t.Cleanup(transport.CloseIdleConnections)
	path, want := "/", "hello"
	if contentType != "" {
		path, want = "/grpc", "message"
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+oauthHost+path, strings.NewReader("message"))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", contentType)
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && (response.StatusCode != http.StatusOK || string(body) != want || contentType != "" && response.Trailer.Get("Grpc-Status") != "0") {
			err = fmt.Errorf("%s %q %v", response.Status, body, response.Trailer)
		}
		return err
	}
}

// echo opens a WebSocket and has a message come back.
func (r *run) echo(ctx context.Context) error {
	c, err := r.tunnel(ctx, apiHost, "http/1.1")
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	config, err := websocket.NewConfig("wss://"+apiHost+"/ws", "https://"+apiHost)
	if err != nil {
		return err
	}
	ws, err := websocket.NewClient(config, c)
	if err != nil {
		return err
	}
	sent, got := bytes.Repeat([]byte("message"), 100), []byte(nil)
	err = errors.Join(websocket.Message.Send(ws, sent), websocket.Message.Receive(ws, &got))
	if err == nil && !bytes.Equal(sent, got) {
		err = errors.New("another message came back")
	}
	return err
}

// fresh makes a request on a tunnel of its own, to the host with OAuth.
func (r *run) fresh(ctx context.Context) error {
	c, err := r.tunnel(ctx, oauthHost, "http/1.1")
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.get(oauthHost, "/", patience)
	return err
}
