// Command goproxy is github.com/elazarl/goproxy as fast as its settings allow:
// an ECDSA authority, a certificate store, a transport with enough idle
// connections. It prints its address.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/elazarl/goproxy"
)

// store keeps one certificate for each host.
type store struct {
	mu    sync.Mutex
	certs map[string]*tls.Certificate
}

func (s *store) Fetch(host string, mint func() (*tls.Certificate, error)) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.certs[host]; c != nil {
		return c, nil
	}
	c, err := mint()
	if err == nil {
		s.certs[host] = c
	}
	return c, err
}

func main() {
	log.SetFlags(0)
	authority := flag.String("ca", "", "PEM with the authority's certificate and key")
	roots := flag.String("roots", "", "PEM of what upstreams are verified against")
	secret := flag.String("secret", "", "value of Authorization")
	flag.Parse()
	ca, err := tls.LoadX509KeyPair(*authority, *authority)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*roots)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	proxy := goproxy.NewProxyHttpServer()
	proxy.CertStore = &store{certs: map[string]*tls.Certificate{}}
	proxy.Tr = &http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
	}
	mitm := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&ca)}
	proxy.OnRequest().HandleConnectFunc(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) { return mitm, host })
	proxy.OnRequest().DoFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		r.Header["Authorization"] = []string{*secret}
		return r, nil
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	log.Fatal(http.Serve(l, proxy))
}
