//go:build linux

package clients_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Programs that know of no proxy reach their server through the run all the
// same, each once and authenticated.
func TestShims(t *testing.T) {
	t.Parallel()
	newWorld(t).arrive(t, slices.Concat(scriptClients(t), rawPythonClients(t), configuredClients()))
}

// scriptClients are libraries of Node.js, and what of them Deno and Bun have.
func scriptClients(t *testing.T) []client {
	t.Helper()
	modules := absolute(t, "shims/node_modules")
	if _, err := os.Stat(modules); err != nil {
		t.Fatalf("%v: run test/clients/deps first", err)
	}
	deno := filepath.Join(modules, ".bin", "deno")
	bun := filepath.Join(modules, "@oven", "bun-linux-x64", "bin", "bun")
	var all []client
	for _, runtime := range []struct {
		command []string
		clients string
	}{
		{[]string{"node"}, "fetch https http2 tls worker got undici openai stripe ws"},
		{[]string{deno, "run", "--quiet", "--allow-all"}, "fetch https http2 got undici openai stripe"},
		{[]string{bun}, "fetch https http2 got openai stripe"},
	} {
		for library := range strings.FieldsSeq(runtime.clients) {
			c := client{name: filepath.Base(runtime.command[0]) + "-" + library, says: []string{"lab-1"}}
			url := models
			switch library {
			case "ws":
				url, c.says, c.body = "https://api.openai.com/ws", []string{"squeak and closed"}, -1
			case "openai":
				c.says, c.method, c.body = []string{"3 events"}, "POST", -1
			}
			c.command = append(slices.Clone(runtime.command), absolute(t, "shims/client.mjs"), c.name, url)
			all = append(all, c)
		}
	}
	return all
}

func rawPythonClients(t *testing.T) []client {
	t.Helper()
	var all []client
	for _, library := range []string{"http.client", "socket", "asyncio", "aiohttp-default", "urllib3", "requests-untrusting"} {
		all = append(all, client{
			name: "python-" + library, says: []string{"lab-1"},
			command: []string{"/usr/bin/python3", absolute(t, "shims/raw.py"), "python-" + library, models},
		})
	}
	return all
}

// configuredClients are programs that read certificates from a file of the
// run's, or have the proxy in one.
func configuredClients() []client {
	const field = `Authorization: Bearer `
	php := `$c = curl_init($argv[1]); curl_setopt($c, CURLOPT_HTTPHEADER, ["Lab-Client: php-curl", "Authorization: Bearer ".getenv("OPENAI_API_KEY")]);
		curl_exec($c) || exit(curl_error($c));`
	perl := `use LWP::UserAgent; my $r = LWP::UserAgent->new->get($ARGV[0], "Lab-Client" => "perl-lwp", Authorization => "Bearer $ENV{OPENAI_API_KEY}"); print $r->as_string`
	ruby := `require "net/http"; print Net::HTTP.get(URI(ARGV[0]), {"Lab-Client" => "ruby-net-http", "Authorization" => "Bearer #{ENV["OPENAI_API_KEY"]}"})`
	return []client{
		{name: "wget-rc", command: []string{"wget", "-qO-", "--header=Lab-Client: wget-rc", "--header=" + field + placeholder, models}, says: []string{"lab-1"}},
		{name: "php-curl", command: []string{"php", "-r", php, models}, says: []string{"lab-1"}},
		{name: "perl-lwp", command: []string{"perl", "-e", perl, models}, says: []string{"lab-1"}},
		{name: "ruby-net-http", command: []string{"ruby", "-e", ruby, models}, says: []string{"lab-1"}},
		{name: "curl-socks", command: []string{"sh", "-c", `exec curl -sS --proxy "socks5h://${AUTHSOME_PROXY#http://}" -H 'Lab-Client: curl-socks' -H "$0" "$1"`, field + placeholder, models}, says: []string{"lab-1"}},
	}
}

