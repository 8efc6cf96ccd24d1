//go:build linux

package pages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A plan is what Chromium is to do.
type plan struct {
	URL      string `json:"url"` // of the first page
	Proxy    string `json:"proxy"`
	Profile  string `json:"profile"`  // folder of what the browser keeps
	Pictures string `json:"pictures"` // folder
	Steps    []step `json:"steps"`
}

// A step is one thing the human does.
type step struct {
	Action   string `json:"action"`
	Argument string `json:"argument"`
}

func look(name string) step   { return step{"look", name} }  // at desktop and phone size, and take pictures
func study(name string) step  { return step{"study", name} } // look in light and dark mode
func typed(text string) step  { return step{"type", text} }  // where the focus is
func key(name string) step    { return step{"key", name} }   // that leads to a page
func button(name string) step { return step{"button", name} }
func link(name string) step   { return step{"link", name} }
func attack() step            { return step{"attack", ""} } // from within the page
func reload() step            { return step{"reload", ""} }

// A report is what Chromium saw.
type report struct {
	Answers  []answer
	Requests []string // addresses, without those of an attack
	History  []string // addresses the way back leads to
	Looks    map[string]view
	Policy   *struct { // what came of the attack
		Ran     bool     // a script
		Refused []string // directive of the Content-Security-Policy, for each attempt that broke one
	}
}

// An answer is an HTTP response.
type answer struct {
	URL     string
	Status  int
	Headers map[string]string
	Body    string
	At      time.Time // the header came
}

// A view is a page at a step look or study.
type view struct {
	Lang, Title, Text, Source, URL string
	Headings                       []string // h1
	Focus                          string   // id of the element
	Label, Type, Value, Invalid    string   // of the field
	Alerts                         []string
	Unnamed                        []string // fields and buttons without a name
	Dangling                       []string // ids in aria-describedby that do not exist
	Wide                           []string // sizes in which it has to be scrolled sideways
	Elements                       []string // names
	Scripted                       bool     // an element has an on… attribute
}

// drive runs Chromium from a page on.
func (w *world) drive(t *testing.T, url string, steps ...step) report {
	t.Helper()
	p := plan{url, w.Proxy(), filepath.Join(w.Dir(), "profile"), w.pictures, steps}
	input, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "node/drive.mjs")
	cmd.Env = append(w.Env(w.home), "NO_PROXY=*") // Chromium gets its proxy from the plan
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with the browser
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &said
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium (is it installed? make deps): %v\n%s", err, said.String())
	}
	var r report
	if err := json.Unmarshal(output, &r); err != nil {
		t.Fatalf("report of the browser: %v", err)
	}
	w.SearchBytes(t, "what the browser showed or has in its history", output)
	w.checkPictures(t, r)
	return r
}

// view is a page that was looked at, after a look at what holds for every page.
func (r report) view(t *testing.T, name string) view {
	t.Helper()
	v, ok := r.Looks[name]
	if !ok {
		t.Fatalf("there was no look at %s", name)
	}
	equal(t, name+": language", v.Lang, "en")
	equal(t, name+": headings", v.Headings, []string{trimmed(v.Title)})
	equal(t, name+": fields without a label", v.Unnamed, []string{})
	equal(t, name+": descriptions that do not exist", v.Dangling, []string{})
	equal(t, name+": sizes with sideways scrolling", v.Wide, []string{})
	equal(t, name+": inline handlers", v.Scripted, false)
	for _, element := range v.Elements {
		switch element {
		case "script", "img", "svg", "iframe", "link", "object", "embed", "video", "audio", "base":
			t.Errorf("%s has an element %s", name, element)
		}
	}
	return v
}

// largest is how many bytes a picture may have: they are in the repository.
const largest = 60 << 10

// checkPictures looks at the size of the pictures, and keeps those that
// docs/images has.
func (w *world) checkPictures(t *testing.T, r report) {
	t.Helper()
	for name := range r.Looks {
		picture, err := os.ReadFile(filepath.Join(w.pictures, name+"-desktop-light.png"))
		if err != nil {
			t.Fatal(err)
		}
		if len(picture) > largest {
			t.Errorf("the picture of %s has %d bytes", name, len(picture))
		}
		if file := filepath.Join(images, name+".png"); *update && documented[name] {
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// images is the folder of the documentation's pictures.
var images = filepath.Join("..", "..", "docs", "images")

// documented are the pages whose pictures the documentation has.
var documented = map[string]bool{"form": true, "form-error": true, "login-success": true, "login-failure": true}

// TestPictures: the documentation has a picture of each, none too large.
func TestPictures(t *testing.T) {
	if *update {
		return // the other tests take them now
	}
	for name := range documented {
		file := filepath.Join(images, name+".png")
		picture, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v (go test ./test/pages -update)", err)
			continue
		}
		if !bytes.HasPrefix(picture, []byte("\x89PNG\r\n")) || len(picture) > largest {
			t.Errorf("%s is no picture or too large: %d bytes", file, len(picture))
		}
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
