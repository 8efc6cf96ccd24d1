//go:build linux

package matrix_test

const debian = "Debian 12"

// own is the one host of clients that have no API of their own.
const own = "api.example.com"

// programs are those that people type.
func programs() []client {
	const kind, url = "Programs", "https://api.openai.com/v1/models"
	const user = "https://api.github.com/user"
	const chromium = "exec chromium --headless --no-sandbox --dump-dom"
	const image = `'data:text/html,<img src="` + url + `">'` // a page has an icon, which is asked for or not
	all := []client{
		{Name: "curl", Command: []string{"curl", "-sS", url}, Host: "api.openai.com"},
		{Name: "curl HTTP/1.1", Command: []string{"curl", "-sS", "--http1.1", url}, Host: "api.openai.com"},
		{Name: "curl HTTP/2 only", Command: []string{"curl", "-sS", "--http2-prior-knowledge", url}, Host: "api.openai.com"},
		{Name: "wget", By: files, Command: []string{"wget", "-qO-", user}, Host: "api.github.com"},
		{Name: "wget2", Want: stopped, Cover: byTransparent, Command: []string{"wget2", "-qO-", user}, Host: "api.github.com"},
		{Name: "HTTPie", Command: []string{"http", "--ignore-stdin", user}, Host: "api.github.com"},
		{Name: "aria2", Want: stopped, Cover: byOption, Command: []string{"aria2c", "-q", "-m1", user}, Host: "api.github.com"},
		{Name: "aria2 --ca-certificate", By: itself, Command: []string{"sh", "-c", `aria2c -q -m1 --ca-certificate="$SSL_CERT_FILE" ` + user}, Host: "api.github.com"},
		{Name: "w3m", Command: []string{"w3m", "-dump", user}, Host: "api.github.com"},
		{Name: "lynx", Command: []string{"lynx", "-dump", user}, Host: "api.github.com"},
		{Name: "elinks", Command: []string{"elinks", "-dump", user}, Host: "api.github.com"},
		{Name: "links", Want: direct, Cover: byTransparent, Command: []string{"links", "-dump", user}, Host: "api.github.com"},
		{Name: "axel", Command: []string{"axel", "-q", "-n1", user}, Host: "api.github.com", Times: 2},
		{Name: "lftp", Want: stopped, Cover: byTransparent, Command: []string{"lftp", "-c", "set net:max-retries 1; cat " + user}, Host: "api.github.com"},
		{Name: "cadaver", Want: direct, Cover: byTransparent, Command: []string{"sh", "-c", "echo ls | cadaver https://dav.example.com/"}, Host: "dav.example.com"},
		{Name: "git", Command: []string{"git", "ls-remote", "https://git.example.com/a.git"}, Host: "git.example.com"},
		{Name: "mercurial", Want: stopped, Cover: byOption, Command: []string{"hg", "identify", "https://hg.example.com/a"}, Host: "hg.example.com"},
		{Name: "mercurial, web.cacerts", By: itself, Command: []string{"sh", "-c", `exec hg --config web.cacerts="$SSL_CERT_FILE" identify https://hg.example.com/a`}, Host: "hg.example.com", Times: 2},
		{Name: "subversion, its options", By: itself, Command: []string{"sh", "-c", `proxy=${HTTPS_PROXY#http://}; exec svn --non-interactive --config-option servers:global:http-proxy-host="${proxy%:*}" \
			--config-option servers:global:http-proxy-port="${proxy#*:}" --config-option servers:global:ssl-authority-files="$SSL_CERT_FILE" info https://svn.example.com/a`}, Host: "svn.example.com"},
		{Name: "subversion", Want: direct, Cover: byTransparent, Command: []string{"timeout", "20", "svn", "--non-interactive", "info", "https://svn.example.com/a"}, Host: "svn.example.com"},
		{Name: "fossil", Command: []string{"env", "USER=lab", "fossil", "clone", "https://fossil.example.com/a", "a.fossil"}, Host: "fossil.example.com"},
		{Name: "gh", Command: []string{"gh", "api", "user"}, Host: "api.github.com"},
		{Name: "kubectl", Command: []string{"kubectl", "--server=https://kube.example.com", "get", "--raw", "/version"}, Host: "kube.example.com"},
		{Name: "rclone", Command: []string{"rclone", "--retries=1", "--low-level-retries=1", "cat", ":http,url='https://files.example.com/':a"}, Host: "files.example.com", Times: 2},
		{Name: "Chromium, own profile", By: itself, Command: []string{"sh", "-c", chromium + ` --user-data-dir="$PWD/p" --ignore-certificate-errors-spki-list="$(authsome ca show --spki)" ` + image}, Host: "api.openai.com"},
		{Name: "Chromium", Want: stopped, Cover: byStore, Command: []string{"sh", "-c", chromium + " " + image}, Host: "api.openai.com"},
		{Name: "AWS CLI", Command: []string{"/usr/bin/aws", "--region=us-east-1", "--no-sign-request", "s3api", "head-bucket", "--bucket=a", "--endpoint-url=https://s3.example.com"}, Host: "s3.example.com"},
		{Name: "s3cmd", Command: []string{"s3cmd", "--access_key=a", "--secret_key=a", "--host=s3.example.com", "--host-bucket=s3.example.com", "info", "s3://a"}, Host: "s3.example.com", Times: 2},
		{Name: "libcurl GnuTLS, C", Want: stopped, Cover: byOption, Command: []string{built("curl-gnutls"), url}, Host: "api.openai.com"},
		{Name: "libcurl GnuTLS, CURLOPT_CAINFO", By: itself, Command: []string{"sh", "-c", `exec "$0" "$1" "$SSL_CERT_FILE"`, built("curl-gnutls"), url}, Host: "api.openai.com"},
	}
	return of(kind, debian, all)
}

