package child

import "slices"

// Kind says what a variable is set to.
type Kind string

// The kinds of value. Settings names what stands for them in one run.
const (
	Proxy     Kind = "proxy"      // the proxy's URL
	NoProxy   Kind = "no-proxy"   // the hosts that need no proxy, comma-separated
	Bundle    Kind = "bundle"     // path: the system's roots, the user's and the run's, PEM
	Root      Kind = "root"       // path: the run's root alone, PEM, for variables that add to a client's own
	Literal   Kind = "literal"    // Variable.Value itself
	GODEBUG   Kind = "godebug"    // Variable.Value appended to the inherited list
	GitConfig Kind = "git-config" // Variable.Value is a git setting; its value is the proxy's URL
	Unset     Kind = "unset"      // removed
)

// Variable is one row of the table of what a child's environment gets so that
// the programs we know go through the proxy and trust the run's root.
type Variable struct {
	Names []string // every spelling that is set
	Kind  Kind
	Value string   // for Literal, GODEBUG and GitConfig
	OS    []string // GOOS values it is for; none: all
	Why   string   // which client needs it, what it does there
}

// Variables returns the table, the one place that says what a child's
// environment gets. The inherited value is replaced unless the kind says
// otherwise. SSL_CERT_DIR and SSLKEYLOGFILE pass as the user has them:
// authsome itself writes no key log, and a child may log its own keys.
func Variables() []Variable {
	return slices.Concat(proxyVariables(), trustVariables(), ownVariables())
}

func proxyVariables() []Variable {
	return []Variable{
		{Names: []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}, Kind: Proxy,
			Why: "nearly all clients; wget, lynx and gRPC read the lower-case ones only, Ruby HTTP_PROXY for https too"},
		{Names: []string{"ALL_PROXY", "all_proxy"}, Kind: Proxy,
			Why: "overrides an inherited SOCKS proxy"},
		{Names: []string{"WS_PROXY", "ws_proxy", "WSS_PROXY", "wss_proxy"}, Kind: Proxy,
			Why: "aiohttp WebSockets"},
		{Names: []string{"grpc_proxy", "GRPC_PROXY"}, Kind: Proxy,
			Why: "gRPC prefers it to https_proxy"},
		{Names: []string{"NO_PROXY", "no_proxy"}, Kind: NoProxy,
			Why: "inherited entries, less those that would let a routed host bypass the proxy"},
		{Names: []string{"no_grpc_proxy", "NO_GRPC_PROXY"}, Kind: Unset,
			Why: "gRPC prefers it to no_proxy"},
		{Names: []string{"FTP_PROXY", "ftp_proxy", "RSYNC_PROXY", "SOCKS_PROXY", "socks_proxy"}, Kind: Unset,
			Why: "nothing is injected there; an inherited one must not carry what should come to us"},
		{Names: []string{"NPM_CONFIG_PROXY", "npm_config_proxy", "NPM_CONFIG_HTTPS_PROXY", "npm_config_https_proxy"}, Kind: Proxy,
			Why: "npm, pnpm, yarn: beats a proxy in npmrc"},
		{Names: []string{"NPM_CONFIG_NOPROXY", "npm_config_noproxy"}, Kind: NoProxy,
			Why: "npm: beats noproxy in npmrc"},
		{Names: []string{"CARGO_HTTP_PROXY"}, Kind: Proxy,
			Why: "cargo: beats http.proxy in its configuration"},
		{Names: []string{"PIP_PROXY"}, Kind: Unset,
			Why: "pip prefers it to HTTPS_PROXY"},
		{Names: []string{"GIT_CONFIG_COUNT"}, Kind: GitConfig, Value: "http.proxy",
			Why: "git: beats http.proxy in the user's configuration"},
		{Names: []string{"NODE_USE_ENV_PROXY"}, Kind: Literal, Value: "1",
			Why: "Node.js 22.21 and later: fetch and https read the proxy variables"},
		{Names: []string{"PERL_LWP_ENV_PROXY"}, Kind: Literal, Value: "1", Why: "Perl LWP reads the proxy variables"},
		{Names: []string{"MOJO_PROXY"}, Kind: Literal, Value: "1", Why: "Perl Mojolicious reads the proxy variables"},
	}
}

func trustVariables() []Variable {
	return []Variable{
		{Names: []string{"SSL_CERT_FILE"}, Kind: Bundle,
			Why: "OpenSSL, Go, httpx, Ruby, rustls, Codex, Bun: replaces"},
		{Names: []string{"GODEBUG"}, Kind: GODEBUG, Value: "x509sslcertoverrideplatform=1", OS: []string{"darwin", "windows"},
			Why: "programs built with Go 1.27 and later obey SSL_CERT_FILE"},
		{Names: []string{"CURL_CA_BUNDLE"}, Kind: Bundle, Why: "curl, requests: replaces"},
		{Names: []string{"REQUESTS_CA_BUNDLE"}, Kind: Bundle, Why: "requests, boto3, pip: replaces certifi"},
		{Names: []string{"PIP_CERT"}, Kind: Bundle, Why: "pip: replaces"},
		{Names: []string{"AWS_CA_BUNDLE"}, Kind: Bundle, Why: "AWS CLI and SDKs: replaces"},
		{Names: []string{"GIT_SSL_CAINFO"}, Kind: Bundle, Why: "git: replaces"},
		{Names: []string{"CARGO_HTTP_CAINFO"}, Kind: Bundle, Why: "cargo: replaces"},
		{Names: []string{"HTTPLIB2_CA_CERTS"}, Kind: Bundle, Why: "httplib2, older Google API clients: replaces"},
		{Names: []string{"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"}, Kind: Bundle, Why: "gRPC for Python, C++ and Node.js: replaces"},
		{Names: []string{"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}, Kind: Bundle, Why: "gcloud: replaces"},
		{Names: []string{"NIX_SSL_CERT_FILE"}, Kind: Bundle, Why: "programs from nixpkgs: replaces"},
		{Names: []string{"PERL_LWP_SSL_CA_FILE"}, Kind: Bundle, Why: "Perl LWP: replaces"},
		{Names: []string{"COMPOSER_CAFILE"}, Kind: Bundle, Why: "Composer: replaces"},
		{Names: []string{"BUNDLE_SSL_CA_CERT"}, Kind: Bundle, Why: "Bundler: replaces"},
		{Names: []string{"HEX_CACERTS_PATH"}, Kind: Bundle, Why: "Hex and mix: replaces"},
		{Names: []string{"CODEX_CA_CERTIFICATE"}, Kind: Bundle, Why: "Codex prefers it to SSL_CERT_FILE"},
		{Names: []string{"YARN_HTTPS_CA_FILE_PATH"}, Kind: Bundle, Why: "Yarn 2 and later: replaces"},
		{Names: []string{"NPM_CONFIG_CAFILE", "npm_config_cafile"}, Kind: Bundle,
			Why: "npm, pnpm, yarn: replaces, beats cafile in npmrc"},
		{Names: []string{"NODE_EXTRA_CA_CERTS"}, Kind: Root, Why: "Node.js, Bun, Deno: adds; small, so that Node.js starts fast"},
		{Names: []string{"DENO_CERT"}, Kind: Root, Why: "Deno: adds"},
	}
}

func ownVariables() []Variable {
	return []Variable{
		{Names: []string{"AUTHSOME_PROXY_MODE"}, Kind: Literal, Value: "true",
			Why: "tells a program that it runs under authsome"},
		{Names: []string{"AUTHSOME_MASTER_KEY"}, Kind: Unset,
			Why: "the vault's key is not the child's"},
	}
}