// TestShims_java: Java has the proxy and a trust store by its options, beside
// the user's own.
func TestShims_java(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.Require("api.openai.com", key)
	w.login(t, "openai", key)
	w.env = append(w.env, "JAVA_TOOL_OPTIONS=-Dlab.property=kept")
	r := w.ok(t, "run", "--", "java", absolute(t, "shims/Client.java"), models)
	contains(t, "java", r.stdout, "lab-1", "kept", "HTTP_2")
	got := w.requests("api.openai.com")
	if len(got) != 2 {
		t.Fatalf("%d requests, want 2: %s", len(got), r)
	}
	for _, r := range got {
		equal(t, "Authorization", strings.Join(r.Values("Authorization"), ", "), "Bearer "+key)
	}
}

// TestShims_off: with --no-shims nothing of ours is loaded, and a library that
// knows of no proxy goes around it.
func TestShims_off(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	r := w.ok(t, "run", "--no-shims", "--", "sh", "-c", "echo $NODE_OPTIONS$BUN_OPTIONS$PYTHONPATH")
	equal(t, "variables", r.stdout, "\n")
	r = w.do(t, "run", "--no-shims", "--", "node", absolute(t, "shims/client.mjs"), "node-https", models)
	if r.code == 0 || len(w.requests("api.openai.com")) != 0 {
		t.Errorf("it came through: %s", r)
	}
}

// TestShims_refused: a refusal is an error like any other to the program.
func TestShims_refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	for _, test := range []struct{ name, script, says string }{
		{"https", `require("https").get("https://denied.example/").on("error", (e) => console.log(e.code, e.statusCode, e.message))`,
			"ERR_PROXY_TUNNEL 403 the proxy refused a tunnel to denied.example:443: 403 denied_by_mode"},
		{"fetch", `fetch("https://denied.example/").catch((e) => console.log(e.cause.code, e.cause.statusCode))`, "ERR_PROXY_TUNNEL 403"},
		{"http2", `require("http2").connect("https://denied.example/").on("error", (e) => console.log(e.code))`, "ERR_PROXY_TUNNEL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := w.ok(t, "run", "--mode", "deny", "--", "node", "-e", test.script)
			contains(t, "output", r.stdout, test.says)
		})
	}
	r := w.do(t, "run", "--mode", "deny", "--", "/usr/bin/python3", "-c", `import http.client; http.client.HTTPSConnection("denied.example").request("GET", "/")`)
	contains(t, "python", r.stderr, "access denied")
	equal(t, "requests", len(w.Requests()), 0)
}

// TestShims_local: local names, hosts of NO_PROXY and sockets that the program
// brings are its own business.
func TestShims_local(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	host, port, _ := strings.Cut(w.HTTPS(), ":")
	script := `const tls = require("tls"), net = require("net");
		const [host, port] = process.argv.slice(1);
		const ask = (name, options) => new Promise((resolve) => {
			const socket = tls.connect({ servername: "api.openai.com", ...options }, () => {
				console.log(name, socket.authorized || socket.getPeerCertificate().issuer.CN, socket.remotePort == port);
				socket.destroy(); resolve();
			});
			socket.on("error", (e) => { console.log(name, e.code); resolve(); });
		});
		(async () => {
			await ask("address", { host, port });
			await ask("socket", { socket: net.connect(port, host), host: "api.openai.com", port: 443 });
			await ask("excluded", { host: "excluded.invalid", port });
			console.log(tls.connect === require("tls").connect);
		})();`
	w.env = append(w.env, "NO_PROXY=excluded.invalid")
	r := w.ok(t, "run", "--", "node", "-e", script, host, port)
	equal(t, "node", r.stdout, "address true true\nsocket true true\nexcluded ENOTFOUND\ntrue\n")
	python := `import socket; print([socket.getaddrinfo(h, 443)[0][4][1] for h in ("127.0.0.1", "localhost")]); socket.getaddrinfo("excluded.invalid", 443)`
	r = w.do(t, "run", "--", "/usr/bin/python3", "-c", python)
	contains(t, "python", r.stdout, "[443, 443]")
	contains(t, "python", r.stderr, "gaierror")
	equal(t, "tunnels", len(w.Connects()), 0)
}

