package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"authsome/internal/secret"
)

// Bounds of the redirect listener: another user of the machine can reach it.
const (
	maxConns     = 128
	maxHeader    = 16 << 10
	maxCode      = 8 << 10
	headerWait   = 5 * time.Second
	pageWait     = 2 * time.Second        // for the last page to be written
	shutdownWait = 100 * time.Millisecond // for the browser to take it; it also opens connections that it never uses
)

// Status is what became of a request to the redirect listener.
type Status int

// The statuses. Only Succeeded and Failed end a login.
const (
	Ignored   Status = iota // not the response that is waited for
	Used                    // the right response, a second time
	Succeeded               // the code was traded for a token
	Failed                  // Outcome.Err says why
)

// Outcome is what a page tells the human.
type Outcome struct {
	Status Status
	Err    error // with Failed only; its text may be the server's and needs escaping
}

// Redirect is the loopback redirect endpoint of one login (RFC 8252 section
// 7.3). It listens from the start, so that nobody else can take its port.
type Redirect struct {
	listener net.Listener
	uri      string
	host     string // what Host must be
	path     string

	start    string // path of the one-time redirect to the authorization URL
	startURL atomic.Pointer[string]

	claimed atomic.Bool    // the right response has come
	answers chan exchange  // to Wait
	done    chan struct{}  // closed when Wait is over
	serving sync.WaitGroup // the server's goroutine
	closing sync.Once
}

// exchange is an authorization response on its way to Wait and back.
type exchange struct {
	code    secret.Text
	err     error
	outcome chan Outcome  // of one element
	written chan struct{} // closed when the page is
}

// Await is what Wait waits for.
type Await struct {
	Server Server      // whose response: for iss and error codes
	State  secret.Text // that the response must repeat

	// Finish trades the code for a token. The page is written when it returns.
	Finish func(ctx context.Context, code secret.Text) error

	// Page writes the HTML for an outcome; nil writes a line of text. The
	// page may hold one style element, whose exact content is Style, and no
	// other resource or script: the headers forbid it.
	Page  func(Outcome) []byte
	Style string
}

// ListenRedirect opens the endpoint. The zero address means a free port of
// 127.0.0.1, and the empty path a random one; what is given is used as it is,
// and the address must be loopback.
func ListenRedirect(ctx context.Context, addr netip.AddrPort, path string) (*Redirect, error) {
	if addr == (netip.AddrPort{}) {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if path == "" {
		path = "/" + random().Reveal()
	}
	if !addr.Addr().IsLoopback() || !strings.HasPrefix(path, "/") || (&url.URL{Path: path}).EscapedPath() != path {
		return nil, errors.New("redirect listener: wants a loopback address and a plain path")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("redirect listener: %w", err)
	}
	host := listener.Addr().String()
	return &Redirect{
		listener: listener, host: host, path: path, uri: "http://" + host + path, start: "/" + random().Reveal(),
		answers: make(chan exchange), done: make(chan struct{}),
	}, nil
}

// URI is the redirect URI to register and to send.
func (r *Redirect) URI() string { return r.uri }

// Open returns a URL of this listener that leads to target, once, while Wait
// waits. A browser is started with it, since an argument list can be read by
// other users, and target holds the state.
func (r *Redirect) Open(target string) string {
	r.startURL.Store(&target)
	return "http://" + r.host + r.start
}

// Close frees the port. It is for a login that ends without Wait, and does
// nothing after it.
func (r *Redirect) Close() error {
	var err error
	r.closing.Do(func() { err = r.listener.Close() })
	return err
}

// Wait serves until the awaited response has come and Finish has returned,
// shows the outcome in the browser, and frees the port. It returns what Finish
// returned, an *Error when the server refused, ErrIssuer when the response
// came from another server, or the context's error. Any other request is
// answered and ignored. Wait can be called once.
func (r *Redirect) Wait(ctx context.Context, w Await) error {
	server := &http.Server{
		Handler:           http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) { r.serve(rw, req, w) }),
		ReadHeaderTimeout: headerWait, ReadTimeout: headerWait, IdleTimeout: headerWait, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0), // it would quote requests
	}
	broken := make(chan error, 1)
	r.serving.Go(func() { broken <- server.Serve(netutil.LimitListener(r.listener, maxConns)) })
	defer r.stop(server)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-broken:
		return fmt.Errorf("redirect listener: %w", err)
	case x := <-r.answers:
		return x.finish(ctx, w)
	}
}

// finish does what the response calls for and sees to it that the page is out.
func (x exchange) finish(ctx context.Context, w Await) error {
	err := x.err
	if err == nil {
		err = w.Finish(ctx, x.code)
	}
	outcome := Outcome{Status: Succeeded}
	if err != nil {
		outcome = Outcome{Failed, err}
	}
	x.outcome <- outcome
	select {
	case <-x.written:
	case <-time.After(pageWait):
	}
	return err
}

