//go:build linux

package clients_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// TestPlace_path (R063): the client's URL has the placeholder, the server's
// the token; a redirect that repeats it leads the client back through the
// placeholder, and neither audit log nor answer has the token.
func TestPlace_R063_path(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.CanaryAs("bot", "123456:%s-of-a-bot-that-has-a-long-token")
	w.login(t, "telegram", token)
	w.Handle("api.telegram.org/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/getFile") {
			http.Redirect(rw, r, "https://api.telegram.org/file/bot"+token+"/photo.jpg", http.StatusFound)
			return
		}
		_, _ = rw.Write([]byte(r.URL.Path))
	}))
	r := w.ok(t, "run", "--", "curl", "-sSL", "https://api.telegram.org/bot"+placeholder+"/getFile?file_id=1")
	equal(t, "answer", r.stdout, "/file/bot"+placeholder+"/photo.jpg")
	var targets []string
	for _, r := range w.requests("api.telegram.org") {
		targets = append(targets, r.Target)
	}
	equal(t, "targets", strings.Join(targets, " "), "/bot"+token+"/getFile?file_id=1 /file/bot"+token+"/photo.jpg")
	contains(t, "log", w.ok(t, "log").stdout, "/bot"+placeholder+"/getFile")
	w.ok(t, "run", "--", "curl", "-sS", "https://api.telegram.org/botother/getMe")
	got := w.requests("api.telegram.org")[2]
	equal(t, "target without the placeholder", got.Target, "/botother/getMe")
}

// TestPlace_body: JSON and forms of known and unknown length, over both
// versions of HTTP, are longer or shorter at the server and whole.
func TestPlace_body(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.CanaryAs("body", `a"b\c-%s`)
	w.defineWith(t, "acme", "api.acme.example", `[{"kind": "body", "name": "secret", "value": "{api_key}"}]`)
	w.login(t, "acme", key)
	inJSON := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)
	for _, c := range []struct{ name, media, sent, want string }{
		{"json", "application/json", `{"a":[1,{"secret":"x"}],"secret":"` + placeholder + `"}`, `{"a":[1,{"secret":"x"}],"secret":"` + inJSON + `"}`},
		{"form", "application/x-www-form-urlencoded", "secret=" + placeholder + "&a=%20", "secret=" + strings.NewReplacer(`"`, "%22", `\`, "%5C").Replace(key) + "&a=%20"},
		{"text", "text/plain", placeholder, placeholder},
	} {
		for _, how := range [][]string{{"--http1.1"}, {"--http2"}, {"--http1.1", "-H", "Transfer-Encoding: chunked"}, {"--http1.1", "-H", "Expect: 100-continue"}} {
			before := len(w.requests("api.acme.example"))
			args := append([]string{"run", "--", "curl", "-sS", "-H", "Content-Type: " + c.media, "--data-raw", c.sent}, how...)
			w.ok(t, append(args, "https://api.acme.example/")...)
			got := w.requests("api.acme.example")[before:]
			equal(t, "requests", len(got), 1)
			equal(t, c.name+strings.Join(how, " ")+" is as it should be", string(got[0].Body) == c.want, true)
			equal(t, "complete", got[0].Complete, true)
		}
	}
	long := `{"secret":"` + placeholder + `","a":"` + strings.Repeat("a", 1<<20) + `"}`
	cmd := w.cmd(t, "run", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %header{authsome-error}", "-H", "Content-Type: application/json", "--data-binary", "@-", "https://api.acme.example/")
	cmd.Stdin = strings.NewReader(long)
	equal(t, "too long", w.finish(t, cmd).stdout, "400 body_unreadable")
}

// TestPlace_signature: the server checks the signature of what it received,
// which the client could not have made.
func TestPlace_signature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("signs")
	w.defineWith(t, "acme", "api.acme.example", `[{"kind": "hmac", "name": "signature", "sign": {"key": "api_key",
		"algorithm": "sha256", "message": "{method} {path}?{query} {body}", "encoding": "hex", "in": "query"}}]`)
	w.login(t, "acme", key)
	w.ok(t, "run", "--", "curl", "-sS", "--data-raw", "b=2&signature=0123", "https://api.acme.example/order?a=1")
	w.ok(t, "run", "--", "curl", "-sS", "https://api.acme.example/time")
	got := w.requests("api.acme.example")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("POST /order?a=1 b=2"))
	equal(t, "signed", got[0].Target, "/order?a=1&signature="+hex.EncodeToString(mac.Sum(nil)))
	equal(t, "body", string(got[0].Body), "b=2")
	equal(t, "not signed", got[1].Target, "/time")
}
