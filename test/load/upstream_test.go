//go:build linux

package load_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/websocket"
)

// The hosts of the upstream: an API, and the authorization server of another.
const (
	apiHost   = "api.load.example"
	oauthHost = "oauth.load.example"
	tokenHost = "login.load.example"
)

// upstream is the whole world in one socket for each tunnel: it answers a
// CONNECT, and is the server itself that the tunnel leads to.
type upstream struct {
	ln       net.Listener
	accepted chan net.Conn
	server   *http.Server
	group    sync.WaitGroup
	ca       string // path of its authority's PEM

	conns    atomic.Int64 // open
	requests atomic.Int64
	refused  atomic.Int64 // requests without a token that was issued and is good
	tokens   atomic.Int64 // issued
	life     time.Duration
}

// newUpstream starts one that keeps its authority's certificate in dir.
func newUpstream(dir string) (*upstream, error) {
	u := &upstream{accepted: make(chan net.Conn), ca: filepath.Join(dir, "upstream-ca.pem"), life: 6 * time.Second}
	cert, err := u.certify()
	if err != nil {
		return nil, err
	}
	if u.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	u.server = &http.Server{
		Handler: u.handler(), Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				u.conns.Add(-1)
			}
		},
	}
	u.group.Go(u.accept)
	u.group.Go(func() { _ = u.server.ServeTLS(inner{u}, "", "") })
	return u, nil
}

// certify makes an authority, writes it to u.ca, and returns a certificate for
// every host of the upstream.
func (u *upstream) certify() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authsome load root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{apiHost, oauthHost, tokenHost}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, errRoot := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	leafDER, errLeaf := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key)
	if err := errors.Join(errRoot, errLeaf); err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, os.WriteFile(u.ca, text, 0o600)
}

// accept answers CONNECTs.
func (u *upstream) accept() {
	defer close(u.accepted)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		conn, err := u.ln.Accept()
		if err != nil {
			return
		}
		group.Go(func() {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil && r.Method == http.MethodConnect {
				_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			}
			if err != nil {
				_ = conn.Close()
				return
			}
			u.conns.Add(1)
			u.accepted <- conn
		})
	}
}

// inner is the listener of the server inside the tunnels.
type inner struct{ u *upstream }

func (i inner) Accept() (net.Conn, error) {
	if conn, ok := <-i.u.accepted; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (i inner) Close() error   { return i.u.ln.Close() }
func (i inner) Addr() net.Addr { return i.u.ln.Addr() }

func (u *upstream) close() {
	_ = u.ln.Close()
	_ = u.server.Close()
	u.group.Wait()
}

// URL is what HTTPS_PROXY has.
func (u *upstream) URL() string { return "http://" + u.ln.Addr().String() }

func (u *upstream) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", websocket.Server{Handler: func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }})
	mux.HandleFunc("POST /token", u.issue)
	mux.HandleFunc("/sum", sum)
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		_, _ = io.CopyN(w, pattern{}, n)
	})
	mux.HandleFunc("/grpc", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		if r.Host == oauthHost && !u.good(r.Header.Get("Authorization")) {
			u.refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// issue is the token endpoint. A token says until when it is good.
func (u *upstream) issue(w http.ResponseWriter, _ *http.Request) {
	u.tokens.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":"load-token-%d","token_type":"Bearer","expires_in":%d}`, time.Now().Add(u.life).UnixNano(), int(u.life.Seconds()))
}

func (u *upstream) good(authorization string) bool {
	var until int64
	n, _ := fmt.Sscanf(authorization, "Bearer load-token-%d", &until)
	return n == 1 && time.Now().Add(-time.Second).UnixNano() < until
}

// pattern is an endless text.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a' + byte(i%23)
	}
	return len(p), nil
}

// serveAlone is an upstream in a process of its own. It prints its URL and
// ends with its standard input.
func serveAlone(dir string) error {
	u, err := newUpstream(dir)
	if err != nil {
		return err
	}
	fmt.Println(u.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
