package cli

import (
	"cmp"
	"fmt"
	"net/http"

	"authsome/internal/broker"
	"authsome/internal/child"
	"authsome/internal/inject"
	"authsome/internal/proxy"
)

// warnOnce says a thing once in a run: at once, or at its end where a program
// has the terminal's screen for itself.
func (s *stage) warnOnce(key, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warned[key] {
		return
	}
	s.warned[key] = true
	if child.IsRaw(s.app.sys.Stderr) {
		s.held = append(s.held, fmt.Sprintf(format, args...))
		return
	}
	s.app.warn(format, args...)
}

// tellHeld says what had to wait for the end of the run.
func (s *stage) tellHeld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.held {
		s.app.warn("%s", text)
	}
	s.held = nil
}

// untrusted tells of a client that does not accept the run's certificate.
func (s *stage) untrusted(e proxy.Event) {
	command := "COMMAND"
	if e.Client != "" {
		command = e.Client
	}
	s.warnOnce("untrusted "+e.Host+" "+e.Client,
		"%s does not accept this run's certificate for %s (%s): it pins another one or has a trust store of its own. `authsome doctor -- %s` says what it needs; `authsome export` works without the proxy",
		cmp.Or(e.Client, "a client"), e.Host, e.Reason, command)
}

// claims is the session's word, and notes that somebody asked.
func (s *stage) claims(host string, port uint16) bool {
	s.asked.Store(true)
	return s.session.Claims(host, port)
}

// passed looks for a placeholder in a request that goes on as it is.
func (s *stage) passed(host string, r *http.Request) {
	s.asked.Store(true)
	if carriesPlaceholder(r.RequestURI, r.Header) {
		s.warnOnce("placeholder "+host, "a placeholder went to %s as it is: no connected provider claims that address over https, so no credential goes there. `authsome list` shows what is connected", host)
	}
}

// carriesPlaceholder reports whether the placeholder stands in a field or in
// the target of a request. Bodies are not looked at.
func carriesPlaceholder(target string, header http.Header) bool {
	if inject.HasPlaceholder(target) {
		return true
	}
	for _, values := range header {
		for _, value := range values {
			if inject.HasPlaceholder(value) {
				return true
			}
		}
	}
	return false
}

// noticing is the use's Done, and tells when the API did not take the
// credential.
func (s *stage) noticing(host string, use broker.Use) func(int, error) {
	done, provider, connection := use.Done, use.Provider, use.Connection // the rest need not live as long
	return func(status int, err error) {
		if done != nil {
			done(status, err)
		}
		if status == http.StatusUnauthorized {
			s.unauthorized(host, provider, connection)
		}
	}
}

// unauthorized tells of a credential that an API did not take.
func (s *stage) unauthorized(host, provider, connection string) {
	s.warnOnce("unauthorized "+host+" "+provider+"/"+connection,
		"%s answered 401 to the credential of %s/%s: it is revoked, or another account's. `authsome get %s --connection %s` shows whose it is, `authsome login %s --connection %s --force` replaces it",
		host, provider, connection, provider, connection, provider, connection)
}

// idle tells of a command that never came to the proxy: in the debug log, for
// most that do not have no need to, and the user when it failed and is of a
// kind that may go around.
func (s *stage) idle(path, name string, code int) {
	if s.asked.Load() {
		return
	}
	s.app.log.Debug("the command made no connection through the proxy", "see", "authsome doctor -- "+name)
	if code != 0 && child.Recognize(path).Direct {
		s.app.notice("authsome: %s ended with %d and came with no request to this run's proxy: it may go around. `authsome doctor -- %s` says what it needs", name, code, name)
	}
}
