package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server answers for S3 and STS, as little of them as the clients need.
type server struct {
	keys map[string]keyPair // by access key ID

	mu      sync.Mutex
	objects map[string][]byte         // by host and path
	parts   map[string]map[int][]byte // of uploads under way, by the same
}

type keyPair struct{ secret, token string }

// stand serves until standard input ends. Its keys are in STAND_KEYS, lines of
// "ID SECRET [TOKEN]". It prints its address.
func stand() error {
	s := &server{keys: map[string]keyPair{}, objects: map[string][]byte{}, parts: map[string]map[int][]byte{}}
	for line := range strings.Lines(os.Getenv("STAND_KEYS")) {
		words := append(strings.Fields(line), "", "")
		s.keys[words[0]] = keyPair{words[1], words[2]}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, s)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, err := s.verify(r)
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%s</Message></Error>", xmlText(err.Error()))
		return
	}
	w.Header().Set("Stand-Verified", v.how)
	if strings.HasPrefix(r.Host, "sts.") {
		s.sts(w, v)
		return
	}
	s.s3(w, r, v.body)
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func (s *server) sts(w http.ResponseWriter, v *verified) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/%s</Arn><UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`, s.nameOf(v.keyID))
}

// nameOf is a user's name that does not show the key.
func (s *server) nameOf(id string) string {
	var ids []string
	for known := range s.keys {
		ids = append(ids, known)
	}
	sort.Strings(ids)
	return "user" + strconv.Itoa(sort.SearchStrings(ids, id))
}

func (s *server) s3(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, query := r.Host+r.URL.EscapedPath(), r.URL.Query()
	if r.Method != "GET" && r.Method != "HEAD" {
		w.Header().Set("ETag", `"`+etag(body)+`"`)
	}
	switch {
	case r.Method == "POST" && query.Has("uploads"):
		s.parts[name] = map[int][]byte{}
		fmt.Fprint(w, `<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key><UploadId>upload</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == "PUT" && query.Has("partNumber"):
		n, _ := strconv.Atoi(query.Get("partNumber"))
		if s.parts[name] == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		s.parts[name][n] = body
	case r.Method == "POST" && query.Has("uploadId"):
		var whole []byte
		for n := 1; n <= len(s.parts[name]); n++ {
			whole = append(whole, s.parts[name][n]...)
		}
		s.objects[name] = whole
		fmt.Fprint(w, `<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == "PUT":
		s.objects[name] = body
	case r.Method == "GET" || r.Method == "HEAD":
		object, ok := s.objects[name]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		http.ServeContent(w, r, "", time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), bytes.NewReader(object))
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}
