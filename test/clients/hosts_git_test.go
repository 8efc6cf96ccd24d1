//go:build linux

package clients_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gitHosts are the bundled providers with git over https, and where a
// repository is at each.
var gitHosts = []struct{ provider, host, repository, user string }{
	{"github", "github.com", "acme/cheese.git", "x-access-token"},
	{"gitlab", "gitlab.com", "acme/dairy/aged/cheese.git", "oauth2"},
	{"bitbucket", "bitbucket.org", "acme/cheese.git", "x-token-auth"},
}

// TestClient_git_hosts: clone, push and LFS of private repositories at the
// three hosts, with neither credential helper, prompt nor token in any file of
// git's. A page of the same host gets nothing.
func TestClient_git_hosts(t *testing.T) {
	t.Parallel()
	for _, at := range gitHosts {
		t.Run(at.provider, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token := w.Canary(at.provider)
			w.gitServer(t, at.host)
			w.login(t, at.provider, token, "--flow", "api_key")
			w.privately(t, at.host, at.repository)
			w.ok(t, "run", "--", "curl", "-sS", "-H", "Authorization: Bearer "+placeholder, "https://"+at.host+"/acme")
			pages := 0
			for _, r := range w.requests(at.host) {
				if strings.HasPrefix(r.Target, "/api/") {
					continue // login asks who it is
				}
				if r.Target == "/acme" {
					pages++
					w.bare(t, r)
					continue
				}
				user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Values("Authorization")}}).BasicAuth()
				equal(t, "values of Authorization of "+r.String(), len(r.Values("Authorization")), 1)
				equal(t, "user of "+r.String(), user, at.user)
				equal(t, "password is the token", password == token, true)
			}
			equal(t, "pages", pages, 1)
		})
	}
}

// privately pushes a file and a large one, and clones both.
func (w *world) privately(t *testing.T, host, repository string) {
	t.Helper()
	w.repository(t, repository)
	w.git(t, false, "lfs", "install", "--skip-repo")
	url := "https://" + host + "/" + repository
	w.git(t, true, "clone", "-q", url, "one")
	w.git(t, false, "-C", "one", "lfs", "track", "big")
	noise(t, filepath.Join(w.tmp, "one", "big"))
	w.git(t, false, "-C", "one", "add", ".")
	w.git(t, false, "-C", "one", "-c", "user.name=r", "-c", "user.email=r@example.com", "commit", "-q", "-m", "squeak")
	w.git(t, true, "-C", "one", "push", "-q", "origin", "HEAD:main")
	w.git(t, true, "-C", "one", "fetch", "-q")
	w.git(t, true, "clone", "-q", url, "two")
	w.sameFile(t, "one/big", "two/big")
	config, err := os.ReadFile(filepath.Join(w.tmp, "two", ".git", "config"))
	if err != nil || strings.Contains(string(config), "@") {
		t.Errorf("%v: credentials in %s", err, config)
	}
}

// gitServer serves repositories and their LFS objects below them at a host.
func (w *world) gitServer(t *testing.T, host string) {
	t.Helper()
	git, large := buffered(gitBackend(t, filepath.Join(w.Dir(), "srv"))), &objects{stored: map[string][]byte{}, base: "https://" + host + "/acme/cheese.git/gitlab-lfs/"}
	if host != "gitlab.com" { // which has the objects where the repository is
		large.base = "https://" + host + "/acme/cheese.git/info/lfs/"
	}
	w.Handle(host+"/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/acme", strings.HasPrefix(r.URL.Path, "/api/"):
			_, _ = rw.Write([]byte("a page"))
		case r.Header.Get("Authorization") == "":
			rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(rw, "who?", http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "lfs/"):
			large.ServeHTTP(rw, r)
		default:
			git.ServeHTTP(rw, r)
		}
	}))
}

// TestClient_git_anonymous: without a connection a public repository is cloned
// as ever.
func TestClient_git_anonymous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.repository(t, "acme/cheese.git")
	w.Handle("github.com/", buffered(gitBackend(t, filepath.Join(w.Dir(), "srv"))))
	w.git(t, true, "clone", "-q", "https://github.com/acme/cheese.git", "one")
	for _, r := range w.requests("github.com") {
		equal(t, "values of Authorization", len(r.Values("Authorization")), 0)
	}
}
