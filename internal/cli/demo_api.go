package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"authsome/internal/ca"
)

// demoAPI is the stand-in provider with its way in: an HTTPS server, and a
// parent proxy that leads every CONNECT to it. Both listen on loopback.
type demoAPI struct {
	caFile    string
	parentURL string
	api       *http.Server
	parent    *http.Server
	serving   sync.WaitGroup

	mu   sync.Mutex // guards seen
	seen []string
}

func startDemoAPI(caFile string) (*demoAPI, error) {
	u, err := url.Parse(demoURL)
	if err != nil {
		return nil, err
	}
	authority, err := ca.New([]string{u.Hostname()})
	if err != nil {
		return nil, err
	}
	leaf, err := authority.Leaf(u.Hostname())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(caFile, authority.PEM(), 0o600); err != nil {
		return nil, err
	}
	d := &demoAPI{caFile: caFile}
	d.api = &http.Server{Handler: http.HandlerFunc(d.answer), ReadHeaderTimeout: 10 * time.Second}
	apiListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := apiListener.Addr().String()
	d.parent = &http.Server{Handler: connectTo(address), ReadHeaderTimeout: 10 * time.Second}
	parentListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, apiListener.Close())
	}
	d.parentURL = "http://" + parentListener.Addr().String()
	config := &tls.Config{Certificates: []tls.Certificate{*leaf}, MinVersion: tls.VersionTLS12}
	d.serving.Go(func() { _ = d.api.Serve(tls.NewListener(apiListener, config)) })
	d.serving.Go(func() { _ = d.parent.Serve(parentListener) })
	return d, nil
}

// answer notes the request, and repeats the credential it came with: what an
// echo endpoint or a chatty error page would do.
func (d *demoAPI) answer(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.seen = []string{r.Method + " " + r.URL.Path + " " + r.Proto, "Host: " + r.Host}
	for _, value := range r.Header.Values("Authorization") {
		d.seen = append(d.seen, "Authorization: "+value)
	}
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"hello":`+strconv.Quote(r.Header.Get("Authorization"))+"}\n")
}

// received returns the last request's line and the fields worth showing.
func (d *demoAPI) received() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.seen...)
}

func (d *demoAPI) close() {
	_, _ = d.api.Close(), d.parent.Close()
	d.serving.Wait()
}

// connectTo is a proxy that leads every CONNECT to one address.
func connectTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		upstream, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = upstream.Close()
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		join(client, upstream)
	}
}

// join copies both ways until one side ends, and closes both.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_, _ = to.Close(), from.Close()
	}
	both.Go(func() { pipe(a, b) })
	both.Go(func() { pipe(b, a) })
	both.Wait()
}

func demoTransport(pool *x509.CertPool, parent parentFunc) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		Proxy: func(r *http.Request) (*url.URL, error) {
			return parent(r.URL.Hostname(), 443, r.URL.Scheme)
		},
	}
}
