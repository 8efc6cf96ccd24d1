package login

import (
	"bytes"
	"html/template"
	"sync"

	"authsome/internal/oauth"
)

// Page is what a browser shows of a login: one document without script, image
// or anything else from elsewhere. Its texts may come from anywhere; they are
// escaped.
type Page struct {
	Kind  string // PageDone, PageFailed or PageNote
	Title string
	Lines []string // paragraphs
	Says  string   // somebody else's words, shown as such; "" for none
	Form  *PageForm
}

// The kinds of a page, which choose its sign.
const (
	PageDone   = "done"
	PageFailed = "failed"
	PageNote   = "note"
)

// PageForm is a form for one value, posted to the page's own address as
// "answer", with "token" and "action": save or cancel.
type PageForm struct {
	Token     string // hidden, to be repeated
	Label     string
	Hint      string // or ""
	Problem   string // what was wrong with the last answer, never the answer; or ""
	CreateURL string // or ""
	Create    string // what to do there
	Hidden    bool   // the value is not shown
	Optional  bool
}

// PageStyle is the content of the page's one style element, for the hash of a
// Content-Security-Policy.
const PageStyle = `
:root{color-scheme:light dark;--ground:#f6f7f9;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#8c959f;--done:#1a7f37;--failed:#cf222e;--note:#0969da;--on:#fff}
@media (prefers-color-scheme:dark){:root{--ground:#0d1117;--paper:#161b22;--ink:#e6edf3;--soft:#9198a1;--line:#6e7681;--done:#3fb950;--failed:#ff7b72;--note:#58a6ff;--on:#0d1117}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:30rem;padding:1.75rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3}
.done h1::before{margin-right:.4em;color:var(--done);content:"\2713" / ""}
.failed h1::before{margin-right:.4em;color:var(--failed);content:"\2717" / ""}
p{margin:.75rem 0 0}
blockquote{margin:.75rem 0 0;padding:.5rem .75rem;border-left:.25rem solid var(--failed);color:var(--soft)}
label{display:block;margin-top:1.25rem;font-weight:600}
.hint{margin:.25rem 0 0;color:var(--soft)}
.problem{color:var(--failed);font-weight:600}
.problem::first-letter{text-transform:uppercase}
input{width:100%;margin-top:.75rem;padding:.625rem .75rem;font:1rem ui-monospace,monospace;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.5rem}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.25rem}
button{flex:1 1 8rem;min-height:2.75rem;padding:.5rem 1rem;font:inherit;font-weight:600;color:var(--ink);background:transparent;border:1px solid var(--line);border-radius:.5rem;cursor:pointer}
button.save{color:var(--on);background:var(--note);border-color:var(--note)}
a{color:var(--note)}
:focus-visible{outline:3px solid var(--note);outline-offset:2px}
`

// pageTemplate is parsed when there is a page: most starts have none.
var pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{{.Title}} – authsome</title>
<style>` + PageStyle + `</style>
</head>
<body>
<main class="{{.Kind}}">
<h1>{{.Title}}</h1>
{{- range .Lines}}
<p>{{.}}</p>
{{- end}}
{{- with .Says}}
<blockquote>{{.}}</blockquote>
{{- end}}
{{- with .Form}}
<form method="post" accept-charset="utf-8" autocomplete="off">
<input type="hidden" name="token" value="{{.Token}}">
<label for="answer">{{.Label}}{{if .Optional}} (optional){{end}}</label>
{{- with .Hint}}
<p class="hint" id="hint">{{.}}</p>
{{- end}}
{{- with .CreateURL}}
<p class="hint">{{$.Form.Create}} at <a href="{{.}}" target="_blank" rel="noopener noreferrer">{{.}}</a></p>
{{- end}}
{{- with .Problem}}
<p class="problem" id="problem" role="alert">{{.}}</p>
{{- end}}
<input id="answer" name="answer" type="{{if .Hidden}}password{{else}}text{{end}}"{{if not .Optional}} required{{end}} autofocus autocomplete="off" autocapitalize="none" spellcheck="false"
{{- if .Problem}} aria-invalid="true"{{end}}{{if or .Hint .Problem}} aria-describedby="{{if .Problem}}problem {{end}}{{if .Hint}}hint{{end}}"{{end}}>
<div class="buttons">
<button class="save" name="action" value="save">Save</button>
<button name="action" value="cancel" formnovalidate>Cancel</button>
</div>
</form>
{{- end}}
</main>
</body>
</html>
`

// HTML returns the document.
func (p Page) HTML() []byte {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, p); err != nil { // of a buffer and texts: it does not happen
		return []byte("<!doctype html><title>authsome</title>")
	}
	return b.Bytes()
}

// outcomePage tells what became of a request to the redirect endpoint, after
// it became of it.
func outcomePage(providerName string, o oauth.Outcome) Page {
	switch o.Status {
	case oauth.Succeeded:
		return Page{Kind: PageDone, Title: "Logged in to " + providerName, Lines: []string{
			"authsome has received the access. You can close this page and go back to where you started.",
		}}
	case oauth.Failed:
		return Page{Kind: PageFailed, Title: "Not logged in to " + providerName, Says: o.Err.Error(), Lines: []string{
			"Nothing was kept. You can close this page and try again from where you started. The reason:",
		}}
	case oauth.Used:
		return Page{Kind: PageNote, Title: "This login was answered already", Lines: []string{
			"The answer counted once, and this copy of it changed nothing. You can close this page.",
		}}
	}
	return Page{Kind: PageNote, Title: "Not the answer to this login", Lines: []string{
		"This page was opened without the answer that authsome is waiting for. It changed nothing, and the login is still waiting.",
	}}
}
