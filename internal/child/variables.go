package child

import "slices"

// Kind says what a variable is set to.
type Kind string

// The kinds of value. Settings names what stands for them in one run; a row
// whose file a run does not have is left out.
const (
	Proxy       Kind = "proxy"        // the proxy's URL
	NoProxy     Kind = "no-proxy"     // the hosts that need no proxy, comma-separated
	Bundle      Kind = "bundle"       // path: the system's roots, the user's and the run's, PEM
	Root        Kind = "root"         // path: the run's root and the user's own, PEM, for variables that add to a client's own
	Literal     Kind = "literal"      // Variable.Value itself
	GODEBUG     Kind = "godebug"      // Variable.Value appended to the inherited list
	GitConfig   Kind = "git-config"   // settings of git, appended to the inherited ones
	NodeOptions Kind = "node-options" // --require of the Node.js shim, appended to the inherited options
	BunOptions  Kind = "bun-options"  // --preload of the same, appended
	PythonPath  Kind = "python-path"  // the folder of the Python shim, before the inherited ones
	JavaOptions Kind = "java-options" // proxy and trust store, appended to the inherited options
	PHPFolder   Kind = "php-folder"   // a folder of PHP settings, appended to the inherited ones
	Wgetrc      Kind = "wgetrc"       // path: the user's wgetrc and the run's lines
	Unset       Kind = "unset"        // removed
)

// Source says how it is known that a variable does what Why says.
type Source string

// The sources.
const (
	Measured Source = "measured" // a client was run with this variable alone
	Stated   Source = "stated"   // read in the client's documentation, source or issues
	Assumed  Source = "assumed"  // commonly said, not checked
	Ours     Source = "ours"
)

// Variable is one row of the table of what a child's environment gets so that
// the programs we know go through the proxy and trust the run's root.
type Variable struct {
	Names  []string // every spelling that is set
	Kind   Kind
	Value  string   // for Literal and GODEBUG
	OS     []string // GOOS values it is for; none: all
	Why    string   // which client needs it, what it does there
	Source Source
}

// Variables returns the table, the one place that says what a child's
// environment gets. The inherited value is replaced unless the kind says
// otherwise. SSL_CERT_DIR and SSLKEYLOGFILE pass as the user has them:
// authsome itself writes no key log, and a child may log its own keys.
func Variables() []Variable {
	return slices.Concat(proxyVariables(), trustVariables(), shimVariables(), ownVariables())
}

// TrustNames returns the variables that name certificates: what the user has
// in them belongs into the run's files.
func TrustNames() []string {
	var names []string
	for _, v := range trustVariables() {
		if v.Kind == Bundle || v.Kind == Root {
			names = append(names, v.Names...)
		}
	}
	return names
}

