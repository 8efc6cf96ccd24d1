package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
)

// AllowsOrigin reports whether a websocket handshake to host with these Origin
// fields may have the credential (RFC 6455 section 10.2). A browser names the
// page there, and no page of a foreign site may: the answer to a websocket,
// unlike any other, can be read by whoever opens it. Allowed is no Origin at
// all, as most programs send it; the host itself; an https page of the same
// registrable domain; one of Origins; and an origin that no page from the web
// or from a file has, as vscode-webview: or chrome-extension:.
func (d *Definition) AllowsOrigin(host string, origins []string) bool {
	if len(origins) != 1 {
		return len(origins) == 0
	}
	if slices.Contains(d.Origins, origins[0]) {
		return true
	}
	u, err := url.Parse(origins[0])
	if err != nil || u.Scheme == "" || u.User != nil {
		return false
	}
	page, named := canonicalHost(u.Hostname())
	own, ok := canonicalHost(host)
	sameHost := named && ok && page == own
	switch u.Scheme {
	case "https":
		return sameHost || named && ok && registrable(own) != "" && registrable(page) == registrable(own)
	case "http":
		return sameHost
	case "file", "data", "blob", "about", "javascript":
		return false
	}
	return true
}

// origins checks the origins that a definition admits.
func (b *builder) origins() []string {
	for i, origin := range b.Origins {
		u, err := parseHTTPS(origin)
		if err == nil && (u.Path != "" || u.RawQuery != "") {
			err = errors.New("an origin has no path")
		}
		if err == nil && "https://"+u.Host != origin {
			err = fmt.Errorf("an origin is written as browsers send it: %s", quote("https://"+u.Host))
		}
		b.check("/websocket_origins/"+strconv.Itoa(i), err)
	}
	return b.Origins
}
