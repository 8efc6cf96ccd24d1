package child

// Program is a kind of program by what it needs to work in a run.
type Program struct {
	ID        string   // short, lower case
	Title     string   // what a reader calls it
	Names     []string // of programs of this kind, without version
	Variables []string // of the table of Variables, which serve it
	Config    string   // whose configuration files matter to it; "" for none of its own
	Limits    string   // what a run can't do for it; "" for nothing known
	Cover     string   // what to do then, often a command
	Unserved  bool     // a run does nothing for it
	Direct    bool     // it may know of no proxy variable, and goes to its server then
	Uncertain bool     // whether a run serves it depends on how it was made
	Stores    []string // trust stores that it reads, as `ca install --store` names them: with the run's authority there it is served
}

// Programs returns the kinds that Recognize tells apart. docs/clients.md shows
// the same table.
func Programs() []Program {
	return append(languagePrograms(), append(toolPrograms(), nativePrograms()...)...)
}

// Unknown is the ID of the kind of what Recognize does not know.
const Unknown = "unknown"

const (
	coverExport = "authsome export PROVIDER, and run it without authsome"
	coverOption = `its own option for certificates, with "$SSL_CERT_FILE", inside the run`
	coverStore  = "authsome ca install --store system"
	coverEither = coverStore + "; or " + coverOption
)

