package truststore

import "path/filepath"

// chromium is the NSS database that Chromium, Chrome and what is built on them
// read on Linux. A browser makes it when it first starts.
func chromium(s System, c Cert) []Target {
	return nss(s, c, "linux", ".pki/nssdb", ".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb")
}

// firefox is each profile of Firefox. On macOS and Windows it reads the
// system's store.
func firefox(s System, c Cert) []Target {
	return nss(s, c, "linux", ".mozilla/firefox/*", ".config/mozilla/firefox/*",
		"snap/firefox/common/.mozilla/firefox/*", ".var/app/org.mozilla.firefox/.mozilla/firefox/*")
}

// nss finds databases in folders below home.
func nss(s System, c Cert, os string, folders ...string) []Target {
	if s.OS != os || s.Home == "" {
		return nil
	}
	needs := ""
	if s.Look("certutil") == "" {
		needs = "certutil (Debian: libnss3-tools, Fedora: nss-tools, Arch: nss)"
	}
	var found []Target
	for _, folder := range folders {
		for _, file := range s.Glob(filepath.Join(s.Home, folder, "cert9.db")) {
			found = append(found, database(c, filepath.Dir(file), needs))
		}
	}
	return found
}

func database(c Cert, folder, needs string) Target {
	certutil := func(args ...string) []string {
		return append([]string{"certutil", args[0], "-d", "sql:" + folder, "-n", c.Name}, args[1:]...)
	}
	return Target{
		Where:  folder,
		Needs:  needs,
		Check:  Check{Run: certutil("-L", "-a")},
		Add:    []Step{{Run: certutil("-A", "-t", "C,,", "-i", c.File)}},
		Delete: []Step{{Run: certutil("-D")}},
	}
}
