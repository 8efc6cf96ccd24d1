package inject_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"authsome/internal/inject"
)

func bodyInjection(t testing.TB) []inject.Injection {
	t.Helper()
	injection, err := inject.Compile(inject.Spec{Kind: "body", Name: "secret", Value: "{api_key}"})
	if err != nil {
		t.Fatal(err)
	}
	return []inject.Injection{injection}
}

// endless is a body that says how much of it was read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }
func (e *endless) Close() error               { return nil }

// TestReadBody: what no injection looks into stays a stream, what is too long
// or breaks off is refused.
func TestReadBody(t *testing.T) {
	request := func(media string, body io.ReadCloser) *http.Request {
		return &http.Request{Header: http.Header{"Content-Type": {media}, "Expect": {"100-continue"}}, Body: body, ContentLength: -1}
	}
	stream := &endless{}
	for _, media := range []string{"application/octet-stream", "multipart/form-data; boundary=x", "", "text/json/x"} {
		if err := inject.ReadBody(bodyInjection(t), request(media, stream)); err != nil || stream.read != 0 {
			t.Errorf("%s: %v, %d bytes were read", media, err, stream.read)
		}
	}
	compressed := request("application/json", stream)
	compressed.Header["Content-Encoding"] = []string{"gzip"}
	if err := inject.ReadBody(bodyInjection(t), compressed); err != nil || stream.read != 0 {
		t.Errorf("compressed: %v, %d bytes were read", err, stream.read)
	}
	if err := inject.ReadBody(bodyInjection(t), request("application/json", stream)); !errors.Is(err, inject.ErrBody) || stream.read > 4*inject.MaxBody {
		t.Errorf("endless: %v, %d bytes were read", err, stream.read)
	}
	broken := request("application/json", io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{})))
	if err := inject.ReadBody(bodyInjection(t), broken); !errors.Is(err, inject.ErrBody) {
		t.Errorf("broken: %v", err)
	}
	whole := request("application/json", io.NopCloser(bytes.NewReader(make([]byte, inject.MaxBody))))
	if err := inject.ReadBody(bodyInjection(t), whole); err != nil || whole.Header["Expect"] != nil || whole.ContentLength != -1 {
		t.Errorf("whole: %v, %v, length %d", err, whole.Header, whole.ContentLength)
	}
}

// TestUndo: path and body are as the client sent them, ready for another
// credential.
func TestUndo(t *testing.T) {
	all := bodyInjection(t)
	path, err := inject.Compile(inject.Spec{Kind: "path", Value: "bot{api_key}"})
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, path)
	sent := vector{Path: "/bot" + inject.Placeholder + "/a%2Fb", Body: `{"secret":"` + inject.Placeholder + `"}`, Header: http.Header{"Content-Type": {"application/json"}}}
	r := sent.request()
	for _, key := range []string{"first", "second"} {
		if err := inject.ReadBody(all, r); err != nil {
			t.Fatal(err)
		}
		applied, err := inject.ApplyAll(all, r, vector{Fields: map[string]string{"api_key": key}}.credential(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if want := `{"secret":"` + key + `"}`; err != nil || string(body) != want || r.ContentLength != int64(len(want)) || r.URL.EscapedPath() != "/bot"+key+"/a%2Fb" {
			t.Errorf("%s: %q, %s, %v", key, body, r.URL.EscapedPath(), err)
		}
		applied.Undo(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != sent.Body || r.URL.EscapedPath() != sent.Path || r.ContentLength != int64(len(sent.Body)) {
		t.Errorf("undone: %q, %s, %v", body, r.URL.EscapedPath(), err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// FuzzBody: whatever the body is, what is not the placeholder's value stays,
// and the secret is there as often as the place was.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"secret":"authsome-proxy-managed"}`, `secret=authsome-proxy-managed&a=1`, `{"secret":"authsome-proxy-managed","secret":1e999,"a":[{}]}`, `[`, ``} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, form bool) {
		r := vector{Body: body, Header: http.Header{"Content-Type": {"application/json"}}}.request()
		if form {
			r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		}
		injection := bodyInjection(t)
		if err := inject.ReadBody(injection, r); err != nil {
			t.Fatal(err)
		}
		places := len(injection[0].Sent(r))
		if _, err := injection[0].Apply(r, vector{Fields: map[string]string{"api_key": "C4NARY"}}.credential()); err != nil {
			t.Fatal(err)
		}
		after, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(after)) {
			t.Fatalf("length %d of %q: %v", r.ContentLength, after, err)
		}
		if got := strings.Count(string(after), "C4NARY") - strings.Count(body, "C4NARY"); got != places {
			t.Errorf("%d places, %d secrets: %q became %q", places, got, body, after)
		}
		if places == 0 && string(after) != body {
			t.Errorf("%q became %q", body, after)
		}
		if len(injection[0].Sent(r)) != 0 {
			t.Errorf("a place is left in %q", after)
		}
	})
}