func languagePrograms() []Program {
	return []Program{
		{ID: "node", Title: "Node.js", Names: []string{"node", "nodejs", "npx", "tsx", "ts-node"},
			Variables: []string{"NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY"},
			Limits:    "packaged Electron programs take no module from NODE_OPTIONS"},
		{ID: "deno", Title: "Deno", Names: []string{"deno"}, Variables: []string{"NODE_OPTIONS", "DENO_CERT", "HTTPS_PROXY"}},
		{ID: "bun", Title: "Bun", Names: []string{"bun", "bunx"}, Variables: []string{"BUN_OPTIONS", "NODE_EXTRA_CA_CERTS", "HTTPS_PROXY"},
			Limits: "WebSocket and ws go around the proxy", Cover: coverExport},
		{ID: "python", Title: "Python", Names: []string{"python", "pypy", "uvx", "pipx", "poetry", "ipython"},
			Variables: []string{"HTTPS_PROXY", "PYTHONPATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"},
			Limits:    "python -I and -E ignore PYTHONPATH; pycurl and urllib3 1.26 by itself read certificates from no variable", Cover: coverOption},
		{ID: "ruby", Title: "Ruby", Names: []string{"ruby", "irb", "bundle", "gem", "rake"}, Config: "gem",
			Variables: []string{"HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "BUNDLE_SSL_CA_CERT"}},
		{ID: "perl", Title: "Perl", Names: []string{"perl"}, Variables: []string{"HTTPS_PROXY", "PERL_LWP_ENV_PROXY", "PERL_LWP_SSL_CA_FILE", "SSL_CERT_FILE", "MOJO_PROXY"}},
		{ID: "php", Title: "PHP", Names: []string{"php", "composer"}, Variables: []string{"HTTPS_PROXY", "PHP_INI_SCAN_DIR", "COMPOSER_CAFILE"},
			Limits: "streams (file_get_contents) know of no proxy", Cover: coverExport},
		{ID: "java", Title: "Java", Names: []string{"java", "mvn", "gradle", "kotlin", "scala", "jshell", "groovy", "clojure", "sbt"}, Config: "gradle",
			Variables: []string{"JAVA_TOOL_OPTIONS"}, Limits: "a program with a trust store of its own; and Java sends no password to a proxy, which macOS and Windows need", Cover: coverExport},
		{ID: "dotnet", Title: ".NET", Names: []string{"dotnet", "pwsh"}, Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"},
			Limits: "on macOS and Windows it reads the system's certificates only", Stores: []string{"system"}, Cover: coverStore},
	}
}

func toolPrograms() []Program {
	return []Program{
		{ID: "curl", Title: "curl", Names: []string{"curl"}, Config: "curl", Variables: []string{"HTTPS_PROXY", "CURL_CA_BUNDLE"},
			Limits: "Windows' own curl reads the system's certificates only", Stores: []string{"system"}, Cover: coverEither},
		{ID: "wget", Title: "wget", Names: []string{"wget"}, Variables: []string{"https_proxy", "WGETRC"}},
		{ID: "git", Title: "git", Names: []string{"git", "git-remote-http", "git-remote-https"}, Config: "git", Variables: []string{"GIT_CONFIG_COUNT", "GIT_SSL_CAINFO", "HTTPS_PROXY"},
			Limits: "a repository's own remote.NAME.proxy is not overridden"},
		{ID: "npm", Title: "npm, pnpm, Yarn", Names: []string{"npm", "pnpm", "yarn", "yarnpkg"}, Config: "yarn",
			Variables: []string{"NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_CAFILE", "YARN_HTTPS_PROXY", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS"}},
		{ID: "pip", Title: "pip, uv", Names: []string{"pip", "uv"}, Config: "pip", Variables: []string{"PIP_PROXY", "PIP_CERT", "HTTPS_PROXY", "SSL_CERT_FILE"}},
		{ID: "conda", Title: "conda", Names: []string{"conda", "mamba"}, Config: "conda", Variables: []string{"HTTPS_PROXY", "CONDA_SSL_VERIFY"}},
		{ID: "cargo", Title: "cargo", Names: []string{"cargo", "rustup"}, Config: "cargo", Variables: []string{"CARGO_HTTP_PROXY", "CARGO_HTTP_CAINFO", "HTTPS_PROXY", "SSL_CERT_FILE"}},
		{ID: "aws", Title: "AWS CLI", Names: []string{"aws"}, Config: "aws", Variables: []string{"HTTPS_PROXY", "AWS_CA_BUNDLE"}},
		{ID: "gcloud", Title: "gcloud", Names: []string{"gcloud", "gsutil", "bq"}, Config: "gcloud", Variables: []string{"HTTPS_PROXY", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}},
		{ID: "shell", Title: "shell", Names: []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "env", "xargs", "timeout", "make"},
			Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"}, Limits: "what its commands are decides: ask for each", Cover: "authsome doctor -- COMMAND", Uncertain: true},
		{ID: "sudo", Title: "another user's command", Names: []string{"sudo", "doas", "su", "pkexec"}, Unserved: true,
			Limits: "it drops the variables, and the proxy serves your own user only", Cover: "sudo outside, authsome inside: sudo -u USER authsome run -- COMMAND"},
		{ID: "elsewhere", Title: "a command in a container or on another machine", Names: []string{"docker", "podman", "nerdctl", "ssh", "mosh", "wsl", "flatpak", "snap", "vagrant"}, Unserved: true,
			Limits: "what it starts gets no variables of the run, and a proxy on loopback is not there", Cover: "authsome run inside, or authsome export PROVIDER"},
		{ID: "uncovered", Title: "certificates from no variable", Names: []string{"aria2c", "apt", "apt-get"}, Unserved: true, Stores: []string{"system"},
			Variables: []string{"HTTPS_PROXY"}, Limits: "it reads certificates from no variable", Cover: coverEither},
		{ID: "hg", Title: "Mercurial", Names: []string{"hg"}, Unserved: true, Stores: []string{"system"}, Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"},
			Limits: "Debian's configuration names the system's certificates, and so SSL_CERT_FILE does not count", Cover: coverStore + `; or hg --config web.cacerts="$SSL_CERT_FILE", inside the run`},
		{ID: "svn", Direct: true, Title: "Subversion", Names: []string{"svn"}, Unserved: true,
			Limits: "it knows of no variable", Cover: "its options servers:global:http-proxy-host, http-proxy-port and ssl-authority-files, inside the run"},
		{ID: "chromium", Title: "Chromium and its kin", Unserved: true, Stores: []string{"chromium"},
			Names:     []string{"chromium", "chromium-browser", "chrome", "google-chrome", "google-chrome-stable", "microsoft-edge", "microsoft-edge-stable", "brave-browser", "electron", "code", "cursor"},
			Variables: []string{"HTTPS_PROXY", "NODE_OPTIONS"}, Limits: "it trusts the database in your home folder only, unless Node.js drives it: Puppeteer, Playwright",
			Cover: `authsome ca install --store chromium; or, with a profile of its own, --ignore-certificate-errors-spki-list="$(authsome ca show --spki)", inside the run`},
		{ID: "firefox", Title: "Firefox", Names: []string{"firefox", "firefox-esr"}, Unserved: true, Stores: []string{"firefox"},
			Variables: []string{"HTTPS_PROXY"}, Limits: "it trusts its profile's database only", Cover: "authsome ca install --store firefox"},
	}
}

func nativePrograms() []Program {
	return []Program{
		{ID: "go", Direct: true, Title: "built with Go", Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE", "GODEBUG"},
			Limits: "on macOS and Windows one built with Go 1.26 or before reads the system's certificates only; one with a bare http.Transport knows of no proxy", Stores: []string{"system"}, Cover: coverStore + "; or " + coverExport},
		{ID: "rustls-bundled", Title: "rustls with roots built in", Variables: []string{"HTTPS_PROXY"}, Unserved: true,
			Limits: "its certificates are built in (webpki-roots), and no variable adds one", Cover: coverExport},
		{ID: "rustls", Direct: true, Title: "rustls with the system's roots", Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"},
			Limits: "ureq 2 knows of no proxy", Cover: coverExport},
		{ID: "libcurl-gnutls", Title: "linked to libcurl-gnutls", Variables: []string{"HTTPS_PROXY"}, Unserved: true, Stores: []string{"system"},
			Limits: "its library reads certificates from no variable", Cover: coverEither},
		{ID: "gnutls", Direct: true, Title: "linked to GnuTLS", Variables: []string{"HTTPS_PROXY"}, Unserved: true, Stores: []string{"system"},
			Limits: "its library reads certificates from no variable", Cover: coverEither},
		{ID: "nss", Direct: true, Title: "linked to NSS", Variables: []string{"HTTPS_PROXY"}, Unserved: true,
			Limits: "it trusts a database of its own only", Cover: `certutil -A -t C,, -n authsome -i "$AUTHSOME_CA_FILE" -d sql:FOLDER, inside the run; or ` + coverExport},
		{ID: "openssl", Direct: true, Title: "linked to OpenSSL", Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"},
			Limits: "whether it reads the proxy variables is its own choice", Uncertain: true, Cover: coverExport},
		{ID: "libcurl", Title: "linked to libcurl", Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"}},
		{ID: Unknown, Title: "not recognized", Variables: []string{"HTTPS_PROXY", "SSL_CERT_FILE"}, Uncertain: true,
			Limits: "nothing is known of it: try it, and look at authsome log", Cover: coverExport},
	}
}
