package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// parentFunc returns the proxy to reach a destination through, nil for none.
type parentFunc func(host string, port uint16, scheme string) (*url.URL, error)

// parentProxy is the way out that authsome's own environment prescribes. A
// variable that can't be understood is an error, whatever is asked for: to go
// direct instead would take the traffic where it was not meant to go.
func (a *app) parentProxy() (parentFunc, error) {
	web, err := a.proxyVariable(a.webProxyNames()...)
	if err != nil {
		return nil, err
	}
	secure, err := a.proxyVariable("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
	if err != nil {
		return nil, err
	}
	_, exceptions := a.firstSet("no_proxy", "NO_PROXY")
	exempt := exemptions(exceptions)
	return func(host string, port uint16, scheme string) (*url.URL, error) {
		parent := secure
		if scheme == "http" {
			parent = web
		}
		if parent == nil || exempt(host, port) {
			return nil, nil
		}
		return parent, nil
	}, nil
}

// webProxyNames are the variables for http, in order of precedence. Where
// authsome is started by a web server, HTTP_PROXY is what the server's client
// sent as its Proxy field (CVE-2016-5385).
func (a *app) webProxyNames() []string {
	if a.getenv("REQUEST_METHOD") != "" {
		return []string{"http_proxy", "all_proxy", "ALL_PROXY"}
	}
	return []string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}
}

// firstSet returns the first of the variables that is set and not empty.
func (a *app) firstSet(names ...string) (name, value string) {
	for _, name := range names {
		if value := strings.TrimSpace(a.getenv(name)); value != "" {
			return name, value
		}
	}
	return "", ""
}

// proxyVariable reads the first of the variables that is set.
func (a *app) proxyVariable(names ...string) (*url.URL, error) {
	name, value := a.firstSet(names...)
	if name == "" {
		return nil, nil
	}
	parent, err := parseProxy(value)
	if err != nil {
		return nil, &hinted{fmt.Errorf("%s: %w", name, err), "correct or unset " + name + ": http://[USER:PASSWORD@]HOST:PORT, or https, socks5, socks5h"}
	}
	return parent, nil
}

// parseProxy reads the address of a proxy as environments have it: with or
// without a scheme, which then is http, with or without a final slash, and
// with credentials in which only %, @ before another @, /, ? and # need to be
// percent-encoded. Its errors quote nothing but the scheme: the rest may hold
// a password.
func parseProxy(s string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "http", s
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "http", "https", "socks5", "socks5h":
	case "socks", "socks4", "socks4a":
		return nil, fmt.Errorf("%s proxies are not supported: they would need addresses where there are names; use socks5h", scheme)
	default:
		return nil, errors.New("the scheme is not http, https, socks5 or socks5h")
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#") {
		return nil, errors.New("something follows HOST:PORT, or a / ? or # in the credentials is not percent-encoded")
	}
	parent := &url.URL{Scheme: scheme, Host: rest}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		var err error
		if parent.User, err = parseUserinfo(rest[:at], strings.HasPrefix(scheme, "socks")); err != nil {
			return nil, err
		}
		parent.Host = rest[at+1:]
	}
	return parent, checkProxyHost(parent)
}

// parseUserinfo decodes USER or USER:PASSWORD. What HTTP Basic (RFC 7617) and
// SOCKS (RFC 1929) can't carry is refused.
func parseUserinfo(s string, socks bool) (*url.Userinfo, error) {
	encodedUser, encodedPassword, _ := strings.Cut(s, ":")
	user, errUser := url.PathUnescape(encodedUser)
	password, errPassword := url.PathUnescape(encodedPassword)
	isControl := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case errUser != nil || errPassword != nil:
		return nil, errors.New("the credentials hold a % that begins no escape; write it as %25")
	case strings.ContainsFunc(user+password, isControl):
		return nil, errors.New("the credentials hold a control character")
	case !socks && strings.Contains(user, ":"):
		return nil, errors.New("the user name holds a colon, which HTTP Basic can't carry")
	case socks && (user == "" || len(user) > 255 || len(password) > 255):
		return nil, errors.New("SOCKS5 user names have 1 to 255 bytes, passwords at most 255")
	}
	return url.UserPassword(user, password), nil
}

// checkProxyHost accepts HOST or HOST:PORT, with brackets around an IPv6
// address.
func checkProxyHost(parent *url.URL) error {
	host, port := parent.Hostname(), parent.Port()
	canonical := host
	if strings.Contains(host, ":") {
		canonical = "[" + host + "]"
	}
	if port != "" {
		canonical += ":" + port
	}
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port != "" && (err != nil || number == 0):
		return errors.New("the port is not a number from 1 to 65535")
	case canonical != parent.Host:
		return errors.New("it is not HOST:PORT")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	isOther := func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, isOther) {
		return errors.New("the host is not a host name or an IP address")
	}
	return nil
}

// exemptions reads NO_PROXY by the rules of httpproxy, whose entries are
// separated by commas. White space separates too, as for curl, and an IPv6
// address may have brackets.
func exemptions(value string) func(host string, port uint16) bool {
	entries := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	for i, entry := range entries {
		if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
			entry = strings.TrimSuffix(inner, "]")
		}
		entries[i] = strings.TrimSuffix(entry, ".")
	}
	const some = "http://proxy.invalid"
	config := httpproxy.Config{HTTPProxy: some, HTTPSProxy: some, NoProxy: strings.Join(entries, ",")}
	find := config.ProxyFunc()
	return func(host string, port uint16) bool {
		found, err := find(&url.URL{Scheme: "https", Host: net.JoinHostPort(host, strconv.Itoa(int(port)))})
		return err == nil && found == nil
	}
}

// describeProxy names a proxy without its credentials.
func describeProxy(parent *url.URL) string {
	where := parent.Scheme + "://" + parent.Host
	if parent.User != nil {
		where += " (with credentials)"
	}
	return where
}

// wayOut is parentProxy for a run, and whether it leads to the proxy of a run
// around this one.
func (a *app) wayOut() (parent parentFunc, nested bool, err error) {
	if parent, err = a.parentProxy(); err != nil {
		return nil, false, err
	}
	outer := a.outer(parent)
	return parent, outer != nil, a.checkOuter(outer)
}

// outer is the proxy of a run around this one, which is our own way out and
// is to leave alone what we put on a request; nil when there is none.
func (a *app) outer(parent parentFunc) *url.URL {
	u, err := parent("authsome.invalid", 443, "https")
	if err != nil || u == nil || !net.ParseIP(u.Hostname()).IsLoopback() {
		return nil
	}
	if a.getenv("AUTHSOME_PROXY_MODE") != "true" || a.getenv(caVariable) == "" {
		return nil
	}
	return u
}

// checkOuter reports an environment that a run has left behind: whatever
// listens on its port by then is not it.
func (a *app) checkOuter(outer *url.URL) error {
	if outer == nil {
		return nil
	}
	_, err := os.Stat(a.getenv(caVariable))
	if err == nil {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", outer.Host, 5*time.Second); err == nil {
			return conn.Close()
		}
	}
	return &hinted{
		errors.New("this environment is that of a run that has ended: its proxy, the way out from here, is gone"),
		"start again from a shell outside of the run, or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (both cases) and AUTHSOME_PROXY_MODE",
	}
}