// packageManagers ask their registries.
func packageManagers() []client {
	const npm, pypi = "registry.npmjs.org", "pypi.org"
	all := []client{
		{Name: "pip", From: debian, Command: []string{"/usr/bin/python3", "-m", "pip", "download", "-q", "--retries=0", "--no-cache-dir", "--disable-pip-version-check", "thing"}, Host: pypi},
		{Name: "npm", From: "as installed", Command: []string{"npm", "view", "--no-update-notifier", "--fetch-retries=0", "thing"}, Host: npm},
		{Name: "pnpm", From: "npm, 9", Command: []string{"node", module("pnpm/bin/pnpm.cjs"), "view", "--no-update-notifier", "--fetch-retries=0", "thing"}, Host: npm},
		{Name: "Yarn", From: "npm, 1", Command: []string{"node", module("yarn/bin/yarn.js"), "info", "thing"}, Host: "registry.yarnpkg.com"},
		{Name: "Deno", From: "npm, 2", Command: []string{deno(), "info", "--no-config", "https://deno.example.com/a.ts"}, Host: "deno.example.com"},
		{Name: "Bun", From: "npm, 1", Command: []string{bun(), "info", "thing"}, Host: npm},
		{Name: "Composer", From: debian, Command: []string{"composer", "-q", "show", "--all", "--no-plugins", "a/b"}, Host: "repo.packagist.org"},
		{Name: "RubyGems", From: debian, Command: []string{"gem", "fetch", "thing"}, Host: "rubygems.org", Times: 3},
		{Name: "go command", From: "Go 1.26", Command: []string{"sh", "-c", `GOPATH="$PWD" GOFLAGS=-modcacherw GONOSUMDB=* GOPROXY=https://proxy.golang.org exec ` + goCommand() + ` list -m golang.example.org/a@v1.0.0`}, Host: "proxy.golang.org"},
		{Name: "Maven", From: debian, By: files, Command: []string{"sh", "-c", `exec mvn -B -q -Dmaven.repo.local="$PWD/m2" org.example:thing:1.0:go`}, Times: 4, Host: "repo.maven.apache.org"},
		{Name: "Azure MCP (.NET)", From: "npm, 2", Command: []string{"env", "AZURE_MCP_COLLECT_TELEMETRY=false", module("@azure/mcp-linux-x64/dist/azmcp"), "pricing", "get", "--sku=A", "--retry-max-retries=0"}, Host: "prices.azure.com"},
		{Name: "dprint", From: "npm, 0.57", Command: []string{module("@dprint/linux-x64-glibc/dprint"), "check", "--config=https://dprint.example.com/dprint.json"}, Host: "dprint.example.com"},
		{Name: "sentry-cli", From: "npm, 3", Command: []string{"env", "SENTRY_AUTH_TOKEN=authsome-proxy-managed", module("@sentry/cli-linux-x64/bin/sentry-cli"), "info"}, Host: "sentry.io"},
	}
	return of("Package managers and programs from registries", "", all)
}

func of(kind, from string, all []client) []client {
	for i := range all {
		all[i].Kind = kind
		if from != "" {
			all[i].From = from
		}
	}
	return all
}