// stop ends every connection and frees the port.
func (r *Redirect) stop(server *http.Server) {
	close(r.done)
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWait)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
	_ = r.Close()
	r.serving.Wait()
}

// serve answers one request.
func (r *Redirect) serve(rw http.ResponseWriter, req *http.Request, w Await) {
	switch {
	case req.Host != r.host:
		w.write(rw, http.StatusMisdirectedRequest, Outcome{})
	case req.Method != http.MethodGet:
		rw.Header().Set("Allow", http.MethodGet)
		w.write(rw, http.StatusMethodNotAllowed, Outcome{})
	case req.URL.Path == r.start:
		r.serveStart(rw, w)
	case req.URL.EscapedPath() != r.path:
		w.write(rw, http.StatusNotFound, Outcome{})
	default:
		r.serveResponse(rw, req, w)
	}
}

// serveStart sends the browser on its way, once.
func (r *Redirect) serveStart(rw http.ResponseWriter, w Await) {
	target := r.startURL.Swap(nil)
	if target == nil {
		w.write(rw, http.StatusGone, Outcome{})
		return
	}
	w.headers(rw)
	rw.Header().Set("Location", *target)
	rw.WriteHeader(http.StatusSeeOther)
}

// serveResponse hands the awaited response to Wait and shows what came of it.
func (r *Redirect) serveResponse(rw http.ResponseWriter, req *http.Request, w Await) {
	code, err, ok := parseResponse(req.URL.RawQuery, w)
	if !ok {
		w.write(rw, http.StatusBadRequest, Outcome{})
		return
	}
	if !r.claimed.CompareAndSwap(false, true) {
		w.write(rw, http.StatusGone, Outcome{Status: Used})
		return
	}
	x := exchange{code, err, make(chan Outcome, 1), make(chan struct{})}
	defer close(x.written)
	select {
	case r.answers <- x:
	case <-r.done: // the context ended first
		w.write(rw, http.StatusGone, Outcome{})
		return
	}
	outcome := <-x.outcome // Wait always answers what it has taken
	status := http.StatusOK
	if outcome.Status == Failed {
		status = http.StatusBadRequest
	}
	w.write(rw, status, outcome)
}

// parseResponse reads an authorization response (RFC 6749 sections 4.1.2 and
// 4.1.2.1). ok is false unless it repeats the state and no parameter stands
// twice: anybody can send anything here.
func parseResponse(rawQuery string, w Await) (code secret.Text, refused error, ok bool) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil || w.State.IsZero() || !w.State.Equal(secret.New(query.Get("state"))) {
		return code, nil, false
	}
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "error_uri"} {
		if len(query[name]) > 1 {
			return code, nil, false
		}
	}
	value := query.Get("code")
	if query.Has("error") == query.Has("code") || len(value) > maxCode || !isPrintableASCII(value) {
		return code, nil, false
	}
	if err := w.Server.checkIss(query); err != nil {
		return code, fmt.Errorf("authorization response: %w", err), true
	}
	if value != "" {
		return secret.New(value), nil, true
	}
	if query.Get("error") == "" {
		return code, nil, false
	}
	return code, fmt.Errorf("authorization response: %w", responseError(query, w)), true
}

func responseError(query url.Values, w Await) *Error {
	o, _ := parseForm([]byte(url.Values{
		"error": query["error"], "error_description": {query.Get("error_description")}, "error_uri": {query.Get("error_uri")},
	}.Encode()))
	return new(Client).errorFrom(0, o, w.Server.Quirks.ErrorCodes, []secret.Text{w.State})
}

// headers forbids the page everything but its own style, and everybody to
// keep, frame or trace it: its address holds the code.
func (w Await) headers(rw http.ResponseWriter) {
	style := "'none'"
	if w.Style != "" {
		sum := sha256.Sum256([]byte(w.Style))
		style = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	for name, value := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src " + style +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Cache-Control":                "no-store",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Connection":                   "close",
	} {
		rw.Header().Set(name, value)
	}
}

// write sends the page for an outcome, whole: the server may stop right after.
func (w Await) write(rw http.ResponseWriter, status int, o Outcome) {
	page, contentType := []byte(o.String()+"\n"), "text/plain; charset=utf-8"
	if w.Page != nil {
		page, contentType = w.Page(o), "text/html; charset=utf-8"
	}
	w.headers(rw)
	rw.Header().Set("Content-Type", contentType)
	rw.Header().Set("Content-Length", strconv.Itoa(len(page)))
	rw.WriteHeader(status)
	_, _ = rw.Write(page)
	_ = http.NewResponseController(rw).Flush()
}

// String says in a few words what happened.
func (o Outcome) String() string {
	switch o.Status {
	case Used:
		return "This login was answered already."
	case Succeeded:
		return "Logged in. You can close this page."
	case Failed:
		return "The login did not succeed. The terminal says why."
	}
	return "This is not the answer to the login that is waiting."
}
