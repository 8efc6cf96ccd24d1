package child

import _ "embed" // the shims

//go:embed shim/shim.cjs
var nodeShim string

//go:embed shim/sitecustomize.py
var pythonShim string

// NodeShim is a CommonJS module for Node.js, Deno and Bun that sends TLS
// connections through the proxy named in AUTHSOME_PROXY.
func NodeShim() string { return nodeShim }

// PythonShim is a sitecustomize.py that has names at port 443 resolve to the
// proxy named in AUTHSOME_PROXY. It works where that needs no password.
func PythonShim() string { return pythonShim }
