package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"authsome/internal/audit"
	"authsome/internal/broker"
	"authsome/internal/ca"
	"authsome/internal/truststore"
	"authsome/internal/vault"
)

// Kinds of certificate authority a run can have.
const (
	caPersistent = "persistent"
	caEphemeral  = "ephemeral"
)

// Where the vault has the installed authority. It is the same for all
// profiles: a trust store knows none. No profile can have this name.
const (
	authorityProfile = "-"
	authorityRecord  = "authority"
)

// authority is the installed certificate authority, as it is kept.
type authority struct {
	app    *app
	home   home
	stored []byte // as the vault has it, nil for none
	ca.Kept
}

// authority reads what is kept.
func (a *app) authority(ctx context.Context) (*authority, error) {
	h, err := a.home()
	if err != nil {
		return nil, err
	}
	kept := &authority{app: a, home: h}
	v, err := a.openVault(ctx, h)
	if err == nil {
		kept.stored, err = v.Get(ctx, authorityProfile, authorityRecord)
	}
	if err != nil && !errors.Is(err, vault.ErrNoVault) && !errors.Is(err, vault.ErrNotFound) {
		return nil, err
	}
	kept.Kept, err = ca.ParseKept(kept.stored)
	return kept, err
}

// valid returns the root, nil when there is none or it has expired.
func (k *authority) valid() *ca.Root {
	if k.Root == nil || time.Now().After(k.Root.NotAfter()) {
		return nil
	}
	return k.Root
}

// save writes next in the place of what was read, unless another process has
// written meanwhile. Certificates, which are public, lie beside the vault for
// the commands that install them.
func (k *authority) save(ctx context.Context, next ca.Kept) error {
	data, err := next.Encode()
	if err != nil {
		return err
	}
	if len(data) == 0 && k.stored == nil {
		k.Kept = next
		return k.writeFiles()
	}
	v, err := k.app.createVault(ctx, k.home)
	if err != nil {
		return err
	}
	err = v.Update(ctx, authorityProfile, authorityRecord, func(old []byte) ([]byte, error) {
		if !bytes.Equal(old, k.stored) {
			return nil, errors.New("the certificate authority was changed by another process: try again")
		}
		if len(data) == 0 {
			return nil, nil
		}
		return data, nil
	})
	if err != nil {
		return err
	}
	k.stored, k.Kept = data, next
	return k.writeFiles()
}

// writeFiles makes the home folder hold the certificates that are kept, and
// no others.
func (k *authority) writeFiles() error {
	certs, err := k.certs()
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, c := range certs {
		wanted[c.File] = true
		if err := os.WriteFile(c.File, c.PEM, 0o600); err != nil {
			return err
		}
	}
	for _, file := range k.files() {
		if !wanted[file] {
			err = errors.Join(err, os.Remove(file))
		}
	}
	return err
}

func (k *authority) files() []string {
	files, _ := filepath.Glob(filepath.Join(string(k.home), "authsome-*.pem")) // the pattern is ours
	return files
}

// adopt adds the certificates that lie in the home folder to the retired ones:
// their vault may be gone, and some store may have them.
func (k *authority) adopt() {
	for _, file := range k.files() {
		data, err := readFile(file)
		if err != nil {
			continue
		}
		c, err := truststore.NewCert(data, string(k.home))
		known, _ := k.certs()
		if err == nil && !slices.ContainsFunc(known, func(o truststore.Cert) bool { return o.Name == c.Name }) {
			k.Retired = append(k.Retired, data)
		}
	}
}

// certs returns the certificates that some store may have, the root's first.
func (k *authority) certs() ([]truststore.Cert, error) {
	all := k.Retired
	if k.Root != nil {
		all = append([][]byte{k.Root.PEM()}, all...)
	}
	var certs []truststore.Cert
	for _, data := range all {
		c, err := truststore.NewCert(data, string(k.home))
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// record writes a change to the audit log.
func (k *authority) record(event, name string) error {
	log, err := openAudit(k.home)
	if err != nil {
		return err
	}
	_, err = log.Append(audit.Entry{Event: event, Profile: k.app.profileName(), Detail: name})
	return errors.Join(err, log.Close())
}

// installedRoot returns the root that a run issues below, nil for none.
func (s *stage) installedRoot(ctx context.Context) (*ca.Root, error) {
	if s.options.ca == caEphemeral {
		return nil, nil
	}
	kept, err := s.app.authority(ctx)
	if err != nil {
		return nil, err
	}
	root := kept.valid()
	switch {
	case root == nil && s.options.ca == caPersistent:
		return nil, &hinted{errors.New("no certificate authority is installed"), "authsome ca install"}
	case root == nil && kept.Root != nil:
		s.app.warn("the installed certificate authority has expired; renew it: authsome ca install --renew")
	case root != nil:
		s.app.warnOutside(root, s.session.Routed())
	}
	return root, nil
}

// warnOutside tells for which hosts the installed authority is of no use.
func (a *app) warnOutside(root *ca.Root, hosts []string) {
	if _, outside := root.Split(hosts); len(outside) > 0 {
		a.warn("the installed certificate authority is not good for %s, so programs that read only the system's store fail there; renew it: authsome ca install --renew",
			strings.Join(outside, ", "))
	}
}

// warnRegistered is warnOutside for a new definition.
func (a *app) warnRegistered(ctx context.Context, hosts []string) {
	h, err := a.home()
	if err != nil || len((&authority{home: h}).files()) == 0 {
		return // no reason to open the vault
	}
	if kept, err := a.authority(ctx); err == nil && kept.valid() != nil {
		a.warnOutside(kept.Root, hosts)
	}
}

// allHosts returns every host that a run could intercept.
func (a *app) allHosts(ctx context.Context) ([]string, error) {
	b, _, err := a.broker()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	session, err := b.Session(ctx, broker.Selection{})
	if err != nil {
		return nil, err
	}
	return session.Hosts(), nil
}

// stores is this machine, as trust stores look at it.
func (a *app) stores() truststore.System {
	return truststore.Local(runtime.GOOS, a.getenv(homeVariable), a.getenv("JAVA_HOME"), a.sys.Environ)
}
