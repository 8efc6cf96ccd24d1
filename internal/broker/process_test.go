package broker_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
)

const (
	childHome   = "BROKER_TEST_HOME"   // set in a child: the home folder
	childServer = "BROKER_TEST_SERVER" // the address of the authorization server
	childKill   = "BROKER_TEST_KILL"   // where a child dies
)

// childWorld returns the home of the parent's world, nil in the parent.
func childWorld(t *testing.T) *world {
	dir, ok := os.LookupEnv(childHome)
	if !ok {
		return nil
	}
	w := newWorld(t)
	w.dir = dir
	return w
}

// listening gives the world's server a listener that children can reach.
func (w *oauthWorld) listening() *oauthWorld {
	w.server = oauthtest.Start(w.t)
	w.network = login.NewNetwork(redirected(w.server.Issuer), nil)
	return w
}

// redirected sends every request to a server, whatever host it is for.
func redirected(address string) roundTripper {
	server, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = server.Scheme, server.Host
		return http.DefaultTransport.RoundTrip(r)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// child is this test, alone, in another process on the same home.
func (w *oauthWorld) child(env ...string) *exec.Cmd {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), self, "-test.v", "-test.run=^"+regexp.QuoteMeta(w.t.Name())+"$")
	cmd.Env = append(append(os.Environ(), childHome+"="+w.dir, childServer+"="+w.server.Issuer), env...)
	return cmd
}

const (
	manyProcesses = 10
	manyRequests  = 100
)

// TestRefresh_I8_processes: a thousand users of one expired token in ten processes
// make one refresh, and all get the new token.
func TestRefresh_I8_processes(t *testing.T) {
	if w := childWorld(t); w != nil {
		useAll(t, w)
		return
	}
	w := newOAuthWorld(t).listening()
	w.server.Script(oauthtest.Token, oauthtest.Slow(200*time.Millisecond))
	w.seed(-time.Minute)
	var wg sync.WaitGroup
	var gates []io.Closer
	ready := make(chan bool)
	for range manyProcesses {
		cmd := w.child()
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		gates = append(gates, in)
		wg.Go(func() {
			output := &strings.Builder{}
			for lines := bufio.NewScanner(io.TeeReader(out, output)); lines.Scan(); {
				if lines.Text() == "ready" {
					ready <- true
				}
			}
			if err := cmd.Wait(); err != nil || !strings.Contains(output.String(), "--- PASS") {
				t.Errorf("child: %v\n%s", err, output)
			}
		})
	}
	for range manyProcesses {
		<-ready
	}
	for _, gate := range gates {
		gate.Close()
	}
	wg.Wait()
	w.wantAttempts(1)
	w.wantAlive()
}

// useAll waits until it may go, and sends its share of requests.
func useAll(t *testing.T, w *world) {
	w.network = login.NewNetwork(redirected(os.Getenv(childServer)), nil)
	session := w.session(broker.Selection{})
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	var mu sync.Mutex
	seen := map[string]int{}
	sendAll(t, session, manyRequests, func(value string) bool {
		mu.Lock()
		defer mu.Unlock()
		seen[value]++
		return true
	})
	c, err := w.open().Connection(t.Context(), "alpha", "")
	if err != nil || seen[token(c)] != manyRequests {
		t.Fatalf("%d of %d requests carried the new token: %v", seen[token(c)], manyRequests, err)
	}
}

// The places where a child dies.
const (
	killIntent   = "intent"   // the intent is written, nothing sent
	killSending  = "sending"  // some time after the request was begun
	killAnswer   = "answer"   // the server has rotated, the answer is here, unread
	killCommit   = "commit"   // some time after the answer was read
	killFinished = "finished" // the caller has the token
)

const killRounds = 16 // of each

