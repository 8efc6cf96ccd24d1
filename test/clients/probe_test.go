//go:build linux

package clients_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"authsome/test/lab"
)

// The hosts of the probes: one has a credential, the other is somebody else's.
const (
	victim = "api.openai.com"
	evil   = "evil.example"
)

// A probe is what a child tries by hand on the proxy. Its path is its id.
type probe struct {
	id      string
	connect string // CONNECT target; "" for a request to the proxy itself
	sni     string // "" for none, "-" for no TLS
	host    string // Host or :authority
	target  string // request target, absolute form; "" is "/" + id
	http2   bool
}

// probes are the rows of the published table, in its order.
func probes() []probe {
	return []probe{
		{id: "A1", connect: victim + ":443", sni: evil, host: evil},
		{id: "A2", connect: evil + ":443", sni: victim, host: victim},
		{id: "A3", connect: victim + ":443", sni: victim, host: evil},
		{id: "A4", connect: victim + ":443", sni: victim, host: evil, http2: true},
		{id: "A5", connect: victim + ":443", host: victim},
		{id: "A6", connect: victim + ":443", sni: victim, host: evil, target: "https://" + evil + "/A6"},
		{id: "B1", sni: "-", host: victim, target: "http://" + victim + "/B1"},
		{id: "B2", connect: victim + ":8443", sni: victim, host: victim + ":8443"},
		{id: "B3", connect: victim + ".:443", sni: victim, host: victim},
		{id: "B4", sni: "-", host: victim, target: "https://" + victim + "/B4"},
		{id: "echo", connect: victim + ":443", sni: victim, host: victim, target: "/headers"},
	}
}

