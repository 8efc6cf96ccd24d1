package proxy

import (
	"bufio"
	"context"
	"net/http"
	"strings"
)

// Destination returns where a request to an http or https URL goes. The error
// is the *Refusal that a client gets for one that can't be understood.
func Destination(rawURL string) (scheme, host string, port uint16, err error) {
	t, to, err := destination(rawURL)
	return t.scheme, to.host, to.port, err
}

func destination(rawURL string) (target, authority, error) {
	t, err := parseTarget(rawURL)
	if err == nil && t.scheme == "" {
		err = bad("not an http or https URL")
	}
	if err != nil {
		return target{}, authority{}, badRefusal(err)
	}
	to, err := parseAuthority(t.authority, defaultPort(t.scheme))
	if err != nil {
		return target{}, authority{}, badRefusal(err)
	}
	return t, to, nil
}

// Preview returns the request that Authorize would be asked about for a client
// that sends method and these lines ("Name: value") to a URL. The error is the
// *Refusal that the client would get before that.
func Preview(ctx context.Context, method, rawURL string, lines []string) (*http.Request, error) {
	t, to, err := destination(rawURL)
	if err != nil {
		return nil, err
	}
	head := method + " " + rawURL + " HTTP/1.1\r\nHost: " + to.field(t.scheme) + "\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	r, _, err := readHead(ctx, bufio.NewReaderSize(strings.NewReader(head+"\r\n"), maxLine))
	if err != nil {
		return nil, badRefusal(err)
	}
	x := exchange{to: to, scheme: t.scheme, target: t}
	if err := x.check(r); err != nil {
		return nil, badRefusal(err)
	}
	return x.outgoing(r), nil
}

// Interceptable reports whether a host that is claimed is intercepted: a name
// with an underscore is no host name, and never is.
func Interceptable(host string) bool { return !strings.Contains(host, "_") }
