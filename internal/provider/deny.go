package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Denial is an endpoint at the provider's own hosts where its credential is
// not used unless the user says so: its answer is another credential, which
// the client would hand on and which outlives the run, or it shows the request.
type Denial struct {
	Methods []string `json:"methods,omitempty"` // upper case; none means every method
	Path    []string `json:"path"`              // whole paths; a segment * stands for any one
	Reason  string   `json:"reason"`            // what the endpoint does, for the user
}

// denied is one path of a Denial, folded.
type denied struct {
	*Denial
	path []string
}

// denials returns the paths of d.Deny, from the root of a host and from where
// the installation is.
func (d *Definition) denials() []denied {
	var base []string
	if u, err := url.Parse(d.BaseURL); err == nil {
		base = foldSegments(u.EscapedPath(), false)
	}
	var all []denied
	for i := range d.Deny {
		for _, path := range d.Deny[i].Path {
			segments := foldSegments(path, false)
			all = append(all, denied{&d.Deny[i], segments})
			if len(base) > 0 {
				all = append(all, denied{&d.Deny[i], slices.Concat(base, segments)})
			}
		}
	}
	return all
}

// Denied returns why the definition denies a request, or "". methods are all
// that some server could take for the request's method, in any case. The
// path is denied in every spelling that some server could take for the
// endpoint's: see AuthEndpoint; an encoded slash is read both ways, and a
// format's ending (.json) counts for nothing.
func (d *Definition) Denied(methods []string, rawPath string) string {
	if len(d.denied) == 0 {
		return ""
	}
	split := foldSegments(rawPath, false)
	kept := split
	if strings.Contains(rawPath, "%") {
		kept = foldSegments(rawPath, true)
	}
	for _, denial := range d.denied {
		if denial.takes(methods) && (isPath(denial.path, split) || isPath(denial.path, kept)) {
			return denial.Reason
		}
	}
	return ""
}

func (d *Denial) takes(methods []string) bool {
	return len(d.Methods) == 0 || slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(d.Methods, strings.ToUpper(m)) })
}

func isPath(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i, want := range pattern {
		if want != "*" && want != path[i] && (i < len(path)-1 || want != cutFormat(path[i])) {
			return false
		}
	}
	return true
}

// cutFormat removes the ending by which some frameworks choose a format.
func cutFormat(segment string) string {
	for _, format := range []string{".json", ".xml", ".txt"} {
		segment = strings.TrimSuffix(segment, format)
	}
	return segment
}

// checkDeny reports denials that could never apply.
func (b *builder) checkDeny() {
	for i, denial := range b.Deny {
		at := "/deny/" + strconv.Itoa(i)
		for n, method := range denial.Methods {
			if !isMethod(method) {
				b.report(at+"/methods/"+strconv.Itoa(n), fmt.Errorf("%s is not a method in capital letters", quote(method)))
			}
		}
		for n, path := range denial.Path {
			b.check(at+"/path/"+strconv.Itoa(n), checkDenyPath(path))
		}
		b.check(at+"/reason", checkTitle(denial.Reason))
	}
}

func isMethod(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' })
}

func checkDenyPath(path string) error {
	plain := strings.ReplaceAll(path, "/*", "/x")
	if read, ok := readPath(plain); !ok || read.decoded != plain || len(plain) < 2 || strings.ContainsAny(plain, "%?#*") || strings.HasSuffix(plain, "/") {
		return errors.New("is not a path in normal form: /segment/*/segment, where * is a whole segment")
	}
	return nil
}