// TestShims_chain: what Python and Node.js would have loaded, they load.
func TestShims_chain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	folder := filepath.Join(w.Dir(), "with space")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"sitecustomize.py": "print('python chained')", "mine.cjs": "console.log('node chained')"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.env = append(set(w.env, "TMPDIR", folder), "PYTHONPATH="+folder, `NODE_OPTIONS=--require "`+filepath.Join(folder, "mine.cjs")+`"`)
	python := "import sys, sitecustomize, socket; print(sitecustomize.__file__ == sys.argv[1], socket.getaddrinfo.authsome, [p for p in sys.path if p.endswith('/py')])"
	r := w.ok(t, "run", "--", "/usr/bin/python3", "-c", python, filepath.Join(folder, "sitecustomize.py"))
	equal(t, "python", r.stdout, "python chained\nTrue True []\n")
	r = w.ok(t, "run", "--", "/usr/bin/python3", "-I", "-c", "import socket; print(hasattr(socket.getaddrinfo, 'authsome'))")
	equal(t, "python -I", r.stdout, "False\n")
	r = w.ok(t, "run", "--", "node", "-p", "require('tls').connect[Symbol.for('authsome.shim')]")
	equal(t, "node", r.stdout, "node chained\ntrue\n")
}

// TestShims_finders: a program that puts its own finders in the place of all
// that there are, as Mercurial does, starts, and has the proxy.
func TestShims_finders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	contains(t, "version", w.ok(t, "run", "--", "hg", "version", "--quiet").stdout, "Mercurial")
	script := `import sys
class Wrapped:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Wrapped(f) for f in sys.meta_path]
import socket; print(socket.getaddrinfo.authsome)`
	equal(t, "wrapped", w.ok(t, "run", "--", "/usr/bin/python3", "-c", script).stdout, "True\n")
}

// TestShims_yarn: each Yarn starts, and has the proxy.
func TestShims_yarn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	for name, text := range map[string]string{"package.json": "{}", "yarn.lock": ""} {
		if err := os.WriteFile(filepath.Join(w.tmp, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, yarn := range []string{"yarn2", "yarn3", "yarn4"} {
		r := w.ok(t, "run", "--", "node", absolute(t, "shims/node_modules/"+yarn+"/bin/yarn.js"), "config", "get", "httpsProxy")
		contains(t, yarn, r.stdout, "http://127.0.0.1:")
	}
}

// TestShims_configuration: a proxy in the user's configuration of a program
// does not keep it from the run's, and a key is on the request.
func TestShims_configuration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define(t, "forge", "forge.example.org")
	w.login(t, "forge", w.Canary("forge"))
	home := variables(w.env)["HOME"]
	for name, text := range map[string]string{
		".gitconfig":           "[http \"https://forge.example.org\"]\n\tproxy = http://127.0.0.1:9\n\tsslCAInfo = /nowhere\n",
		".config/pip/pip.conf": "[global]\nproxy = http://127.0.0.1:9\ncert = /nowhere\n",
		".npmrc":               "https-proxy=http://127.0.0.1:9\nproxy=http://127.0.0.1:9\ncafile=/nowhere\n",
		".wgetrc":              "https_proxy = http://127.0.0.1:9\nuser_agent = kept\nno_proxy = forge.example.org\n",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ path, agent, command string }{
		{"/git.git/info/refs", "git", "git ls-remote https://forge.example.org/git.git"},
		{"/pip/thing/", "pip", "/usr/bin/python3 -m pip download --retries 0 --no-cache-dir --index-url https://forge.example.org/pip/ thing"},
		{"/npm/thing", "npm", "npm view --fetch-retries=0 --registry https://forge.example.org/npm/ thing"},
		{"/wget", "kept", "wget -O- https://forge.example.org/wget"},
	} {
		t.Run(test.agent, func(t *testing.T) {
			r := w.do(t, append([]string{"run", "--"}, strings.Fields(test.command)...)...) // the answers are no packages
			for _, got := range w.requests("forge.example.org") {
				if strings.HasPrefix(got.Target, test.path) {
					contains(t, "User-Agent", got.Get("User-Agent"), test.agent)
					contains(t, "Authorization", got.Get("Authorization"), "Bearer ")
					return
				}
			}
			t.Errorf("no request: %s", r)
		})
	}
}
