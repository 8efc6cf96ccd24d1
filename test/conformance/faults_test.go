//go:build linux

package conformance_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// size is how long the bodies are that meet a fault.
const size = 300_000

// A fault is one of toxiproxy's, as its API takes it.
type fault struct {
	name, toxic string
	outcome     outcome
}

// An outcome is what is known beforehand about the requests that meet a fault.
type outcome int

const (
	late     outcome = iota // everything arrives
	cut                     // something does not
	untimely                // something may not, which depends on the machine's pace
)

func faults() []fault {
	return []fault{
		{"latency_down", `{"type": "latency", "stream": "downstream", "attributes": {"latency": 200, "jitter": 100}}`, late},
		{"latency_up", `{"type": "latency", "stream": "upstream", "attributes": {"latency": 200, "jitter": 100}}`, late},
		{"bandwidth_down", `{"type": "bandwidth", "stream": "downstream", "attributes": {"rate": 400}}`, late},
		{"bandwidth_up", `{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 400}}`, late},
		{"slicer_down", `{"type": "slicer", "stream": "downstream", "attributes": {"average_size": 700, "size_variation": 600, "delay": 100}}`, late},
		{"slicer_up", `{"type": "slicer", "stream": "upstream", "attributes": {"average_size": 700, "size_variation": 600, "delay": 100}}`, late},
		{"slow_close_down", `{"type": "slow_close", "stream": "downstream", "attributes": {"delay": 500}}`, late},
		{"slow_close_up", `{"type": "slow_close", "stream": "upstream", "attributes": {"delay": 500}}`, late},
		{"timeout_down", `{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 500}}`, cut},
		{"timeout_up", `{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 500}}`, cut},
		{"reset_at_once", `{"type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 0}}`, cut},
		{"reset_later", `{"type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 100}}`, untimely},
		{"limit_down_hello", `{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 100}}`, cut},
		{"limit_down_body", `{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 100000}}`, cut},
		{"limit_up_head", `{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 2000}}`, cut},
		{"limit_up_body", `{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 100000}}`, cut},
	}
}

// faulty is the address of a toxiproxy before address, with its faults if any.
// Connections through it end with the test.
func faulty(t *testing.T, address string, toxics ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "toxiproxy"), append([]string{address}, toxics...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return nextLine(t, bufio.NewScanner(out))
}

// browser is a client of the session's that finds the proxy at an address.
func (s *session) browser(t *testing.T, proxy string, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}),
		TLSClientConfig:   &tls.Config{RootCAs: s.roots},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// requests are a body that has a length, one that has none, and one there and
// back.
func requests() []*http.Request {
	var all []*http.Request
	for _, target := range []string{"/bytes?n=", "/chunked?n="} {
		r, _ := http.NewRequest(http.MethodGet, "https://"+host+target+strconv.Itoa(size), nil)
		all = append(all, r)
	}
	r, _ := http.NewRequest(http.MethodPost, "https://"+host+"/echo", bytes.NewReader(letters()))
	return append(all, r)
}

// letters is what the lab sends, too.
func letters() []byte {
	text := make([]byte, size)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return text
}

// fetch reports whether all of it came, and whether the client could tell when
// not.
func fetch(client *http.Client, r *http.Request) (whole bool, told string) {
	resp, err := client.Do(r)
	if err != nil {
		return false, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err.Error()
	case resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout:
		return false, resp.Status + " " + resp.Header.Get("Authsome-Error")
	}
	return resp.StatusCode == http.StatusOK && bytes.Equal(body, letters()), ""
}

// TestFaults_F002: what goes wrong between authsome and the server, or between
// the client and authsome, ends in the whole answer, in an answer that says
// so, or in one that is visibly cut; and the next request is right.
func TestFaults_F002(t *testing.T) {
	t.Parallel()
	w := newWorld(t, host)
	s := w.start(t)
	lasting := map[string]*http.Client{"h1": s.browser(t, s.proxy, false), "h2": s.browser(t, s.proxy, true)}
	for i, f := range faults() {
		version := []string{"h1", "h2"}[i%2] // is all the same to the server's side
		t.Run("upstream_"+f.name, func(t *testing.T) {
			w.Lead(host, faulty(t, w.HTTPS(), f.toxic))
			meet(t, lasting[version], f.outcome)
		})
		t.Run("after_upstream_"+f.name, func(t *testing.T) {
			w.Lead(host, faulty(t, w.HTTPS()))
			recovers(t, lasting[version])
		})
		for version, client := range lasting {
			t.Run("client_"+f.name+"_"+version, func(t *testing.T) {
				w.Lead(host, faulty(t, w.HTTPS()))
				meet(t, s.browser(t, faulty(t, s.proxy, f.toxic), version == "h2"), f.outcome)
				recovers(t, client)
			})
		}
	}
}

// recovers makes the requests one by one, with a server without fault.
// Connections that were ended may be in the pool still, and what must not be
// sent twice can meet one: then its client is told, and tries again.
func recovers(t *testing.T, client *http.Client) {
	t.Helper()
	for i := range requests() {
		whole, told := fetch(client, requests()[i])
		for try := 0; try < 10 && told == "502 Bad Gateway upstream_closed"; try++ {
			whole, told = fetch(client, requests()[i])
		}
		if !whole {
			t.Errorf("afterwards, request %d: %q", i, told)
		}
	}
}

// meet makes all requests at once and compares how they end.
func meet(t *testing.T, client *http.Client, want outcome) {
	t.Helper()
	type ended struct {
		name, told string
		whole      bool
	}
	all := requests()
	ends := make(chan ended)
	for _, r := range all {
		go func() {
			whole, told := fetch(client, r)
			ends <- ended{r.Method + " " + r.URL.Path, told, whole}
		}()
	}
	wholes := 0
	for range all {
		end := <-ends
		if !end.whole && (want == late || end.told == "") {
			t.Errorf("%s: not whole, told %q", end.name, end.told)
		}
		if end.whole {
			wholes++
		}
	}
	if want == cut && wholes == len(all) {
		t.Error("the fault was not met")
	}
}
