package login

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of the front, as of the endpoint behind it.
const (
	frontConns  = 128
	frontHeader = 16 << 10
	frontWait   = 5 * time.Second
	frontEnd    = 500 * time.Millisecond // for the last page to pass
)

// front serves http://localhost:PORT for a redirect endpoint. The name stands
// for two addresses and a browser takes either, so both must be ours.
type front struct {
	server  *http.Server
	serving sync.WaitGroup
}

// listenLocalhost opens an endpoint behind a front.
func listenLocalhost(ctx context.Context, port uint16, path string) (*redirect, error) {
	r, err := listenAt(ctx, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), path)
	if err != nil {
		return nil, err
	}
	listeners, err := bothLoopbacks(ctx, port)
	if err != nil {
		r.close()
		return nil, taken(port, err)
	}
	behind, err := url.Parse(r.URI())
	if err != nil {
		r.close()
		return nil, err
	}
	_, own, _ := net.SplitHostPort(listeners[0].Addr().String())
	host := "localhost:" + own
	r.front = serveFront(listeners, host, behind)
	r.uri = "http://" + host + path
	return r, nil
}

// bothLoopbacks listens on 127.0.0.1 and, where the machine has it, on ::1.
func bothLoopbacks(ctx context.Context, port uint16) ([]net.Listener, error) {
	var config net.ListenConfig
	four, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return nil, err
	}
	probe, err := config.Listen(ctx, "tcp6", "[::1]:0")
	if err != nil {
		return []net.Listener{four}, nil // no such address: localhost can't lead there
	}
	_ = probe.Close()
	_, same, _ := net.SplitHostPort(four.Addr().String())
	six, err := config.Listen(ctx, "tcp6", net.JoinHostPort("::1", same))
	if err != nil {
		_ = four.Close()
		return nil, err
	}
	return []net.Listener{four, six}, nil
}

// serveFront hands requests for host on, as they are but for the Host.
func serveFront(listeners []net.Listener, host string, behind *url.URL) *front {
	quiet := log.New(io.Discard, "", 0) // it would quote requests
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", behind.Host, behind.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport:    &http.Transport{DisableKeepAlives: true}, // no proxy: it is this process
		ErrorLog:     quiet,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f := &front{server: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != host {
				w.WriteHeader(http.StatusMisdirectedRequest)
				return
			}
			pass.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: frontWait, ReadTimeout: frontWait, IdleTimeout: frontWait, MaxHeaderBytes: frontHeader,
		DisableGeneralOptionsHandler: true, ErrorLog: quiet,
	}}
	for _, l := range listeners {
		f.serving.Go(func() { _ = f.server.Serve(netutil.LimitListener(l, frontConns)) })
	}
	return f
}

// close lets the last page pass and frees the port.
func (f *front) close() {
	ctx, cancel := context.WithTimeout(context.Background(), frontEnd)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
	f.serving.Wait()
}
