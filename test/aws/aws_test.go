//go:build linux

// Package aws_test shows that programs which sign their requests work in a run
// with placeholder keys: the vendor's command line and SDKs through the real
// binary, to a server that checks every signature with the vendor's own signer
// and knows the real keys only.
package aws_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long a client may take on a machine that has other things to
// do.
const patience = 3 * time.Minute

const keyID, otherID = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"

// world is a user with two accounts, the first with a session token.
type world struct {
	*lab.Lab
	env []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l := lab.New(t)
	w := &world{l, append(l.Env(filepath.Join(l.Dir(), "authsome")), "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true")}
	secret, other, token := l.Canary("secret"), l.Canary("other"), l.Canary("token")
	w.stand(t, keyID+" "+secret+" "+token+"\n"+otherID+" "+other+"\n")
	w.login(t, "export AWS_ACCESS_KEY_ID="+keyID+"\nexport AWS_SECRET_ACCESS_KEY="+secret+"\nexport AWS_SESSION_TOKEN="+token+"\n")
	w.login(t, otherID+"\n"+other+"\n", "--connection", "other")
	w.run(t, "", "default", "aws", "default")
	return w
}

// stand starts the server and puts it behind the hosts.
func (w *world) stand(t *testing.T, keys string) {
	t.Helper()
	cmd := exec.Command(program(t, "bin/awsgo"), "stand")
	cmd.Env = []string{"STAND_KEYS=" + keys}
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
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	to := &url.URL{Scheme: "http", Host: strings.TrimSpace(address)}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		r.Out.URL.RawQuery = r.In.URL.RawQuery
	}}
	for _, host := range []string{"sts.eu-west-1.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com"} {
		w.Handle(host+"/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { forward.ServeHTTP(rw, r) }))
	}
}

// program is a file that deps has put there, or was there.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("run test/aws/deps: %v", err)
	}
	return path
}

func (w *world) login(t *testing.T, lines string, args ...string) {
	t.Helper()
	w.run(t, lines, append([]string{"login", "aws", "--with-token"}, args...)...)
}

// run runs authsome, which has to succeed, and returns its standard output. What
// it says is free of canaries.
func (w *world) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := w.try(t, stdin, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) try(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.Build(t), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = w.env, filepath.Join(w.Dir(), "home"), strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	w.SearchBytes(t, strings.Join(args, " "), []byte(string(out)+stderr.String()))
	if err != nil {
		return string(out) + stderr.String(), err
	}
	return string(out), nil
}

// check looks at what came: nothing but what was verified, with no placeholder.
func (w *world) check(t *testing.T) {
	t.Helper()
	for _, r := range w.Requests() {
		if head := string(r.Raw); strings.Contains(head, "AUTHSOME") || strings.Contains(head, "authsome-proxy-managed") {
			t.Errorf("%s: the placeholder was sent on", r)
		}
	}
	if len(w.Requests()) == 0 {
		t.Error("nothing came")
	}
}

// TestSDKs: the SDKs of Go and Node.js, with nothing set but the region.
func TestSDKs(t *testing.T) {
	w := newWorld(t)
	const want = "account 123456789012\na b+c/ü 5 hello\nlarge 6291456 01234\npresigned 200 hello\n"
	for name, command := range map[string][]string{
		"go":   {program(t, "bin/awsgo"), "client"},
		"node": {"node", program(t, "node/client.mjs")},
	} {
		t.Run(name, func(t *testing.T) {
			w.Reset()
			if out := w.run(t, "", append([]string{"run", "--"}, command...)...); out != want {
				t.Errorf("said %q", out)
			}
			w.check(t)
		})
	}
}

// TestCommandLine: the AWS CLI, one account after the other in one run, by
// nothing but the key ID.
func TestCommandLine(t *testing.T) {
	w := newWorld(t)
	large := filepath.Join(w.Dir(), "home", "large")
	if err := os.WriteFile(large, []byte(strings.Repeat("0123456789abcdef", 10<<20/16)), 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `set -eu
aws=/usr/bin/aws
$aws sts get-caller-identity --query Arn --output text
AWS_ACCESS_KEY_ID=AKIAAUTHSOMEPROXYMAN:other $aws sts get-caller-identity --query Arn --output text
$aws s3 cp --only-show-errors large s3://bucket/large
$aws s3 cp --only-show-errors s3://bucket/large copy
cmp large copy
printf hello | $aws s3 cp --only-show-errors - s3://bucket/small
curl -fsS "$($aws s3 presign s3://bucket/small)"
`
	out := w.run(t, "", "run", "--", "sh", "-c", script)
	for _, part := range []string{"user/user1\n", "user/user0\n", "hello"} {
		if !strings.Contains(out, part) {
			t.Errorf("did not say %q: %s", part, out)
		}
	}
	w.check(t)
}

// TestForeignSignatures: what was not signed with the placeholder secret is
// answered with the reason; what another key has signed, or nobody, goes as it
// is.
func TestForeignSignatures(t *testing.T) {
	w := newWorld(t)
	w.Reset()
	const call = `/usr/bin/aws sts get-caller-identity --debug 2>&1 | grep -o 'signature_mismatch' | head -n 1`
	if out := w.run(t, "", "run", "--", "sh", "-c", "AWS_SECRET_ACCESS_KEY=other "+call); out != "signature_mismatch\n" {
		t.Errorf("said %q", out)
	}
	if got := len(w.Requests()); got != 0 {
		t.Errorf("%d requests left", got)
	}
	if out, err := w.try(t, "", "run", "--", "sh", "-c", "unset AWS_SESSION_TOKEN; AWS_ACCESS_KEY_ID=AKIAOTHER AWS_SECRET_ACCESS_KEY=other /usr/bin/aws sts get-caller-identity"); err == nil {
		t.Errorf("the server took another key: %s", out)
	}
	if !slices.ContainsFunc(w.Requests(), func(r lab.Record) bool { return strings.Contains(r.Get("Authorization"), "Credential=AKIAOTHER/") }) {
		t.Error("the client's own signature did not come through")
	}
}
