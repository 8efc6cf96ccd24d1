//go:build linux

package clients_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const forge = "git.acme.example"

// bigFile is more than git sends in one piece: its http.postBuffer is 1 MiB.
const bigFile = 3 << 20

// buffered lets CGI, which needs to know a body's length, have one in chunks.
func buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		next.ServeHTTP(w, r)
	})
}

// git runs git, as itself or under `authsome run`.
func (w *world) git(t *testing.T, under bool, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	if under {
		cmd = w.cmd(t, append([]string{"run", "--", "git"}, args...)...)
	}
	cmd.Env, cmd.Dir = append(w.env, "GIT_TERMINAL_PROMPT=0"), w.tmp
	r := w.finish(t, cmd)
	if r.code != 0 {
		t.Fatalf("git %v: %s", args, r)
	}
	return strings.TrimSpace(r.stdout)
}

// repository makes an empty one that can be pushed to.
func (w *world) repository(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(w.Dir(), "srv", name)
	w.git(t, false, "init", "-q", "--bare", "-b", "main", path)
	w.git(t, false, "-C", path, "config", "http.receivepack", "true")
	return path
}

// forge is a git server, with an LFS server, that wants the user
// x-access-token and a key.
func (w *world) forge(t *testing.T) (key string) {
	t.Helper()
	key = w.Canary("forge")
	w.defineWith(t, "forge", forge, `[{"kind": "basic", "username": "x-access-token", "password": "{api_key}"}]`)
	w.login(t, "forge", key)
	w.Require(forge, key)
	git, large := buffered(gitBackend(t, filepath.Join(w.Dir(), "srv"))), &objects{stored: map[string][]byte{}, base: "https://" + forge + "/lfs/"}
	w.Handle(forge+"/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/lfs/") {
			large.ServeHTTP(rw, r)
			return
		}
		git.ServeHTTP(rw, r)
	}))
	return key
}

// noise is a file that can't be packed any smaller.
func noise(t *testing.T, path string) {
	t.Helper()
	data := make([]byte, 0, bigFile)
	for sum := sha256.Sum256([]byte(path)); len(data) < bigFile; sum = sha256.Sum256(sum[:]) {
		data = append(data, sum[:]...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClient_git_push: clone, a push in chunks, fetch, with neither credential
// helper nor prompt, over both versions of HTTP.
func TestClient_git_push(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(strings.ReplaceAll(version, "/", ""), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.forge(t)
			bare := w.repository(t, "cheese.git")
			url := "https://" + forge + "/cheese.git"
			with := []string{"-c", "http.version=" + version, "-c", "user.name=r", "-c", "user.email=r@example.com"}
			in := func(folder string, args ...string) []string { return append(append(with, "-C", folder), args...) }

			w.git(t, true, append(with, "clone", "-q", url, "one")...)
			noise(t, filepath.Join(w.tmp, "one", "big"))
			w.git(t, false, in("one", "add", "big")...)
			w.git(t, false, in("one", "commit", "-q", "-m", "squeak")...)
			w.git(t, true, in("one", "push", "-q", "origin", "HEAD:main")...)
			pushed := w.git(t, false, in("one", "rev-parse", "HEAD")...)
			equal(t, "pushed", w.git(t, false, "-C", bare, "rev-parse", "main"), pushed)
			w.git(t, false, "-C", bare, "fsck", "--strict")

			w.git(t, true, append(with, "clone", "-q", url, "two")...)
			equal(t, "cloned", w.git(t, false, in("two", "rev-parse", "HEAD")...), pushed)
			w.git(t, false, in("two", "commit", "-q", "--allow-empty", "-m", "more")...)
			w.git(t, true, in("two", "push", "-q", "origin", "HEAD:main")...)
			w.git(t, true, in("one", "pull", "-q", "--ff-only", "origin", "main")...)
			equal(t, "pulled", w.git(t, false, in("one", "rev-parse", "HEAD")...), w.git(t, false, in("two", "rev-parse", "HEAD")...))
			w.gitArrived(t, key, version)
		})
	}
}

// gitArrived: each request of git's came once, with the key from the start,
// and one was longer than git's buffer.
func (w *world) gitArrived(t *testing.T, key, version string) {
	t.Helper()
	long := 0
	for _, r := range w.requests(forge) {
		values := r.Values("Authorization")
		equal(t, "values of Authorization", len(values), 1)
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": values}}).BasicAuth()
		equal(t, "user", user, "x-access-token")
		equal(t, "password is the key", password == key, true)
		equal(t, "complete", r.Complete, true)
		if r.BodyLen >= bigFile {
			long++
			equal(t, "target", r.Target, "/cheese.git/git-receive-pack")
			if r.Proto == "HTTP/1.1" {
				equal(t, "Transfer-Encoding", r.Get("Transfer-Encoding"), "chunked")
			}
		}
	}
	equal(t, "long requests over "+version, long, 1)
}

// objects is a Git LFS server: https://github.com/git-lfs/git-lfs/tree/main/docs/api.
type objects struct {
	base   string // of the objects' addresses
	mu     sync.Mutex
	stored map[string][]byte
}

func (o *objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case name == "batch":
		o.batch(w, body)
	case r.Method == http.MethodPut && fmt.Sprintf("%x", sha256.Sum256(body)) == name:
		o.stored[name] = body
	case r.Method == http.MethodGet && o.stored[name] != nil:
		_, _ = w.Write(o.stored[name])
	default:
		http.Error(w, "{}", http.StatusNotFound)
	}
}

