package prompt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// Bounds of the form's listener: another user of the machine can reach it.
const (
	formWait   = 5 * time.Minute // for the human
	formConns  = 128
	formHeader = 16 << 10
	formBody   = 3*MaxInput + 4<<10 // percent-encoded, and the other fields
	readWait   = 10 * time.Second
	closeWait  = 500 * time.Millisecond // for the last page to pass
)

// Form asks with a page in the browser: for when there is a human but their
// terminal belongs to somebody else, an agent for example.
type Form struct {
	Out     io.Writer // where it says which page was opened; never standard output
	Browser Browser   // the zero Browser opens nothing
}

// Secret asks for a value that is not shown. Cancel and the end of ctx return
// login.ErrCancelled, five minutes without an answer login.ErrTimeout. The
// port is free when it returns.
func (f Form) Secret(ctx context.Context, q login.Question) (secret.Text, error) {
	value, err := f.ask(ctx, q, true)
	return secret.New(value), err
}

// Text is Secret for a value that is shown.
func (f Form) Text(ctx context.Context, q login.Question) (string, error) {
	return f.ask(ctx, q, false)
}

// Visit prints where to go and opens the page.
func (f Form) Visit(ctx context.Context, v login.Visit) error {
	show(f.Out, v, func() {})
	f.Browser.visit(ctx, f.Out, v.Open)
	return nil
}

func (f Form) ask(ctx context.Context, q login.Question, hidden bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, formWait)
	defer cancel()
	s, err := listenForm(ctx, q, hidden)
	if err != nil {
		return "", err
	}
	defer s.close()
	fmt.Fprintf(f.Out, "%s for %s is asked for in your browser:\n\n  %s\n\nWaiting. Ctrl-C cancels.\n",
		Printable(q.Label), Printable(q.Provider), s.origin+s.path)
	var opening sync.WaitGroup
	opening.Go(func() { f.Browser.visit(ctx, f.Out, s.origin+s.start) })
	defer opening.Wait()
	defer cancel()
	select {
	case r := <-s.replies:
		return r.value, r.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fmt.Errorf("%w: the form was open for %v", login.ErrTimeout, formWait)
		}
		return "", login.ErrCancelled
	}
}

// form is the page of one question and its listener. Nobody finds the page who
// was not given its path, and no answer counts without the page's token.
type form struct {
	question login.Question
	hidden   bool

	host   string // what Host must be
	origin string // what Origin must be
	start  string // path that leads to the page, once: it stands in an argument list
	path   string
	token  string

	started atomic.Bool // start was used
	claimed atomic.Bool // an answer has come
	replies chan reply  // of one element

	server  *http.Server
	serving sync.WaitGroup
}

// reply is what the human did.
type reply struct {
	value string
	err   error
}

func listenForm(ctx context.Context, q login.Question, hidden bool) (*form, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	host := listener.Addr().String()
	f := &form{
		question: q, hidden: hidden, host: host, origin: "http://" + host,
		start: "/" + random(), path: "/" + random(), token: random(), replies: make(chan reply, 1),
	}
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: readWait, ReadTimeout: readWait, WriteTimeout: readWait, IdleTimeout: readWait,
		MaxHeaderBytes: formHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: log.New(io.Discard, "", 0), // it would quote requests
	}
	f.serving.Go(func() { _ = f.server.Serve(netutil.LimitListener(listener, formConns)) })
	return f, nil
}

// random returns 260 unguessable bits, fit for a path.
func random() string { return rand.Text() + rand.Text() }

// close lets the last page pass, ends every connection and frees the port.
func (f *form) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
	f.serving.Wait()
}