// TestRefresh_kill: whenever a process is killed, the grant goes on or the
// connection says that a login is needed, after one more attempt at most.
func TestRefresh_kill(t *testing.T) {
	if w := childWorld(t); w != nil {
		dieRefreshing(w, os.Getenv(childKill))
		return
	}
	w := newOAuthWorld(t).listening()
	outcomes := map[string]int{}
	for _, place := range []string{killIntent, killSending, killAnswer, killCommit, killFinished} {
		for range killRounds {
			outcomes[place+" "+w.killed(place)]++
		}
	}
	t.Log(outcomes)
	if outcomes[killIntent+" alive"] != killRounds || outcomes[killFinished+" alive"] != killRounds {
		t.Errorf("lost what need not be: %v", outcomes)
	}
	if outcomes[killAnswer+" login"] != killRounds {
		t.Errorf("the server forgives nothing, and yet: %v", outcomes)
	}
}

// killed has a child killed at a place, and looks what can be had afterwards.
func (w *oauthWorld) killed(place string) string {
	w.t.Helper()
	w.seed(-time.Minute)
	before := w.attempts()
	out, err := w.child(childKill + "=" + place).CombinedOutput()
	if err == nil || strings.Contains(string(out), "FAIL") {
		w.t.Fatalf("%s: the child was not killed: %v\n%s", place, err, out)
	}
	outcome := ""
	for range 3 {
		c, err := w.open().Fresh(w.t.Context(), w.stored())
		switch {
		case err == nil && w.server.Active(token(c)):
			outcome = "alive"
		case denial(err).Code == broker.CodeLogin:
			outcome = "login"
		default:
			w.t.Fatalf("%s: got %v", place, err)
		}
	}
	if outcome == "alive" {
		w.wantAlive()
	}
	if n := w.attempts() - before; n > 2 {
		w.t.Fatalf("%s: %d attempts", place, n)
	}
	return outcome
}

// dieRefreshing refreshes and dies at a place.
func dieRefreshing(w *world, place string) {
	next := redirected(os.Getenv(childServer))
	w.network = login.NewNetwork(roundTripper(func(r *http.Request) (*http.Response, error) {
		switch place {
		case killIntent:
			die()
		case killSending:
			go dieWithin(3 * time.Millisecond)
		}
		resp, err := next(r)
		switch {
		case err != nil:
			return nil, err
		case place == killAnswer:
			die()
		case place == killCommit:
			resp.Body = &dyingBody{resp.Body}
		}
		return resp, nil
	}), nil)
	b := w.open()
	c, err := b.Connection(w.t.Context(), "alpha", "")
	if err == nil {
		_, err = b.Fresh(w.t.Context(), c)
	}
	if err != nil {
		fmt.Println("FAIL", err)
		return
	}
	die() // at the latest
}

// dyingBody kills the process some time after it was read.
type dyingBody struct{ io.ReadCloser }

func (b *dyingBody) Close() error {
	go dieWithin(5 * time.Millisecond)
	return b.ReadCloser.Close()
}

func dieWithin(d time.Duration) {
	time.Sleep(rand.N(d))
	die()
}

// die is kill -9.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// TestRefreshDiesAgainAndAgain: a process that is killed in every attempt does
// not try for ever.
func TestRefreshDiesAgainAndAgain(t *testing.T) {
	if w := childWorld(t); w != nil {
		dieRefreshing(w, killIntent)
		return
	}
	w := newOAuthWorld(t).listening()
	c := w.seed(-time.Minute)
	died := 0
	for range 4 {
		if out, _ := w.child().CombinedOutput(); !strings.Contains(string(out), "FAIL") {
			died++
		}
	}
	if died != 2 {
		t.Errorf("%d attempts within a minute", died)
	}
	if _, err := w.open().Fresh(t.Context(), c); denial(err).Code != broker.CodeRefresh {
		t.Errorf("got %v", err)
	}
	if !w.server.Refreshable(c.Credential.Field(credential.RefreshToken).Reveal()) {
		t.Error("the grant is lost")
	}
	w.wantAttempts(0)
}

// TestRefreshGivesUp: in the end such a connection wants a login.
func TestRefreshGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		c := w.seed(-time.Minute)
		died := 0
		for died < 10 && w.open().Abandon(t.Context(), c) == nil {
			died++
			time.Sleep(time.Minute)
		}
		if _, err := w.open().Fresh(t.Context(), c); denial(err).Code != broker.CodeLogin || died != 4 {
			t.Errorf("after %d attempts: got %v", died, err)
		}
		w.wantAttempts(0)
	})
}
