package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"authsome/internal/broker"
	"authsome/internal/ca"
	"authsome/internal/child"
	"authsome/internal/inject"
	"authsome/internal/proxy"
)

// stage is what stands around a child: the run's certificate authority, its
// folder and its proxy.
type stage struct {
	app     *app
	session *broker.Session
	options runOptions
	nested  bool // in a run, whose proxy is our way out

	dir   *child.RunDir
	proxy *proxy.Proxy
	env   []string // the child's

	stop func()

	mu     sync.Mutex // guards what follows
	warned map[string]bool
	held   []string // warnings for the end of the run

	asked atomic.Bool // the proxy was, for a host
}

// openStage sets everything up and starts the proxy.
func (a *app) openStage(ctx context.Context, session *broker.Session, o runOptions) (*stage, error) {
	s := &stage{app: a, session: session, options: o, warned: map[string]bool{}, stop: func() {}}
	a.sourceWarn = func(format string, args ...any) { s.warnOnce(fmt.Sprintf(format, args...), format, args...) }
	parent, nested, err := a.wayOut()
	if err != nil {
		return nil, err
	}
	s.nested = nested
	if s.dir, err = child.NewRunDir(a.getenv("XDG_RUNTIME_DIR"), a.tempDir()); err != nil {
		return nil, err
	}
	if err := s.start(ctx, parent); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// start writes the run's files, starts the proxy and works out the child's
// environment.
func (s *stage) start(ctx context.Context, parent parentFunc) error {
	root, err := s.installedRoot(ctx)
	if err != nil {
		return err
	}
	trust := &trust{root: root, dir: s.dir, own: s.app.userBundles(), java: s.app.hasJava(), known: s.session.Routed}
	caPath, bundlePath, err := trust.extend(s.session.Hosts())
	if err != nil {
		return err
	}
	s.proxy = &proxy.Proxy{
		Claims: s.claims, Authorize: s.authorize, Admit: s.options.admit, Passed: s.passed, Leaf: trust.leaf,
		Roots: s.app.upstreamRoots, Parent: parent, Report: s.report, Log: s.app.log,
	}
	listener, err := s.proxy.Listen(ctx, s.options.listen)
	if err != nil {
		return err
	}
	s.serve(ctx, listener, trust.notAfter())
	settings := child.Settings{
		ProxyURL: s.proxy.URL().String(), BundlePath: bundlePath, RootPath: caPath, JavaStore: trust.javaPath(),
		RoutedHosts: s.session.Routed(), Unset: []string{masterKeyVariable}, GitProxies: s.app.gitProxies(),
	}
	return s.environment(settings)
}

// garbage is how much of it a run lets come together, in percent of what is in
// use: that is two or three megabytes, and as much again saves every other
// collection.
const garbage = 200

// serve runs the proxy until stop is called, which waits for it. The run's
// certificates are good until end.
func (s *stage) serve(ctx context.Context, listener net.Listener, end time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	debug.SetGCPercent(garbage)
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.proxy.Serve(ctx, listener); err != nil {
			s.app.warn("proxy: %v", err)
		}
	})
	group.Go(func() { warnOfEnd(ctx, end, s.app.warn) })
	s.stop = func() {
		cancel()
		group.Wait()
	}
}

// endNotice is how long before the end of its certificates a run is told.
const endNotice = time.Hour

// warnOfEnd warns endNotice before end, unless ctx ends before that. It looks
// at the clock every few minutes: timers stand still while a machine sleeps.
func warnOfEnd(ctx context.Context, end time.Time, warn func(format string, args ...any)) {
	for left := time.Until(end) - endNotice; left > 0; left = time.Until(end) - endNotice {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(left, 5*time.Minute)):
		}
	}
	warn("this run's certificates end at %s: clients will fail at hosts that a provider claims. Start a new run before that", end.Format("15:04"))
}

// environment writes the files for programs that need more than variables, and
// works out the child's environment.
func (s *stage) environment(settings child.Settings) error {
	settings.Placeholders = s.session.Placeholders(s.options.agent.Keys)
	if !s.options.noShims {
		if err := s.writeShims(&settings); err != nil {
			return err
		}
	}
	if err := s.writeConfigs(&settings); err != nil {
		return err
	}
	env, warnings := child.Environment(s.app.sys.Environ, settings)
	for _, w := range warnings {
		s.app.warn("%s", w)
	}
	s.env = append(env, caVariable+"="+settings.RootPath)
	return nil
}

// close stops the proxy after responses in flight, and removes the run's
// files.
func (s *stage) close() {
	s.stop()
	s.tellHeld()
	if err := s.dir.Remove(); err != nil {
		s.app.warn("run folder: %v", err)
	}
}

