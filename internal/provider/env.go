package provider

import (
	"fmt"
	"strings"
)

// maxEnvName is the longest environment variable name, in bytes.
const maxEnvName = 128

// steering are variables that make programs load code, find files or trust
// servers: a definition that set one would own the child, not serve it.
var steering = []string{
	"BASHOPTS", "BASH_ENV", "BROWSER", "CDPATH", "CLASSPATH", "COMSPEC", "CURL_CA_BUNDLE", "EDITOR", "ENV", "GCONV_PATH",
	"GLOBIGNORE", "GODEBUG", "GOFLAGS", "HOME", "HOSTALIASES", "IFS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LANG", "LOCALDOMAIN",
	"LOCPATH", "LOGNAME", "MAIL", "NLSPATH", "OLDPWD", "PAGER", "PATH", "PATHEXT", "PERL5DB", "PERL5LIB", "PERL5OPT", "PERLLIB",
	"PROMPT_COMMAND", "PS1", "PS2", "PS3", "PS4", "PWD", "REQUESTS_CA_BUNDLE", "RES_OPTIONS", "RUBYLIB", "RUBYOPT", "SHELL", "SHELLOPTS",
	"SHLVL", "SYSTEMROOT", "TEMP", "TERM", "TERMCAP", "TERMINFO", "TMP", "TMPDIR", "TZDIR", "UID", "USER", "VISUAL", "WINDIR", "ZDOTDIR",
	"_JAVA_OPTIONS", "AWS_CA_BUNDLE", "DENO_CERT", "CARGO_HTTP_CAINFO", "PIP_CERT", "PIP_CONFIG_FILE", "USERPROFILE", "APPDATA",
}

// steeringPrefixes and steeringSuffixes are families of such variables.
var (
	steeringPrefixes = []string{"AUTHSOME_", "BASH_FUNC_", "DYLD_", "GIT_", "LC_", "LD_", "MALLOC_", "NODE_", "NPM_CONFIG_", "PYTHON", "SSH_", "SSL_", "XDG_"}
	steeringSuffixes = []string{"_PROXY"}
)

// checkEnvName accepts a variable that a definition may ask to be set.
func checkEnvName(name string) error {
	if !isIdentifier(name) {
		return fmt.Errorf("%s is not an environment variable name ([A-Za-z_][A-Za-z0-9_]*, at most %d characters)", quote(name), maxEnvName)
	}
	upper := strings.ToUpper(name)
	if isSteering(upper) {
		return fmt.Errorf("environment variable %s steers programs and may not be set by a definition", name)
	}
	return nil
}

func isIdentifier(name string) bool {
	if name == "" || len(name) > maxEnvName || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && name[i] != '_' {
			return false
		}
	}
	return true
}

// isSteering takes a name in upper case: Windows knows no other.
func isSteering(upper string) bool {
	for _, prefix := range steeringPrefixes {
		if strings.HasPrefix(upper, prefix) {
			return true
		}
	}
	for _, suffix := range steeringSuffixes {
		if strings.HasSuffix(upper, suffix) {
			return true
		}
	}
	for _, name := range steering {
		if upper == name {
			return true
		}
	}
	return false
}
