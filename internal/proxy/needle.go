package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
)

const (
	// minNeedle is the shortest string that is looked for: shorter ones turn
	// up by chance.
	minNeedle = 8
	// wideSecret is the longest secret whose spellings with every character
	// escaped are looked for: they are up to six times as long, and all of a
	// spelling must fit into memory.
	wideSecret = 512
)

// needles returns every spelling of secrets that is looked for, sorted. Of a
// string that holds another of them, as "Bearer x" does, only the string
// itself is: its other spellings hold spellings of the other.
func needles(secrets []string) [][]byte {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < minNeedle })
	var all []string
	for _, s := range secrets {
		all = append(all, s)
		if !slices.ContainsFunc(secrets, func(inner string) bool { return inner != s && strings.Contains(s, inner) }) {
			all = append(all, spellings(s)...)
		}
	}
	slices.Sort(all)
	var found [][]byte
	for _, s := range slices.Compact(all) {
		if len(s) >= minNeedle {
			found = append(found, []byte(s))
		}
	}
	return found
}

// spellings are what software makes of s when it puts it into something else.
func spellings(s string) []string {
	all := slices.Concat(percentSpellings(s), jsonSpellings(s), htmlSpellings(s), base64Spellings(s))
	all = append(all, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))))
	all = append(all, strings.ReplaceAll(s, "=", "=3D")) // quoted-printable
	if len(s) <= wideSecret {
		all = append(all, strings.TrimSuffix(each(s, "%c\x00"), "\x00")) // UTF-16 in either order
		for _, format := range []string{"%%%02x", "%%%02X", `\u%04x`, `\u%04X`, `\x%02x`, "&#%d;", "&#x%x;", "&#x%X;"} {
			all = append(all, each(s, format))
		}
	}
	return all
}

// each formats every byte of s.
func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

// percentSpellings are s in queries, forms and paths, as net/url, RFC 3986
// and JavaScript see it, once and twice, with either case of digits.
func percentSpellings(s string) []string {
	query, path := url.QueryEscape(s), url.PathEscape(s)
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(query)
	var spelled []string
	for _, once := range []string{query, path, component, strings.ReplaceAll(query, "+", "%20")} {
		for _, escaped := range []string{once, lowerEscapes(once)} {
			spelled = append(spelled, escaped, strings.ReplaceAll(escaped, "%", "%25"))
		}
	}
	return spelled
}

// lowerEscapes spells %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// escapers are what JSON encoders escape beyond need: what means something to
// HTML, as Go, Gson and .NET see it.
var escapers = []*strings.Replacer{
	strings.NewReplacer(),
	strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`),
	strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "=", `\u003d`, "'", `\u0027`),
	strings.NewReplacer("<", `\u003C`, ">", `\u003E`, "&", `\u0026`, "'", `\u0027`, "+", `\u002B`, "`", `\u0060`, `\"`, `\u0022`),
}

// jsonSpellings are s in a JSON string, and in one inside another.
func jsonSpellings(s string) []string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(s) != nil {
		return nil
	}
	quoted := strings.TrimSpace(b.String())
	var spelled []string
	for _, escaper := range escapers {
		plain := escaper.Replace(quoted[1 : len(quoted)-1])
		for _, once := range []string{plain, strings.ReplaceAll(plain, "/", `\/`)} {
			spelled = append(spelled, once, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(once))
		}
	}
	return spelled
}

// htmlSpellings are s in HTML and XML, as Go, Python, JavaScript and PHP
// write it.
func htmlSpellings(s string) []string {
	named := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
	all := []string{html.EscapeString(s), named.Replace(s)}
	for _, apostrophe := range []string{"&#39;", "&#x27;", "&#039;", "&apos;"} {
		all = append(all, strings.ReplaceAll(named.Replace(s), "'", apostrophe))
	}
	return append(all, strings.NewReplacer("'", "&#39;", "/", "&#x2F;", "=", "&#x3D;", "`", "&#x60;").Replace(named.Replace(s)))
}

// base64Spellings are the characters of a base64 text that depend on s alone,
// when s begins at byte 0, 1 or 2 of a group of three.
func base64Spellings(s string) []string {
	var spelled []string
	for offset, skip := range []int{0, 2, 3} {
		text := append(make([]byte, offset), s...)
		whole := len(text) * 8 / 6
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			inner := encoding.EncodeToString(text)[skip:whole]
			spelled = append(spelled, inner, url.QueryEscape(inner))
		}
	}
	return spelled
}
