// Package proxy is the run's loopback proxy: it proves who connects,
// intercepts TLS for the hosts that are claimed, has each request authorized,
// and forwards it to the one host that was routed.
//
// It knows no provider, no credential and no vault: all policy is handed in
// as functions. What it guarantees by itself is that a request is forwarded
// with what Authorize put on it only to the host, port and scheme Authorize
// was asked about, over verified TLS, and that nothing ambiguous is forwarded
// at all.
//
// An attacker is the client: it chooses every byte on the child's side, wants
// a credential sent to a host of its own or shown to itself, and tries target,
// SNI, Host, framing and upgrades against each other. A second attacker is
// the server: it answers with whatever makes the proxy repeat a secret, open
// a tunnel or run out of memory. A third is another local user who finds the
// port.
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// Proxy is the policy of one proxy, set once before Listen and not changed
// afterwards. Every function may be called from many goroutines at once.
// Host names handed to them are lower-case ASCII without a trailing dot, or
// an IP literal without brackets; ports are 1 to 65535.
type Proxy struct {
	// Claims reports whether https on host:port is to be intercepted. It is
	// asked once for each CONNECT and each https absolute-form request.
	// Nil claims nothing.
	Claims func(host string, port uint16) bool

	// Authorize is called for each intercepted request, after every check
	// and before anything leaves. r is the outgoing request: its URL is
	// built from the routed host and the path as the client sent it,
	// hop-by-hop and Proxy fields are gone. Authorize may edit r.Header,
	// r.URL and r.Trailer, but not where the request goes, and put another
	// body of the same length in the place of r.Body, of which it may have
	// read; a *Refusal that Read returns is answered. An error is
	// answered by the proxy and nothing leaves; a *Refusal is answered as it
	// says. Nil forwards unchanged.
	Authorize func(ctx context.Context, r *http.Request) (Grant, error)

	// Admit decides about a destination that is not intercepted: scheme is
	// "https" for a CONNECT, "http" or "https" for an absolute-form request.
	// Nil, or a nil answer, lets it through.
	Admit func(host string, port uint16, scheme string) error

	// Passed is told of a request in absolute form that goes on as it is, since
	// its host is not intercepted. It must not change or keep r. Nil is none.
	Passed func(host string, r *http.Request)

	// Leaf returns the certificate to show for an intercepted host. An error
	// refuses the CONNECT.
	Leaf func(host string) (*tls.Certificate, error)

	// Roots returns the pool upstream certificates are verified against. It
	// is called once, at the first upstream connection. Nil means the
	// system's roots.
	Roots func() (*x509.CertPool, error)

	// Parent returns the proxy to reach a destination through, or nil for a
	// direct connection. Schemes http, https, socks5 and socks5h, with
	// credentials as userinfo.
	Parent func(host string, port uint16, scheme string) (*url.URL, error)

	// Report receives what somebody may want to know of: see Kind. It must
	// not block.
	Report func(Event)

	// Log is for debugging. Nil is silent.
	Log *slog.Logger

	// Peer decides whether a connection may use the proxy, before a byte of
	// it is read. Nil means: its owner, by what the operating system says of
	// the socket, must be the user the proxy runs as; and where the system
	// can't tell, Password.
	Peer func(net.Conn) error

	// Password is what a client must send as Basic proxy credentials where
	// the operating system can't tell whose connection it is. Listen fills
	// in 128 random bits when it is empty. NeedsPassword tells whether it is
	// in use.
	Password string

	addr     atomic.Pointer[net.TCPAddr]
	identity atomic.Pointer[identity]
}

// Grant is Authorize's answer: the request may go. The zero Grant forwards it
// as it is.
type Grant struct {
	// Pool separates upstream connections: only requests with the same Pool
	// share one. It names provider, connection and credential generation.
	Pool string

	// Redact holds the secret and every rendering of it that was put on the
	// request. Whatever repeats one of them on the way back, from any host
	// of the run, or its percent, JSON, HTML, base64 or hex spelling, is
	// replaced by Placeholder. Strings shorter than 8 bytes are ignored: they
	// would match by chance.
	Redact      []string
	Placeholder string

	// Private allows addresses that are not on the public internet. Only a
	// user who names a host can know that it is inside. A rule that names an
	// address or localhost allows that by itself.
	Private bool

	// Message is given each text message of at most 64 KiB that the client
	// sends on a websocket, and returns what is sent in its place: text
	// itself, unchanged, or something else. Nil passes everything as it is.
	Message func(text []byte) []byte

	// Done is called exactly once: with the upstream's status when its head
	// is known, or with an error when the exchange failed before that.
	Done func(status int, err error)

	// Renew is asked, at most once for a request, when the upstream answered
	// 401 and the request can be sent again: no body, or a short one that was
	// sent whole. It puts another credential on r, the request as Authorize
	// left it, and returns its grant; or false, and the 401 is the answer.
	// Nil never sends again.
	Renew func(ctx context.Context, r *http.Request) (Grant, bool)
}

// Refusal is an answer the proxy gives itself. As an error it is answered with
// Status, a header Authsome-Error: Code, and a JSON body of the other fields.
type Refusal struct {
	Status     int    `json:"-"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint,omitempty"`
	Provider   string `json:"provider,omitempty"`
	Connection string `json:"connection,omitempty"`
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// body is the JSON document a client gets.
func (r *Refusal) body() []byte {
	b, err := json.Marshal(map[string]*Refusal{"error": r})
	if err != nil { // strings always encode
		return []byte("{}")
	}
	return append(b, '\n')
}

// asRefusal makes any error an answer. An error that is no Refusal gets
// status and code.
func asRefusal(err error, status int, code string) *Refusal {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	return &Refusal{Status: status, Code: code, Message: err.Error()}
}

// Kind says what an Event is about.
type Kind string

const (
	// KindPeer is a connection that is not ours to serve.
	KindPeer Kind = "peer"
	// KindRefused is a request or tunnel that was answered by the proxy and
	// not forwarded, except by Authorize, which knows of it.
	KindRefused Kind = "refused"
	// KindUpstream is a failure to reach or to trust the routed host.
	KindUpstream Kind = "upstream"
	// KindTrusted is the first connection to a routed host of which the root,
	// Reason, answers for its certificate: a distinguished name as in RFC 2253.
	KindTrusted Kind = "trusted"
	// KindUntrusted is a client that does not accept the run's certificate:
	// it pins another one or does not know the run's CA. Once for each host
	// and client.
	KindUntrusted Kind = "untrusted"
	// KindPanic is a defect of this program. The connection it happened on
	// is gone, the run goes on.
	KindPanic Kind = "panic"
)

// Event is one thing worth telling. It never holds a header, a body, a query
// or a secret.
type Event struct {
	Kind   Kind
	Host   string // routed host; "" when none was understood
	Port   uint16
	Method string
	Path   string // as sent, without the query
	Status int    // what the client was answered, 0 for none
	Code   string // a Refusal's code
	Reason string // one line
	Client string // the client's program with KindUntrusted; "" when not known
}