// authorize is the broker's word in the proxy's terms.
func (s *stage) authorize(ctx context.Context, r *http.Request) (proxy.Grant, error) {
	settled := r.Header.Get(broker.ConnectionHeader) == broker.NoConnection
	body := r.Body
	use, err := s.session.Authorize(r)
	if err != nil {
		return proxy.Grant{}, refusal(err)
	}
	if r.Body != body {
		r.Body = &signedBody{r.Body, use}
	}
	if (settled || use.Pool != "") && s.nested {
		r.Header.Set(broker.ConnectionHeader, broker.NoConnection)
	}
	if len(use.Ambiguous) > 0 {
		s.warnOnce("ambiguous "+r.URL.Host, "%s is claimed by %s: requests go there without a credential. Choose one with --only, --connection PROVIDER=NAME, or the placeholder %s:PROVIDER/NAME",
			r.URL.Host, strings.Join(use.Ambiguous, " and "), inject.Placeholder)
	}
	s.app.log.LogAttrs(ctx, slog.LevelDebug, "authorized", slog.String("host", r.URL.Host), slog.String("method", r.Method),
		slog.String("provider", use.Provider), slog.String("connection", use.Connection))
	if carriesPlaceholder(r.URL.Path, r.Header) || inject.HasPlaceholder(r.URL.RawQuery) {
		s.warnOnce("placeholder "+r.URL.Host, "a placeholder went to %s as it is, in a place where %s does not take its credential: see `authsome inspect %s`", r.URL.Host, cmp.Or(use.Provider, "the provider"), cmp.Or(use.Provider, "PROVIDER"))
	}
	grant := s.grant(use)
	grant.Private = use.Private || use.Pool == "" && s.session.Private(r.URL.Hostname())
	if use.Pool != "" && !use.Renewable() {
		grant.Done = s.noticing(r.URL.Host, use)
	}
	return grant, nil
}

// grant is the broker's leave in the proxy's terms.
func (s *stage) grant(use broker.Use) proxy.Grant {
	grant := proxy.Grant{Pool: use.Pool, Redact: use.Redact, Placeholder: inject.Placeholder, Message: use.Message, Private: use.Private, Done: use.Done}
	if use.Renewable() {
		grant.Renew = func(_ context.Context, r *http.Request) (proxy.Grant, bool) {
			again, ok := s.session.Renew(r, use)
			if !ok {
				s.unauthorized(r.URL.Host, use.Provider, use.Connection)
			}
			renewed := s.grant(again)
			renewed.Done = s.noticing(r.URL.Host, again)
			return renewed, ok
		}
	}
	return grant
}

// refusal turns the broker's reason into an HTTP answer.
func refusal(err error) error {
	denied, ok := err.(*broker.Denied)
	if !ok {
		return err
	}
	status := http.StatusBadGateway
	switch denied.Code {
	case broker.CodeNotConnected, broker.CodeNoConnection, broker.CodeOrigin, broker.CodeEndpoint, broker.CodePolicy, broker.CodeSignature, broker.CodeSigning:
		status = http.StatusForbidden
	case broker.CodePath, broker.CodeBody:
		status = http.StatusBadRequest
	}
	return &proxy.Refusal{
		Status: status, Code: string(denied.Code), Message: denied.Reason, Hint: denied.Hint,
		Provider: denied.Provider, Connection: denied.Connection,
	}
}

// report writes down what the proxy refused, and tells the user what needs a
// hand.
func (s *stage) report(e proxy.Event) {
	switch e.Kind {
	case proxy.KindRefused, proxy.KindPeer: // what failed upstream is the answer of its use
		s.session.Refused(e.Host, e.Method, e.Path, cmp.Or(e.Code, e.Reason), e.Status)
	case proxy.KindTrusted:
		s.session.Trusted(net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), e.Reason)
	case proxy.KindUntrusted:
		s.untrusted(e)
	case proxy.KindPanic:
		s.app.warn("a connection was lost to a defect of authsome: %s", e.Reason)
	}
}

// upstreamRoots is what upstream servers are verified against: the system's
// roots plus the user's SSL_CERT_FILE and SSL_CERT_DIR, or with --strict-ca
// none of these.
func (a *app) upstreamRoots() (*x509.CertPool, error) {
	if a.strictCA {
		return ca.PublicRoots()
	}
	system, err := ca.SystemRoots()
	if err != nil {
		return nil, err
	}
	paths := filepath.SplitList(a.getenv("SSL_CERT_DIR"))
	if file := a.getenv("SSL_CERT_FILE"); file != "" {
		paths = append(paths, file)
	}
	own, err := ca.ReadRoots(slices.DeleteFunc(paths, ca.IsSystem)...)
	if err != nil {
		a.warn("SSL_CERT_FILE or SSL_CERT_DIR: %v", err)
	}
	return ca.Pool(system, own)
}

// tempDir is the folder for temporary files.
func (a *app) tempDir() string {
	for _, name := range tempVariables() {
		dir := a.getenv(name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) {
			return dir
		}
	}
	return a.lastTempDir()
}