// probeAll makes all probes and prints the answers by id.
func probeAll() error {
	proxy, err := url.Parse(os.Getenv("HTTPS_PROXY"))
	if err != nil {
		return err
	}
	answers := map[string]answer{}
	for _, p := range probes() {
		a, err := p.make(proxy.Host)
		if err != nil {
			a.Err = err.Error()
		}
		answers[p.id] = a
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func (p probe) make(proxy string) (answer, error) {
	conn, err := net.Dial("tcp", proxy)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if p.connect != "" {
		if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", p.connect, p.connect); err != nil {
			return answer{}, err
		}
		a, err := readAnswer(conn, http.MethodConnect)
		if err != nil || a.Status != 200 {
			return a, errors.Join(err, errors.New("CONNECT refused"))
		}
	}
	if p.sni == "-" {
		return p.request(conn)
	}
	protocol := "http/1.1"
	if p.http2 {
		protocol = "h2"
	}
	// Whoever answers is told apart by the issuer: a hostile child checks nothing.
	secure := tls.Client(conn, &tls.Config{ServerName: p.sni, InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := secure.Handshake(); err != nil {
		return answer{}, err
	}
	a, err := p.request(secure)
	a.Issuer = secure.ConnectionState().PeerCertificates[0].Issuer.CommonName
	return a, err
}

func (p probe) path() string {
	if p.target == "" {
		return "/" + p.id
	}
	return p.target
}

func (p probe) request(conn net.Conn) (answer, error) {
	if p.http2 {
		return p.request2(conn)
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", p.path(), p.host, placeholder)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(conn, http.MethodGet)
}

func (p probe) request2(conn net.Conn) (answer, error) {
	transport := &http2.Transport{DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, "https://"+p.host+p.path(), nil)
	if err != nil {
		return answer{}, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	return answerOf(response)
}

func readAnswer(conn net.Conn, method string) (answer, error) {
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodConnect && response.StatusCode == http.StatusOK {
		return answer{Status: http.StatusOK}, nil // what follows is the tunnel's
	}
	return answerOf(response)
}

func answerOf(response *http.Response) (answer, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{Status: response.StatusCode, Code: response.Header.Get("Authsome-Error"), Body: string(body)}, err
}

const (
	labIssuer = "authsome lab root"
	none      = "" // no request arrived
)

// TestProbe is the table that is published about such proxies, with our
// answers, from inside a run.
func TestProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	run := w.start(t, "probe")
	var answers map[string]answer
	run.read(t, &answers)
	equal(t, "exit", run.end(t), 0)
	for _, want := range []struct {
		id       string
		statuses []int
		tells    []string // in the answer's body, or the error of the handshake
		arrived  string   // host of the request at the upstream
		through  string   // its CONNECT target
		injected bool
		blind    bool // the certificate is the server's own
	}{
		{id: "A1", tells: []string{"unrecognized name"}, arrived: none},
		{id: "A2", statuses: []int{200}, arrived: victim, through: evil + ":443", blind: true},
		{id: "A3", statuses: []int{421}, tells: []string{victim, evil}, arrived: none},
		{id: "A4", statuses: []int{421}, tells: []string{victim, evil}, arrived: none},
		{id: "A5", statuses: []int{200}, arrived: victim, through: victim + ":443", injected: true},
		{id: "A6", statuses: []int{400, 421}, arrived: none},
		{id: "B1", statuses: []int{200}, arrived: victim, through: ""},
		{id: "B2", statuses: []int{200}, arrived: victim + ":8443", through: victim + ":8443", blind: true},
		{id: "B3", statuses: []int{200}, arrived: victim, through: victim + ":443", injected: true},
		{id: "B4", statuses: []int{200}, arrived: victim, through: victim + ":443", injected: true},
		{id: "echo", statuses: []int{200}, tells: []string{placeholder}, arrived: victim, through: victim + ":443", injected: true},
	} {
		t.Run(want.id, func(t *testing.T) {
			a := answers[want.id]
			if !oneOf(a.Status, want.statuses) {
				t.Errorf("answer %+v, want %v", a, want.statuses)
			}
			contains(t, "answer", a.Body+a.Err, want.tells...)
			if want.blind != (a.Issuer == labIssuer) {
				t.Errorf("certificate by %q", a.Issuer)
			}
			var got []lab.Record
			for _, r := range w.Requests() {
				if strings.HasSuffix(r.Target, "/"+want.id) || want.id == "echo" && r.Target == "/headers" {
					got = append(got, r)
				}
			}
			if want.arrived == none {
				equal(t, "requests", len(got), 0)
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d requests: %v", len(got), got)
			}
			r := got[0]
			equal(t, "host", r.Host, want.arrived)
			equal(t, "CONNECT target", r.Via, want.through)
			if want.injected {
				equal(t, "Authorization", strings.Join(r.Values("Authorization"), ", "), "Bearer "+key)
				equal(t, "SNI", r.SNI, victim)
			} else {
				w.bare(t, r)
			}
		})
	}
}

// oneOf: no status at all is wanted when none is listed.
func oneOf(status int, wanted []int) bool {
	for _, s := range wanted {
		if status == s {
			return true
		}
	}
	return len(wanted) == 0 && status == 0
}

// knock asks the proxy named in KNOCK for the victim, from outside of its run.
func knock() error {
	a, err := probe{id: "C1", sni: "-", host: victim, target: "https://" + victim + "/C1"}.make(os.Getenv("KNOCK"))
	if err != nil {
		a.Err = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

// TestProbe_C1: who proves nothing is refused. On Linux the proof is the uid;
// only root can be somebody else, an ordinary user can show that a connection
// is judged by its owner and needs nothing more.
func TestProbe_C1_stranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	run := w.start(t, "hold")
	proxy, err := url.Parse(run.environ(t)["HTTPS_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "password", proxy.User.String(), "")
	ours := w.knockAs(t, os.Getuid(), self(t), proxy.Host)
	equal(t, "status for ourselves", ours.Status, 200)
	if os.Getuid() == 0 {
		program := copyTo(t, self(t), userFolder(t))
		stranger := w.knockAs(t, ordinaryUser, program, proxy.Host)
		equal(t, "status for a stranger", stranger.Status, 0)
		contains(t, "the stranger's error", stranger.Err, "")
		if stranger.Err == "" || stranger.Body != "" {
			t.Errorf("a stranger got %+v", stranger)
		}
	}
	equal(t, "requests", len(w.requests(victim)), 1)
	equal(t, "exit", run.end(t), 0)
}

func (w *world) knockAs(t *testing.T, uid int, program, proxy string) answer {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env, cmd.Dir = []string{childVariable + "=knock", "KNOCK=" + proxy}, "/"
	if uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	r := w.finish(t, cmd)
	var a answer
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	return a
}
