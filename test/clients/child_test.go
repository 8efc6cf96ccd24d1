//go:build linux

package clients_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// An answer is what the caller got for a URL.
type answer struct {
	Status int
	Code   string // Authsome-Error
	Body   string
	Issuer string // common name of who issued the server's certificate
	Proto  string
	Err    string
}

// callUntilEOF is a long-running Go program: it fetches every URL it reads and
// prints what came of it. It keeps its connections, but for one that is asked
// for as "fresh URL".
func callUntilEOF() error {
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		url, fresh := strings.CutPrefix(lines.Text(), "fresh ")
		if fresh {
			http.DefaultClient.CloseIdleConnections()
		}
		if err := out.Encode(fetch(url)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func fetch(url string) (a answer) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return answer{Err: err.Error()}
	}
	request.Header.Set("Lab-Client", "go")
	request.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{Err: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{Err: err.Error()}
	}
	a = answer{Status: response.StatusCode, Code: response.Header.Get("Authsome-Error"), Body: string(body), Proto: response.Proto}
	if response.TLS != nil {
		a.Issuer = response.TLS.PeerCertificates[0].Issuer.CommonName
	}
	return a
}

// holdUntilEOF prints its environment as JSON, and ends with its standard
// input or, saying so, at SIGTERM.
func holdUntilEOF() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if err := json.NewEncoder(os.Stdout).Encode(os.Environ()); err != nil {
		return err
	}
	end := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		end <- err
	}()
	select {
	case err := <-end:
		return err
	case <-signals:
		_, err := fmt.Println(`"terminated"`)
		return err
	}
}

// A running is an authsome that runs one of our children, whose standard
// input and output we hold.
type running struct {
	w    *world
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	said *lockedBuffer // authsome's and the child's standard error
}

// start runs a child under `authsome run` with these flags.
func (w *world) start(t *testing.T, child string, flags ...string) *running {
	t.Helper()
	args := append(append([]string{"run"}, flags...), "--", self(t))
	cmd := w.cmd(t, args...)
	cmd.Env = set(w.env, childVariable, child)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{w: w, cmd: cmd, in: in, out: json.NewDecoder(out), said: &lockedBuffer{}}
	cmd.Stderr = r.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return r
}

// get has the caller fetch a URL.
func (r *running) get(t *testing.T, url string) answer {
	t.Helper()
	if _, err := fmt.Fprintln(r.in, url); err != nil {
		t.Fatalf("%v: %s", err, r.said)
	}
	var a answer
	r.read(t, &a)
	return a
}

// read reads what the child prints next.
func (r *running) read(t *testing.T, into any) {
	t.Helper()
	var raw json.RawMessage
	if err := r.out.Decode(&raw); err != nil {
		t.Fatalf("the child's answer: %v: %s", err, r.said)
	}
	r.w.SearchBytes(t, "what the child saw", raw)
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// environ is the environment that the child "hold" prints.
func (r *running) environ(t *testing.T) map[string]string {
	t.Helper()
	var entries []string
	r.read(t, &entries)
	return variables(entries)
}

// end closes the child's standard input and waits.
func (r *running) end(t *testing.T) int {
	t.Helper()
	_ = r.in.Close()
	return r.wait(t)
}

func (r *running) wait(t *testing.T) int {
	t.Helper()
	_ = r.cmd.Wait()
	r.w.SearchBytes(t, "stderr", []byte(r.said.String()))
	return exitCode(r.cmd.ProcessState)
}
