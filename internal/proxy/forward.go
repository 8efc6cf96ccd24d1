package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// handleIntercepted answers a request inside a tunnel to the routed host.
func (s *server) handleIntercepted(w http.ResponseWriter, r *http.Request, to authority) {
	t, err := parseTarget(r.RequestURI)
	if err == nil && t.scheme == "http" {
		err = bad("http URL inside a TLS connection")
	}
	s.handle(w, r, err, exchange{to: to, scheme: "https", target: t, authorize: true})
}

// absolute answers a request on the proxy port that names a URL. Only https,
// and only for a host that is claimed, is authorized.
func (s *server) absolute(w *response, r *http.Request) {
	t, err := parseTarget(r.RequestURI)
	x := exchange{scheme: t.scheme, target: t}
	if err == nil {
		x.to, err = parseAuthority(t.authority, defaultPort(t.scheme))
	}
	if err == nil {
		x.authorize = t.scheme == "https" && s.claims(x.to)
		if !x.authorize && s.Admit != nil {
			if err := s.Admit(x.to.host, x.to.port, x.scheme); err != nil {
				s.refuseRequest(w, r, x.to, asRefusal(err, http.StatusForbidden, "not_admitted"))
				return
			}
		}
		if !x.authorize && s.Passed != nil {
			s.Passed(x.to.host, r)
		}
	}
	s.handle(w, r, err, x)
}

// exchange is one request on its way to the routed host.
type exchange struct {
	to        authority
	scheme    string
	target    target
	path      string // of the target, decoded
	lines     fields // of the client's head, nil for HTTP/2
	authorize bool   // and otherwise forwarded as it is
	websocket string
	overHTTP2 bool // from the client
	trailers  bool // the HTTP/2 client wants trailer fields
	grant     Grant
	body      *keptBody // nil when the body can't be sent again
	scan      *redactor // nil when nothing is to be redacted
}

// handle does the checks that concern every request, and forwards it.
func (s *server) handle(w http.ResponseWriter, r *http.Request, err error, x exchange) {
	if err == nil {
		err = x.check(r)
	}
	if err != nil {
		s.refuseRequest(w, r, x.to, badRefusal(err))
		return
	}
	s.forward(w, r, &x)
}

func (x *exchange) check(r *http.Request) error {
	err := checkMethod(r)
	if err == nil {
		err = checkAuthority(r, x.target, x.to, x.scheme)
	}
	if err == nil {
		x.websocket, err = checkUpgrade(r)
	}
	return err
}

// checkMethod refuses the methods that show a request to its sender, and
// those that mean something else than a request.
func checkMethod(r *http.Request) error {
	switch r.Method {
	case http.MethodTrace, "TRACK":
		return &badRequest{http.StatusMethodNotAllowed, r.Method + " would show the credential"}
	case http.MethodConnect, "PRI":
		return bad(r.Method + " inside a tunnel")
	case http.MethodOptions:
		if limit := r.Header["Max-Forwards"]; len(limit) > 0 && strings.Trim(limit[0], "0") == "" {
			return bad("Max-Forwards is used up")
		}
	}
	return nil
}

// forward sends the request and relays the answer.
func (s *server) forward(w http.ResponseWriter, r *http.Request, x *exchange) {
	out := x.outgoing(r)
	if w1, ok := w.(*response); ok {
		x.lines = w1.sent
	}
	if x.authorize && s.Authorize != nil {
		grant, err := s.authorize(out, x)
		if err != nil && r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // nobody is there to be told
		}
		if err != nil {
			refuse(w, asRefusal(err, http.StatusBadGateway, "not_authorized"))
			return
		}
		x.grant = grant
	}
	x.keepBody(out)
	resp, err := s.send(w, out, x)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		if again := s.renew(out, x); again != nil {
			_ = resp.Body.Close()
			resp, err = s.send(w, again, x)
		}
	}
	if err != nil {
		s.failed(w, r, x, err)
		return
	}
	defer resp.Body.Close()
	s.relay(w, r, resp, x)
}

// send sends out with what the grant put on it, and tells the grant what came
// of it.
func (s *server) send(w http.ResponseWriter, out *http.Request, x *exchange) (*http.Response, error) {
	x.scan = s.matchers.redactor(x.grant)
	x.prepare(out)
	resp, err := s.roundTrip(w, out, x)
	if err != nil {
		x.grant.done(0, s.reason(err))
		return nil, err
	}
	x.grant.done(resp.StatusCode, nil)
	return resp, nil
}

func (g Grant) done(status int, err error) {
	if g.Done != nil {
		g.Done(status, err)
	}
}

var errClientGone = errors.New("the client ended the exchange")

// reason is err as it may be written down: without addresses.
func (s *server) reason(err error) error {
	if refusal := s.explain(err); refusal != nil {
		return refusal
	}
	return errClientGone
}

