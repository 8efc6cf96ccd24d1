//go:build linux

package oidc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	issuer   = "https://auth.example.test"
	resource = "https://api.example.test/"
)

// A server is the authorization server, a process of its own.
type server struct {
	origin string    // http://127.0.0.1:port
	stdin  io.Writer // the server ends with it
	marks  atomic.Int64

	mu     sync.Mutex // guards events
	events []event
}

// An event is a line of the server's standard output.
type event struct {
	Event  string // issued, sent, token, revocation, registered, mark, …
	Kind   string // of the secret, or the grant type
	Value  string // of the secret
	Client string
	Error  string
	ID     string
	Status int
}

// running starts the server for the first test that wants it. It ends when
// the standard input that this process holds does.
var running = sync.OnceValues(startServer)

func theServer(t testing.TB) *server {
	t.Helper()
	s, err := running()
	if err != nil {
		t.Fatalf("authorization server (is it installed? test/oidc/deps): %v", err)
	}
	return s
}

func startServer() (*server, error) {
	cmd := exec.Command("node", "node/server.mjs", issuer, resource)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	complaints, err := os.CreateTemp("", "oidc-provider-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(complaints.Name())
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{stdin: stdin}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	var first event
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &first) != nil || first.Event != "listening" {
		said, _ := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", complaints.Fd()))
		return nil, fmt.Errorf("it does not listen: %q %s", lines.Text(), said)
	}
	s.origin = "http://127.0.0.1:" + first.Value
	go s.follow(lines) // ends with the process
	return s, nil
}

func (s *server) follow(lines *bufio.Scanner) {
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{Event: "defect", Error: lines.Text()}
		}
		s.mu.Lock()
		s.events = append(s.events, e)
		s.mu.Unlock()
	}
}

// control tells the server something that only a test may.
func (s *server) control(t testing.TB, what string, params url.Values) {
	t.Helper()
	r, err := http.Get(s.origin + "/control/" + what + "?" + params.Encode())
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	equal(t, "control "+what, r.StatusCode, 200)
}

// lifetime sets how long the next access tokens of a client live.
func (s *server) lifetime(t testing.TB, client string, seconds int) {
	t.Helper()
	s.control(t, "lifetime", url.Values{"client": {client}, "seconds": {fmt.Sprint(seconds)}})
}

// forget makes the server lose a record: a Client or a token.
func (s *server) forget(t testing.TB, model, id string) {
	t.Helper()
	s.control(t, "forget", url.Values{"model": {model}, "id": {id}})
}

// log returns all that has happened before the call.
func (s *server) log(t testing.TB) []event {
	t.Helper()
	mark := fmt.Sprint(s.marks.Add(1))
	s.control(t, "mark", url.Values{"id": {mark}})
	deadline := time.Now().Add(patience)
	for {
		s.mu.Lock()
		events := slices.Clone(s.events)
		s.mu.Unlock()
		if slices.ContainsFunc(events, func(e event) bool { return e.Event == "mark" && e.ID == mark }) {
			return events
		}
		if time.Now().After(deadline) {
			t.Fatal("the server's log has stopped")
		}
		time.Sleep(time.Millisecond)
	}
}

// token returns the token requests of a client with a grant type.
func (s *server) token(t testing.TB, client, grant string) []event {
	t.Helper()
	return slices.DeleteFunc(s.log(t), func(e event) bool {
		return e.Event != "token" || e.Client != client || e.Kind != grant
	})
}

// refreshes is how many refreshes a client has asked for.
func (s *server) refreshes(t testing.TB, client string) int {
	t.Helper()
	return len(s.token(t, client, "refresh_token"))
}

// secrets are all that the server issued to a client or got from it, by kind.
func (s *server) secrets(t testing.TB, client string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, e := range s.log(t) {
		if (e.Event == "issued" || e.Event == "sent") && e.Client == client && !slices.Contains(found[e.Kind], e.Value) {
			found[e.Kind] = append(found[e.Kind], e.Value)
		}
	}
	return found
}

// last returns the newest secret of a kind.
func (s *server) last(t testing.TB, client, kind string) string {
	t.Helper()
	all := s.secrets(t, client)[kind]
	if len(all) == 0 {
		t.Fatalf("the server knows no %s of %s", kind, client)
	}
	return all[len(all)-1]
}

// call sends a request as the front would, and returns status and JSON.
func (s *server) call(path, contentType, body string) (int, map[string]any, error) {
	r, err := http.NewRequest(http.MethodPost, s.origin+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "auth.example.test")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var answer map[string]any
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer, err
}

func (s *server) form(path string, form url.Values) (int, map[string]any, error) {
	return s.call(path, "application/x-www-form-urlencoded", form.Encode())
}

// A client is a client of the server.
type client struct{ id, secret string }

// register makes a client as its owner would on the vendor's page. Without
// grants it is one for people: public, with PKCE, device flow and refresh.
func (s *server) register(t testing.TB, grants ...string) client {
	t.Helper()
	metadata := map[string]any{
		"client_name": t.Name(), "application_type": "native", "token_endpoint_auth_method": "none",
		"grant_types":    []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"response_types": []string{"code"}, "redirect_uris": []string{"http://127.0.0.1/callback"},
	}
	if len(grants) > 0 {
		metadata["token_endpoint_auth_method"] = "client_secret_basic"
		metadata["grant_types"], metadata["response_types"], metadata["redirect_uris"] = grants, []string{}, []string{}
	}
	body, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	status, answer, err := s.call("/reg", "application/json", string(body))
	if err != nil || status != 201 {
		t.Fatalf("register a client: %d %v %v", status, answer, err)
	}
	secret, _ := answer["client_secret"].(string)
	return client{answer["client_id"].(string), secret}
}

// active asks the server whether a token is good.
func (s *server) active(token string) (sub string, ok bool, err error) {
	status, answer, err := s.form("/token/introspection", url.Values{
		"token": {token}, "client_id": {"api"}, "client_secret": {"api"},
	})
	if err == nil && status != 200 {
		err = fmt.Errorf("introspection: %d %v", status, answer["error"])
	}
	sub, _ = answer["sub"].(string)
	ok, _ = answer["active"].(bool)
	return sub, ok, err
}

// alive fails the test unless the server's word on a token is want.
func (s *server) alive(t testing.TB, what, token string, want bool) {
	t.Helper()
	_, ok, err := s.active(token)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, what+" is active", ok, want)
}

// refresh uses a refresh token behind authsome's back and returns the error.
func (s *server) refresh(t testing.TB, client, token string) string {
	t.Helper()
	_, answer, err := s.form("/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	code, _ := answer["error"].(string)
	return code
}
