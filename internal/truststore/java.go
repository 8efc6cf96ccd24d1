package truststore

import (
	"path/filepath"
	"strings"
)

// java is the keystore of the JDK that JAVA_HOME names, else that of keytool.
// Debian's is filled by update-ca-certificates, which never takes anything
// out; the name there is Debian's. Fedora's and Arch's are written by
// update-ca-trust and need nothing.
func java(s System, c Cert) []Target {
	tool := s.Look("keytool")
	if s.JavaHome != "" {
		tool = filepath.Join(s.JavaHome, "bin", "keytool")
	}
	if tool = s.Real(tool); tool == "" {
		return nil
	}
	store := s.Real(filepath.Join(filepath.Dir(filepath.Dir(tool)), "lib", "security", "cacerts"))
	alias := c.Name
	switch {
	case store == "":
		return nil
	case store == certFolder+"/java/cacerts":
		alias = "debian:" + c.Name + ".pem"
	case strings.HasPrefix(store, "/etc/"):
		return nil
	}
	keytool := func(args ...string) []string {
		return append([]string{tool, args[0], "-alias", alias, "-keystore", store, "-storepass", "changeit"}, args[1:]...)
	}
	return []Target{{
		Where:  store,
		Root:   !s.Writable(store),
		Check:  Check{Run: keytool("-exportcert", "-rfc")},
		Add:    []Step{{Run: keytool("-importcert", "-noprompt", "-trustcacerts", "-file", c.File)}},
		Delete: []Step{{Run: keytool("-delete")}},
	}}
}