func proxyVariables() []Variable {
	return []Variable{
		{Names: []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}, Kind: Proxy, Source: Measured,
			Why: "nearly all clients; wget, lynx and gRPC read the lower-case ones only, Ruby HTTP_PROXY for https too"},
		{Names: []string{"ALL_PROXY", "all_proxy"}, Kind: Proxy, Source: Measured,
			Why: "overrides an inherited SOCKS proxy"},
		{Names: []string{"WS_PROXY", "ws_proxy", "WSS_PROXY", "wss_proxy"}, Kind: Proxy, Source: Measured,
			Why: "aiohttp WebSockets"},
		{Names: []string{"grpc_proxy", "GRPC_PROXY"}, Kind: Proxy, Source: Measured,
			Why: "gRPC prefers it to https_proxy"},
		{Names: []string{"NO_PROXY", "no_proxy"}, Kind: NoProxy, Source: Measured,
			Why: "inherited entries, less those that would let a routed host bypass the proxy"},
		{Names: []string{"no_grpc_proxy", "NO_GRPC_PROXY"}, Kind: Unset, Source: Stated,
			Why: "gRPC prefers it to no_proxy"},
		{Names: []string{"FTP_PROXY", "ftp_proxy", "RSYNC_PROXY", "SOCKS_PROXY", "socks_proxy"}, Kind: Unset, Source: Ours,
			Why: "nothing is injected there; an inherited one must not carry what should come to us"},
		{Names: []string{"NPM_CONFIG_PROXY", "npm_config_proxy", "NPM_CONFIG_HTTPS_PROXY", "npm_config_https_proxy"}, Kind: Proxy, Source: Measured,
			Why: "npm, pnpm, yarn: beats a proxy in npmrc"},
		{Names: []string{"NPM_CONFIG_NOPROXY", "npm_config_noproxy"}, Kind: NoProxy, Source: Stated,
			Why: "npm: beats noproxy in npmrc"},
		{Names: []string{"YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"}, Kind: Proxy, Source: Measured,
			Why: "Yarn 2 and later reads no other; in Yarn 1 it beats yarnrc"},
		{Names: []string{"CARGO_HTTP_PROXY"}, Kind: Proxy, Source: Measured,
			Why: "cargo: beats http.proxy in its configuration"},
		{Names: []string{"PIP_PROXY"}, Kind: Proxy, Source: Measured,
			Why: "pip: beats proxy in pip.conf"},
		{Names: []string{"CLOUDSDK_PROXY_TYPE", "CLOUDSDK_PROXY_ADDRESS", "CLOUDSDK_PROXY_PORT", "CLOUDSDK_PROXY_USERNAME", "CLOUDSDK_PROXY_PASSWORD"},
			Kind: Unset, Source: Stated, Why: "gcloud prefers it to HTTPS_PROXY"},
		{Names: []string{"GIT_CONFIG_COUNT"}, Kind: GitConfig, Source: Measured,
			Why: "git: http.proxy, which beats the one in the user's configuration, also where that is for one URL"},
		{Names: []string{"NODE_USE_ENV_PROXY"}, Kind: Literal, Value: "1", Source: Measured,
			Why: "Node.js 22.21 and later: fetch and https read the proxy variables"},
		{Names: []string{"PERL_LWP_ENV_PROXY"}, Kind: Literal, Value: "1", Source: Measured, Why: "Perl LWP reads the proxy variables"},
		{Names: []string{"MOJO_PROXY"}, Kind: Literal, Value: "1", Source: Measured, Why: "Perl Mojolicious reads the proxy variables"},
	}
}

