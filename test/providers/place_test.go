package providers_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"authsome/internal/inject"
	"authsome/internal/provider"
	"authsome/test/lab"
)

// call is a request to a host of the rule, with the placeholder where the
// provider's clients put their key.
func (a *account) call(rule provider.Rule) call {
	c := call{URL: "https://" + sample(rule) + samplePath(rule) + "/" + a.def.Name + "/~", Header: http.Header{}}
	query, body := url.Values{}, map[string]string{}
	for _, injection := range a.def.InjectAt(rule) {
		place := placeOf(injection.Spec(), func(string) string { return inject.Placeholder })
		switch place.kind {
		case "path":
			c.URL += "/" + place.value
		case "query":
			query.Set(place.name, place.value)
		case "body":
			body[place.name] = place.value
		case "header":
			c.Header.Set(place.name, place.value)
		case "sigv4":
			c.Header.Set("X-Amz-Date", signedAt)
			c.Header.Set("Authorization", awsSignature(c.URL, inject.KeyIDPlaceholder, inject.Placeholder))
		case "hmac":
			if place.sign.In == "query" {
				query.Set(place.name, "0123")
			}
		}
	}
	if len(query) > 0 {
		c.URL += "?" + query.Encode()
	}
	if len(body) > 0 {
		data, _ := json.Marshal(body)
		c.Body = string(data)
		c.Header.Set("Content-Type", "application/json")
	}
	return c
}

// check compares one request with the definition.
func (a *account) check(t *testing.T, rule provider.Rule, r lab.Record) {
	t.Helper()
	all := string(r.Raw) + string(r.Body)
	want := map[string]int{}
	for _, injection := range a.def.InjectAt(rule) {
		if injection.WebSocketOnly() {
			continue
		}
		place := placeOf(injection.Spec(), func(field string) string { return a.fields[field] })
		if place.kind == "hmac" {
			place.value = a.signature(*place.sign, r)
		}
		if place.kind == "sigv4" {
			place.value = awsSignature("https://"+r.Host+r.Target, a.fields["access_key_id"], a.fields["secret_access_key"])
			want[a.fields["session_token"]] = 1
			if got := r.Get("X-Amz-Security-Token"); got != a.fields["session_token"] {
				t.Errorf("%s %s: the session token is not there", a.def.Name, rule)
			}
		}
		if got := place.read(r); !slices.Equal(got, []string{place.value}) {
			t.Errorf("%s %s: %s has %q", a.def.Name, rule, place.name, a.hide(strings.Join(got, ", ")))
		}
		for _, field := range a.def.Fields() {
			want[a.fields[field]] += strings.Count(place.value, a.fields[field])
		}
	}
	for secret, n := range want {
		if got := strings.Count(all, secret); got != n {
			t.Errorf("%s %s: a secret is there %d times, not %d", a.def.Name, rule, got, n)
		}
	}
	if strings.Contains(all, inject.Placeholder) {
		t.Errorf("%s %s: the placeholder was sent on", a.def.Name, rule)
	}
	a.calls++
}

func (a *account) hide(s string) string {
	for field, secret := range a.fields {
		s = strings.ReplaceAll(s, secret, strings.ToUpper(field))
	}
	return s
}

// sample is a host that a rule matches.
func sample(rule provider.Rule) string {
	if rule.Kind == provider.Wildcard {
		return "us21." + rule.Host
	}
	if rule.Kind == provider.Regex {
		tree, err := syntax.Parse(rule.Host, syntax.Perl)
		if err != nil {
			panic(err) // it was parsed before
		}
		return shortest(tree, 0)
	}
	return rule.Host
}

// samplePath is a path that a rule matches.
func samplePath(rule provider.Rule) string {
	return strings.NewReplacer("/**", "/group/subgroup", "/*", "/owner").Replace(rule.Path)
}

// place is where a kind of injection puts its value.
type place struct {
	kind, name, value string // kind is header for all that go there
	sign              *inject.Signing
}

// placeOf says what comes of a Spec, written out here once more: the table is
// about what the vendor documents, not about the code that does it.
func placeOf(s inject.Spec, field func(string) string) place {
	fill := func(template string) string { return fillIn(template, field) }
	switch s.Kind {
	case "header":
		return place{kind: "header", name: s.Name, value: fill(s.Value)}
	case "basic":
		pair := fill(s.Username) + ":" + fill(s.Password)
		return place{kind: "header", name: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
	case "cookie":
		return place{kind: "header", name: "Cookie", value: s.Name + "=" + fill(s.Value)}
	case "query", "body", "path":
		return place{kind: s.Kind, name: s.Name, value: fill(s.Value)}
	case "hmac":
		return place{kind: s.Kind, name: s.Name, sign: s.Sign}
	case "sigv4":
		return place{kind: s.Kind, name: "Authorization"}
	}
	return place{} // for websockets only
}

func fillIn(template string, value func(string) string) string {
	before, rest, found := strings.Cut(template, "{")
	if !found {
		return template
	}
	name, rest, _ := strings.Cut(rest, "}")
	filled := value(strings.TrimPrefix(name, "base64:"))
	if strings.HasPrefix(name, "base64:") {
		filled = base64.StdEncoding.EncodeToString([]byte(filled))
	}
	return before + filled + fillIn(rest, value)
}

// read returns what a request has at the place.
func (p place) read(r lab.Record) []string {
	target, query, _ := strings.Cut(r.Target, "?")
	switch {
	case p.kind == "path":
		var found []string
		for segment := range strings.SplitSeq(target, "/") {
			if segment == p.value {
				found = append(found, segment)
			}
		}
		return found
	case p.kind == "body":
		var body map[string]string
		_ = json.Unmarshal(r.Body, &body)
		return []string{body[p.name]}
	case p.kind == "query" || p.kind == "hmac" && p.sign.In == "query":
		var values []string
		for pair := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(pair, "="); name == p.name {
				values = append(values, value)
			}
		}
		return values
	}
	return r.Values(p.name)
}

// signature is that of a request, as the vendor's server reckons it.
func (a *account) signature(s inject.Signing, r lab.Record) string {
	path, query, _ := strings.Cut(r.Target, "?")
	if s.In == "query" {
		query = query[:max(0, strings.LastIndex("&"+query, "&signature=")-1)]
	}
	digest := sha512.Sum512(r.Body)
	message := fillIn(s.Message, func(name string) string {
		switch name {
		case "timestamp":
			return r.Get(s.Timestamp)
		case "method":
			return r.Method
		case "path":
			return path
		case "query":
			return query
		case "target":
			return r.Target
		case "body":
			return string(r.Body)
		case "body_sha512":
			return hex.EncodeToString(digest[:])
		}
		return a.fields[name]
	})
	key := []byte(a.fields["signing_key"])
	if s.KeyEncoding == "base64" {
		key, _ = base64.StdEncoding.DecodeString(a.fields["signing_key"])
	}
	mac := hmac.New(map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New}[s.Algorithm], key)
	mac.Write([]byte(message))
	if s.Encoding == "hex" {
		return hex.EncodeToString(mac.Sum(nil))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