func (o *objects) batch(w http.ResponseWriter, body []byte) {
	type action struct {
		Href string `json:"href"`
	}
	type object struct {
		OID     string            `json:"oid"`
		Size    int64             `json:"size"`
		Actions map[string]action `json:"actions"`
	}
	var batch struct {
		Operation string   `json:"operation,omitempty"`
		Transfer  string   `json:"transfer"`
		Objects   []object `json:"objects"`
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		http.Error(w, "{}", http.StatusUnprocessableEntity)
		return
	}
	for i, object := range batch.Objects {
		batch.Objects[i].Actions = map[string]action{batch.Operation: {o.base + object.OID}}
	}
	batch.Operation, batch.Transfer = "", "basic"
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(batch)
}

// TestClient_git_lfs: what git-lfs sends and fetches by itself, up and down.
func TestClient_git_lfs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.forge(t)
	w.repository(t, "cheese.git")
	w.git(t, false, "lfs", "install", "--skip-repo")
	url := "https://" + forge + "/cheese.git"
	w.git(t, true, "clone", "-q", url, "one")
	w.git(t, false, "-C", "one", "lfs", "track", "big")
	noise(t, filepath.Join(w.tmp, "one", "big"))
	w.git(t, false, "-C", "one", "add", ".")
	w.git(t, false, "-C", "one", "-c", "user.name=r", "-c", "user.email=r@example.com", "commit", "-q", "-m", "squeak")
	w.git(t, true, "-C", "one", "push", "-q", "origin", "HEAD:main")
	w.git(t, true, "clone", "-q", url, "two")
	w.sameFile(t, "one/big", "two/big")
	puts := 0
	for _, r := range w.requests(forge) {
		equal(t, "values of Authorization of "+r.String(), len(r.Values("Authorization")), 1)
		_, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Values("Authorization")}}).BasicAuth()
		equal(t, "password is the key", password == key, true)
		if r.Method == http.MethodPut {
			puts++
			equal(t, "length of an upload", r.BodyLen, bigFile)
		}
	}
	equal(t, "uploads", puts, 1)
}

func (w *world) sameFile(t *testing.T, one, two string) {
	t.Helper()
	var sums [2][sha256.Size]byte
	for i, name := range []string{one, two} {
		data, err := os.ReadFile(filepath.Join(w.tmp, name))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
	}
	equal(t, two+" is "+one, sums[1] == sums[0], true)
}