// outgoing makes the request that leaves from the one that came: same method,
// path, end-to-end fields and body, to the routed host.
func (x *exchange) outgoing(r *http.Request) *http.Request {
	x.overHTTP2 = r.ProtoMajor == 2
	x.trailers = x.overHTTP2 && hasToken(r.Header["Te"], "trailers")
	header := r.Header
	delete(header, "Host")
	stripHop(header)
	out := new(http.Request)
	*out = *r // with its context
	out.URL, out.Host, out.Header = x.target.url(x.to, x.scheme), x.to.field(x.scheme), header
	out.Proto, out.ProtoMajor, out.ProtoMinor = "HTTP/1.1", 1, 1
	out.RequestURI, out.RemoteAddr, out.TLS, out.Trailer, out.TransferEncoding, out.Close = "", "", nil, nil, nil, false
	x.path = out.URL.Path
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	} else if r.ContentLength < 0 {
		out.TransferEncoding = []string{"chunked"}
	}
	x.carryTrailer(out, r)
	return out
}

// carryTrailer passes on the trailer fields that were announced and may be
// passed on; the values are known at the body's end.
func (x *exchange) carryTrailer(out, r *http.Request) {
	for name := range r.Trailer {
		if name = textproto.CanonicalMIMEHeaderKey(name); mayTrail(name) {
			if out.Trailer == nil {
				out.Trailer = make(http.Header)
			}
			out.Trailer[name] = nil
		}
	}
	if out.Trailer != nil {
		out.Body = &trailingBody{ReadCloser: r.Body, from: r, to: out.Trailer}
	}
}

// trailingBody fills in the outgoing trailer when the body has ended.
type trailingBody struct {
	io.ReadCloser
	from *http.Request
	to   http.Header
}

func (b *trailingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		for name := range b.to {
			if values := b.from.Trailer[name]; len(values) > 0 {
				b.to[name] = values
			}
		}
	}
	return n, err
}

// authorize has the request authorized, and sees to it that this changed
// nothing about where it goes.
func (s *server) authorize(out *http.Request, x *exchange) (Grant, error) {
	grant, err := s.Authorize(out.Context(), out)
	if err != nil {
		return Grant{}, err
	}
	if err := x.pin(out); err != nil {
		grant.done(0, err)
		return Grant{}, err
	}
	return grant, nil
}

// pin points the request where it was routed, whatever was done to it.
func (x *exchange) pin(out *http.Request) error {
	out.URL.Scheme, out.URL.Host, out.URL.User = x.scheme, x.to.field(x.scheme), nil
	out.Host = out.URL.Host
	if badTarget(out.URL.RawQuery) {
		return errors.New("authorized query holds a character that is not allowed")
	}
	return nil
}

// prepare makes out ready for the transport, after which nothing may change.
func (x *exchange) prepare(out *http.Request) {
	path := out.URL.EscapedPath()
	if out.URL.RawPath == x.target.path && out.URL.Path == x.path {
		path = x.target.path // net/url would escape what the client did not
	}
	out.URL.Opaque = path
	for name := range out.Trailer {
		for injected := range out.Header {
			if sameField(name, injected) {
				delete(out.Trailer, name)
			}
		}
	}
	if len(out.Trailer) == 0 {
		out.Trailer = nil
	}
	if x.websocket != "" {
		out.Header["Connection"], out.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		if x.readsFrames() {
			deleteField(out.Header, extensionsField)
		}
	}
	if x.scan != nil {
		x.scan.limitCodings(out.Header)
	}
}

// roundTrip sends out and returns the final response's head. Interim
// responses are passed on as they come.
func (s *server) roundTrip(w http.ResponseWriter, out *http.Request, x *exchange) (*http.Response, error) {
	if parent, _ := s.absoluteParent(x.to, x.scheme); parent != nil {
		out.URL.Opaque = "//" + out.URL.Host + out.URL.Opaque
		if parent.User != nil {
			out.Header["Proxy-Authorization"] = []string{basic(parent.User)}
		}
	}
	interim := &interim{w: w, x: x}
	pool := s.upstreams.transport(out, x)
	resp, err := pool.roundTrip(out, interim)
	interim.end()
	if err != nil {
		if pool.certificates.Load() && isAlert(err) {
			err = &Refusal{
				Status: http.StatusBadGateway, Code: "upstream_client_certificate",
				Message: x.to.host + " requires a client certificate (mTLS), which only the client has: start the run with --only and without this provider, and its connections pass through",
			}
		}
		return nil, err
	}
	if err := checkResponse(resp, x); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// failed answers an exchange whose response never came.
func (s *server) failed(w http.ResponseWriter, r *http.Request, x *exchange, err error) {
	if e, ok := errors.AsType[*badRequest](err); ok {
		s.refuseRequest(w, r, x.to, badRefusal(e)) // the body broke the rules
		return
	}
	refusal := s.explain(err)
	if refusal == nil || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to be told
	}
	if g, ok := w.(*grpcResponse); ok {
		g.cause = err
	}
	s.refuseUpstream(w, r, x.to, refusal)
}
