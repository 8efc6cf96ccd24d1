package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"authsome/internal/child"
)

// writeShims writes the modules that make programs use the proxy which know of
// no proxy variable, and names them in settings.
func (s *stage) writeShims(settings *child.Settings) (err error) {
	if settings.NodeShim, err = s.dir.Write("shim.cjs", strings.NewReader(child.NodeShim())); err != nil {
		return err
	}
	if s.proxy.NeedsPassword() {
		return nil // which the TLS that the Python shim brings can't carry
	}
	if settings.PythonShim, err = s.dir.Mkdir("py"); err != nil {
		return err
	}
	_, err = s.dir.Write(filepath.Join("py", "sitecustomize.py"), strings.NewReader(child.PythonShim()))
	return err
}

// writeConfigs writes configuration for programs that read certificates
// nowhere else, and names it in settings. What the user has in the same place
// goes on counting.
func (s *stage) writeConfigs(settings *child.Settings) (err error) {
	if settings.PHPFolder, err = s.dir.Mkdir("php"); err != nil {
		return err
	}
	ini := fmt.Sprintf("curl.cainfo = %[1]q\nopenssl.cafile = %[1]q\n", settings.BundlePath)
	if _, err := s.dir.Write(filepath.Join("php", "authsome.ini"), strings.NewReader(ini)); err != nil {
		return err
	}
	settings.Wgetrc, err = s.dir.Write("wgetrc", strings.NewReader(s.wgetrc(settings)))
	return err
}

// wgetrc is the user's own, and then what has to be different: the last line
// counts.
func (s *stage) wgetrc(settings *child.Settings) string {
	path := s.app.getenv("WGETRC")
	if path == "" {
		path = filepath.Join(s.app.getenv(homeVariable), ".wgetrc")
	}
	text := readConfig(path)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += "ca_certificate = " + settings.BundlePath + "\nuse_proxy = on\n"
	for _, scheme := range []string{"http", "https"} {
		text += scheme + "_proxy = " + settings.ProxyURL + "\n"
	}
	if strings.Contains(text, "no_proxy") { // a list, which an empty value clears
		text += "no_proxy =\nno_proxy = " + child.NoProxyValue(s.app.sys.Environ, settings.RoutedHosts) + "\n"
	}
	return text
}

// hasJava reports whether the command may start a Java program: then, and only
// then, JAVA_TOOL_OPTIONS is worth the line that Java prints about it.
func (a *app) hasJava() bool {
	if a.getenv("JAVA_HOME") != "" {
		return true
	}
	_, err := child.LookPath("java", a.getenv("PATH"))
	return err == nil
}
