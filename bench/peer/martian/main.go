// Command martian is github.com/google/martian/v3 with its own certificate
// authority helper. It prints its address.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"

	"github.com/google/martian/v3"
	"github.com/google/martian/v3/log"
	"github.com/google/martian/v3/mitm"
)

// injector sets the credential.
type injector struct{ secret string }

func (i injector) ModifyRequest(r *http.Request) error {
	r.Header["Authorization"] = []string{i.secret}
	return nil
}

func main() {
	authority := flag.String("ca", "", "PEM with the authority's certificate and key")
	roots := flag.String("roots", "", "PEM of what upstreams are verified against")
	secret := flag.String("secret", "", "value of Authorization")
	flag.Parse()
	log.SetLevel(log.Silent)
	ca, err := tls.LoadX509KeyPair(*authority, *authority)
	if err != nil {
		stdlog.Fatal(err)
	}
	pem, err := os.ReadFile(*roots)
	if err != nil {
		stdlog.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config, err := mitm.NewConfig(ca.Leaf, ca.PrivateKey)
	if err != nil {
		stdlog.Fatal(err)
	}
	proxy := martian.NewProxy()
	proxy.SetMITM(config)
	proxy.SetRoundTripper(&http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
	})
	proxy.SetRequestModifier(injector{*secret})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		stdlog.Fatal(err)
	}
	fmt.Println(l.Addr())
	stdlog.Fatal(proxy.Serve(l))
}
