package truststore

const (
	localFolder = "/usr/local/share/ca-certificates"
	certFolder  = "/etc/ssl/certs"
)

// debian is update-ca-certificates(8) of Debian and Ubuntu. It leaves the
// links to a certificate that is gone; --fresh would remove them, and every
// link of the administrator's that leads nowhere too.
func debian(s System, c Cert) []Target {
	if s.OS != "linux" || s.has(alpineRelease) || s.Look("update-ca-certificates") == "" || !s.has(localFolder) {
		return nil
	}
	file := localFolder + "/" + c.Name + ".crt"
	return []Target{{
		Where: localFolder,
		Root:  !s.Writable(localFolder) || !s.Writable(certFolder),
		Check: Check{File: certFolder + "/ca-certificates.crt"},
		Own:   file,
		Add:   []Step{{Write: file}, {Run: []string{"update-ca-certificates"}}},
		Delete: []Step{
			{Remove: file},
			{Run: []string{"find", certFolder, "-maxdepth", "1", "-type", "l", "-lname", "*" + c.Name + ".*", "-delete"}},
			{Run: []string{"update-ca-certificates"}},
		},
	}}
}
