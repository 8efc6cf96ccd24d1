package audit

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxField   = 1 << 10 // bytes of one field as encoded
	cut        = "…"     // ends a field that was longer
	lineStart  = `{"time":"`
	timeFormat = "2006-01-02T15:04:05.000000Z"
	hexDigits  = "0123456789abcdef"
)

// MarshalJSON returns e as it stands in the log: nothing but printable
// characters, the rest escaped, fields cut at 1 KiB.
func (e Entry) MarshalJSON() ([]byte, error) { return appendEntry(nil, e), nil }

func appendEntry(dst []byte, e Entry) []byte {
	dst = append(dst, lineStart...)
	dst = e.Time.UTC().Truncate(time.Microsecond).AppendFormat(dst, timeFormat)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, e.Seq, 10)
	dst = append(dst, `,"run":"`...)
	dst = appendText(dst, e.Run)
	dst = append(dst, `","event":"`...)
	dst = appendText(dst, e.Event)
	dst = append(dst, '"')
	dst = appendNumber(dst, `,"id":`, e.ID)
	dst = appendField(dst, `,"profile":"`, e.Profile)
	dst = appendField(dst, `,"provider":"`, e.Provider)
	dst = appendField(dst, `,"connection":"`, e.Connection)
	dst = appendField(dst, `,"host":"`, e.Host)
	dst = appendField(dst, `,"method":"`, e.Method)
	dst = appendField(dst, `,"path":"`, e.Path)
	dst = appendNumber(dst, `,"status":`, uint64(max(e.Status, 0)))
	dst = appendField(dst, `,"decision":"`, e.Decision)
	dst = appendField(dst, `,"reason":"`, e.Reason)
	dst = appendField(dst, `,"detail":"`, e.Detail)
	return append(dst, '}')
}

func appendNumber(dst []byte, key string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, key...), n, 10)
}

func appendField(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return append(appendText(append(dst, key...), value), '"')
}

// appendText appends s escaped for a JSON string. Beyond what JSON asks for,
// everything that does not print is escaped: C1 controls, bidirectional and
// zero-width characters, line separators.
func appendText(dst []byte, s string) []byte {
	limit := len(dst) + maxField - len(cut)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		before := len(dst)
		dst = appendRune(dst, r)
		if len(dst) > limit {
			return append(dst[:before], cut...)
		}
		i += n
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case ' ' <= r && r <= '~':
		return append(dst, byte(r))
	case r >= utf8.RuneSelf && unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, high), low)
	}
	return appendUnit(dst, r)
}

// appendUnit appends \uXXXX for one UTF-16 code unit.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u',
		hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

func withoutUserinfo(host string) string {
	return host[strings.LastIndexByte(host, '@')+1:]
}

// withoutQuery reduces a request target to its path. A target in absolute form
// loses its authority too, which could hold userinfo.
func withoutQuery(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	if strings.HasPrefix(target, "/") {
		return target
	}
	if _, rest, ok := strings.Cut(target, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		return "/" + path
	}
	return withoutUserinfo(target)
}