func trustVariables() []Variable {
	return []Variable{
		{Names: []string{"SSL_CERT_FILE"}, Kind: Bundle, Source: Measured,
			Why: "OpenSSL, Go, httpx, Ruby, rustls, Codex, Bun, Composer; uv and .NET on Linux, as they state: replaces"},
		{Names: []string{"GODEBUG"}, Kind: GODEBUG, Value: "x509sslcertoverrideplatform=1", OS: []string{"darwin", "windows"}, Source: Stated,
			Why: "programs built with Go 1.27 and later obey SSL_CERT_FILE"},
		{Names: []string{"CURL_CA_BUNDLE"}, Kind: Bundle, Source: Measured, Why: "curl, requests; R, as it states: replaces"},
		{Names: []string{"REQUESTS_CA_BUNDLE"}, Kind: Bundle, Source: Measured, Why: "requests, boto3, pip, poetry: replaces certifi"},
		{Names: []string{"PIP_CERT"}, Kind: Bundle, Source: Measured, Why: "pip: replaces, beats cert in pip.conf"},
		{Names: []string{"CONDA_SSL_VERIFY"}, Kind: Bundle, Source: Stated, Why: "conda: replaces, beats ssl_verify in condarc"},
		{Names: []string{"AWS_CA_BUNDLE"}, Kind: Bundle, Source: Measured, Why: "AWS CLI and SDKs: replaces"},
		{Names: []string{"GIT_SSL_CAINFO"}, Kind: Bundle, Source: Measured, Why: "git: replaces, beats http.sslCAInfo"},
		{Names: []string{"CARGO_HTTP_CAINFO"}, Kind: Bundle, Source: Measured, Why: "cargo: replaces"},
		{Names: []string{"HTTPLIB2_CA_CERTS"}, Kind: Bundle, Source: Measured, Why: "httplib2, older Google API clients: replaces"},
		{Names: []string{"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"}, Kind: Bundle, Source: Measured, Why: "gRPC for Python, C++ and Node.js: replaces"},
		{Names: []string{"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}, Kind: Bundle, Source: Stated, Why: "gcloud: replaces"},
		{Names: []string{"NIX_SSL_CERT_FILE"}, Kind: Bundle, Source: Assumed, Why: "programs from nixpkgs: replaces"},
		{Names: []string{"PERL_LWP_SSL_CA_FILE"}, Kind: Bundle, Source: Measured, Why: "Perl LWP: replaces"},
		{Names: []string{"COMPOSER_CAFILE"}, Kind: Bundle, Source: Measured, Why: "Composer: replaces"},
		{Names: []string{"BUNDLE_SSL_CA_CERT"}, Kind: Bundle, Source: Stated, Why: "Bundler: replaces"},
		{Names: []string{"HEX_CACERTS_PATH"}, Kind: Bundle, Source: Stated, Why: "Hex and mix: replaces"},
		{Names: []string{"JULIA_SSL_CA_ROOTS_PATH"}, Kind: Bundle, Source: Stated, Why: "Julia prefers it to SSL_CERT_DIR and SSL_CERT_FILE"},
		{Names: []string{"CODEX_CA_CERTIFICATE"}, Kind: Bundle, Source: Stated, Why: "Codex prefers it to SSL_CERT_FILE"},
		{Names: []string{"NPM_CONFIG_CAFILE", "npm_config_cafile"}, Kind: Bundle, Source: Measured,
			Why: "npm, pnpm, yarn: replaces, beats cafile in npmrc"},
		// YARN_HTTPS_CA_FILE_PATH is not set: Yarn 2 and 3 end at a setting they do not know.
		{Names: []string{"NODE_EXTRA_CA_CERTS"}, Kind: Root, Source: Measured,
			Why: "Node.js, Yarn 2 and later, Bun, Deno: adds; small, so that Node.js starts fast"},
		{Names: []string{"DENO_CERT"}, Kind: Root, Source: Measured, Why: "Deno: adds"},
	}
}

func shimVariables() []Variable {
	return []Variable{
		{Names: []string{"NODE_OPTIONS"}, Kind: NodeOptions, Source: Measured,
			Why: "Node.js and Deno: TLS connections go through the proxy, whatever library opens them"},
		{Names: []string{"BUN_OPTIONS"}, Kind: BunOptions, Source: Measured,
			Why: "Bun: the same for https and http2"},
		{Names: []string{"PYTHONPATH"}, Kind: PythonPath, Source: Measured,
			Why: "Python: names at port 443 resolve to the proxy, for libraries that know of none"},
		{Names: []string{"JAVA_TOOL_OPTIONS"}, Kind: JavaOptions, Source: Measured,
			Why: "Java: proxy and trust store; only where java is on the PATH, for it prints a line"},
		{Names: []string{"PHP_INI_SCAN_DIR"}, Kind: PHPFolder, Source: Measured,
			Why: "PHP: curl.cainfo and openssl.cafile; replaces"},
		{Names: []string{"WGETRC"}, Kind: Wgetrc, OS: []string{"linux", "darwin"}, Source: Measured,
			Why: "wget: ca_certificate and the proxy, after the lines of the user's wgetrc"},
	}
}

func ownVariables() []Variable {
	return []Variable{
		{Names: []string{"AUTHSOME_PROXY_MODE"}, Kind: Literal, Value: "true", Source: Ours,
			Why: "tells a program that it runs under authsome"},
		{Names: []string{"AUTHSOME_PROXY"}, Kind: Proxy, Source: Ours,
			Why: "tells the shims where the proxy is"},
		{Names: []string{"AUTHSOME_MASTER_KEY"}, Kind: Unset, Source: Ours,
			Why: "the vault's key is not the child's"},
	}
}
