package lab

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Route is what the parent proxy does with a request for a host.
type Route int

// Routes.
const (
	Forward Route = iota // to the upstream
	Refuse               // answer 403
	Hang                 // take the request and never answer
	Drop                 // close the connection without an answer
)

// A Connect is one request to the parent proxy: a CONNECT, or one in absolute
// form for plain http.
type Connect struct {
	Time          time.Time
	Method        string
	Target        string // host:port, or the absolute form
	Authorization string // Proxy-Authorization
	Fields        []Field
	Status        int // answered: 200 for a tunnel or forwarded, 403, 407, 0 for none
}

// A parent is the proxy between authsome and the world.
type parent struct {
	lab         *Lab
	ln          net.Listener
	connections connections

	mu     sync.Mutex // guards what follows
	routes map[string]Route
	leads  map[string]string // host:port by name
	user   *url.Userinfo
}

func newParent(l *Lab) (*parent, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &parent{lab: l, ln: ln, routes: map[string]Route{}, leads: map[string]string{}}
	p.connections.serve(ln, p.handle)
	return p, nil
}

func (p *parent) close() {
	_ = p.ln.Close()
	p.connections.close()
}

// Route sets what the parent proxy does with requests for the host.
func (l *Lab) Route(name string, route Route) {
	l.parent.mu.Lock()
	defer l.parent.mu.Unlock()
	l.parent.routes[strings.ToLower(name)] = route
}

// Lead makes the parent proxy connect to address, host:port of a server that is
// not the lab's, when it is asked for a tunnel to the host.
func (l *Lab) Lead(name, address string) {
	l.parent.mu.Lock()
	defer l.parent.mu.Unlock()
	l.parent.leads[strings.ToLower(name)] = address
}

// RequireProxyAuth makes the parent proxy ask for these credentials, which are
// part of Proxy and Env from then on.
func (l *Lab) RequireProxyAuth(user, password string) {
	l.parent.mu.Lock()
	defer l.parent.mu.Unlock()
	l.parent.user = url.UserPassword(user, password)
}

func (p *parent) userinfo() *url.Userinfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.user
}

func (p *parent) route(name string) Route {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.routes[strings.ToLower(name)]
}

// lead returns where tunnels to the host end: at ln, unless Lead said otherwise.
func (p *parent) lead(name string, ln net.Listener) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address, ok := p.leads[strings.ToLower(name)]; ok {
		return address
	}
	return ln.Addr().String()
}

func (p *parent) authorized(value string) bool {
	user := p.userinfo()
	if user == nil {
		return true
	}
	password, _ := user.Password()
	return value == "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

func (p *parent) handle(conn net.Conn) {
	br := bufio.NewReader(conn)
	head, err := readHead(br)
	if err != nil {
		return
	}
	var r Record
	r.parseHead(head)
	c := Connect{
		Time: time.Now(), Method: r.Method, Target: r.Target, Authorization: r.Get("Proxy-Authorization"), Fields: r.Fields,
	}
	address, name, err := p.destination(r)
	route := p.route(name)
	switch {
	case err != nil:
		p.refuse(conn, c, 400, err.Error(), "")
	case !p.authorized(c.Authorization):
		p.refuse(conn, c, 407, "Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"lab\"\r\n")
	case route == Refuse:
		p.refuse(conn, c, 403, "Forbidden", "")
	case route == Hang:
		p.record(c)
		_, _ = io.Copy(io.Discard, br)
	case route == Drop:
		p.record(c)
	default:
		c.Status = 200
		p.record(c)
		p.forward(conn, br, address, head, c)
	}
}

// readHead reads an HTTP/1 head as it is.
func readHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for len(head) < maxBody {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return head, nil
		}
	}
	return nil, fmt.Errorf("head over %d bytes", maxBody)
}

// destination returns where a request goes: the plain upstream for http and
// for port 80, the TLS upstream or what Lead said for every other CONNECT.
func (p *parent) destination(r Record) (address, name string, err error) {
	up := p.lab.upstream
	if r.Method != "CONNECT" {
		u, err := url.Parse(r.Target)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return "", "", fmt.Errorf("not for a proxy: %q", r.Target)
		}
		return up.http.Addr().String(), u.Hostname(), nil
	}
	name, port, err := net.SplitHostPort(r.Target)
	if err != nil {
		return "", "", fmt.Errorf("connect target %q has no port", r.Target)
	}
	if port == "80" {
		return up.http.Addr().String(), name, nil
	}
	return p.lead(name, up.https), name, nil
}

func (p *parent) refuse(conn net.Conn, c Connect, status int, reason, fields string) {
	c.Status = status
	p.record(c)
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
		status, strings.Map(printable, reason), fields)
}

func printable(r rune) rune {
	if r < ' ' {
		return -1
	}
	return r
}

func (p *parent) record(c Connect) {
	p.lab.update(func() { p.lab.connects = append(p.lab.connects, c) })
}

// forward connects to the upstream and copies bytes. A request in absolute
// form goes on as it is, so that the record shows what authsome sent.
func (p *parent) forward(conn net.Conn, br *bufio.Reader, address string, head []byte, c Connect) {
	via := ""
	if c.Method == "CONNECT" {
		via = c.Target
	}
	up, err := p.lab.upstream.dial(address, via)
	if err != nil || !p.connections.add(up) {
		return
	}
	defer p.connections.remove(up)
	if via == "" {
		_, err = up.Write(head)
	} else {
		_, err = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	}
	if err != nil {
		return
	}
	splice(conn, br, up)
}

// splice copies both ways until both ends have ended.
func splice(conn net.Conn, br *bufio.Reader, up net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(up, br)
		_ = up.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(conn, up)
	_ = conn.(*net.TCPConn).CloseWrite()
	wg.Wait()
}
