//go:build linux

package matrix_test

import (
	"path/filepath"
	"strings"
)

// pythonClients are libraries on Debian's interpreter.
func pythonClients() []client {
	var all []client
	for _, group := range []struct{ by, libraries string }{
		{environment, "urllib requests httpx httpx-h2 httpx-async httpx-async-h2 aiohttp-trusting aiohttp-websocket-trusting websocket-client httplib2 boto3 grpcio PyGithub urllib3-proxy"},
		{pythonShim, "http.client socket asyncio requests-untrusting urllib3 httpx-untrusting aiohttp aiohttp-websocket tornado websockets xmlrpc treq"},
		{itself, "pycurl-cainfo"},
	} {
		for library := range strings.FieldsSeq(group.libraries) {
			all = append(all, script("Python "+library, group.by, "/usr/bin/python3", "python/client.py", library))
		}
	}
	for _, library := range []string{"pycurl", "requests-certifi"} {
		c := script("Python "+library, nothing, "/usr/bin/python3", "python/client.py", library)
		c.Want, c.Cover = stopped, byOption
		all = append(all, c)
	}
	return of("Python", debian, all)
}

// script is a program of ours that makes one request with a library.
func script(name, by string, command ...string) client {
	library := command[len(command)-1]
	host, path := service(library)
	for i, word := range command {
		if strings.Contains(word, "/client.") {
			command[i] = local(word)
		}
	}
	return client{Name: name, By: by, Command: append(command, "https://"+host+path), Host: host}
}

// service is where a library is used. SDKs know their own host.
func service(library string) (host, path string) {
	for prefix, s := range map[string][2]string{
		"openai": {"api.openai.com", "/v1/models"}, "anthropic": {"api.anthropic.com", "/v1/messages"}, "octokit": {"api.github.com", "/user"},
		"PyGithub": {"api.github.com", "/user"}, "go-github": {"api.github.com", "/user"}, "stripe": {"api.stripe.com", "/v1/balance"},
		"genai": {"generativelanguage.googleapis.com", "/v1beta/models"}, "slack": {"slack.com", "/api/api.test"},
		"aws": {"s3.example.com", "/"}, "boto3": {"s3.example.com", "/"},
	} {
		if strings.HasPrefix(library, prefix) {
			return s[0], s[1]
		}
	}
	return own, "/v1/things"
}

// nodeClients are libraries on three versions of Node.js, on Deno and on Bun.
func nodeClients() []client {
	const everywhere = "fetch https https-agent http2 tls got ky node-fetch superagent undici undici-agent openai openai-stream anthropic octokit stripe genai aws slack ws"
	const byEnvironment = "axios request needle grpc ws-proxy-agent"
	var all []client
	for _, runtime := range []struct{ name, from, shim, environment string }{
		{"node20", "20", everywhere + " playwright", byEnvironment},
		{"node22", "22", everywhere + " websocket", byEnvironment},
		{"node24", "24", everywhere + " websocket puppeteer", byEnvironment},
	} {
		binary := module(runtime.name + "/bin/node")
		for library := range strings.FieldsSeq(runtime.shim) {
			all = append(all, on("Node.js "+runtime.from, nodeShim, binary, library))
		}
		for library := range strings.FieldsSeq(runtime.environment) {
			all = append(all, on("Node.js "+runtime.from, environment, binary, library))
		}
	}
	for library := range strings.FieldsSeq("fetch axios ky openai anthropic websocket") {
		all = append(all, on("Deno 2", environment, deno(), "run", "--quiet", "--allow-all", library))
	}
	for library := range strings.FieldsSeq("https http2 got node-fetch superagent undici stripe slack ws") {
		all = append(all, on("Deno 2", nodeShim, deno(), "run", "--quiet", "--allow-all", library))
	}
	for library := range strings.FieldsSeq("fetch axios ky node-fetch undici openai anthropic octokit slack") {
		all = append(all, on("Bun 1", environment, bun(), library))
	}
	for library := range strings.FieldsSeq("https http2 got superagent stripe") {
		all = append(all, on("Bun 1", nodeShim, bun(), library))
	}
	for _, library := range []string{"ws", "websocket"} {
		c := on("Bun 1", nothing, bun(), library)
		c.Want, c.Cover = direct, byTransparent
		all = append(all, c)
	}
	return of("Node.js, Deno, Bun", "", all)
}

// on is a library on a runtime, whose command's last word is the library.
func on(runtime, by string, command ...string) client {
	last := len(command) - 1
	library := command[last]
	c := script(library+", "+runtime, by, append(append([]string{}, command[:last]...), "node/client.mjs", library)...)
	c.From = "npm"
	return c
}

func goClients() []client {
	var all []client
	add := func(libraries string, c client) {
		for library := range strings.FieldsSeq(libraries) {
			made := script("Go "+library, c.By, built("goclient"), library)
			made.Want, made.Cover = c.Want, c.Cover
			all = append(all, made)
		}
	}
	add("net-http net-http-own-proxy go-github slack-go resty fasthttp-env coder-websocket gorilla grpc-go", client{By: environment})
	add("net-http-bare fasthttp", client{Want: direct, Cover: byTransparent})
	return of("Go", "Go modules", all)
}

// otherClients are libraries of Ruby, Perl, PHP, Java, Mono and Rust.
func otherClients() []client {
	var all []client
	for library := range strings.FieldsSeq("net-http net-http-start open-uri faraday excon httpclient rest-client") {
		all = append(all, script("Ruby "+library, environment, "ruby", "ruby/client.rb", library))
	}
	for library := range strings.FieldsSeq("lwp lwp-simple http-tiny http-tiny-verifying mojo") {
		all = append(all, script("Perl "+library, environment, "perl", "perl/client.pl", library))
	}
	streams := script("PHP streams", nothing, "php", "php/client.php", "streams")
	streams.Want, streams.Cover = direct, byTransparent
	all = append(all, streams)
	for library := range strings.FieldsSeq("curl guzzle") {
		all = append(all, script("PHP "+library, files, "php", "php/client.php", library))
	}
	for library := range strings.FieldsSeq("url-connection http-client http-client-http1 websocket") {
		all = append(all, script("Java "+library, files, "java", "-cp", local("bin"), "Client", library))
	}
	mono := script("Mono HttpClient", nothing, "mono", built("client.exe"), "httpclient")
	mono.Want, mono.Cover = stopped, byExport
	all = append(all, mono)
	for _, rust := range []struct{ library, want, cover string }{
		{"reqwest-native-tls", "", ""},
		{"reqwest-rustls", stopped, byExport}, // its webpki 0.22 refuses roots with name constraints
		{"ureq", direct, byExport},
	} {
		c := script("Rust "+rust.library, environment, built("rust/debug/rustclient"), rust.library)
		c.Want, c.Cover, c.Full = rust.want, rust.cover, true
		all = append(all, c)
	}
	return of("Ruby, Perl, PHP, Java, Mono, Rust", debian, all)
}

// local is a path of this folder, absolute.
func local(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return path
}

// module is a path below node_modules.
func module(path string) string { return local("node/node_modules/" + path) }

func deno() string { return module(".bin/deno") }

func bun() string { return module("@oven/bun-linux-x64/bin/bun") }

// built is a program that deps compiles.
func built(name string) string { return local("bin/" + name) }

func goCommand() string { return "/usr/local/go/bin/go" }
