package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"authsome/internal/secret"
)

// maxIdentity is the most an identity file has, in bytes.
const maxIdentity = 64 << 10

// ageSource keeps the key in the header, encrypted to the identities of a file
// that stays where it is.
type ageSource struct {
	unstored
	path string
	box  []byte // an age file with the key; nil before Renew
	ui   *plugin.ClientUI
}

// AgeSource is a key encrypted to the age identities of a file, native ones
// (X25519, the hybrid ones) or those of plugins, such as hardware keys. The
// parameters are the header's.
func AgeSource(parameters string, ui *plugin.ClientUI) (KeySource, error) {
	box, quoted, ok := strings.Cut(parameters, " ")
	raw, err1 := base64.RawStdEncoding.DecodeString(box)
	path, err2 := strconv.Unquote(quoted)
	s := &ageSource{path: path, box: raw, ui: ui}
	if !ok || err1 != nil || err2 != nil || s.Parameters() != parameters {
		return nil, fmt.Errorf("%w: parameters of the age identity are not readable", ErrSource)
	}
	return s, nil
}

// NewAgeSource is an AgeSource for a vault to be made.
func NewAgeSource(path string, ui *plugin.ClientUI) (KeySource, error) {
	if path == "" {
		return nil, fmt.Errorf("age: %w: no identity file was given", ErrKeyMissing)
	}
	return &ageSource{path: path, ui: ui}, nil
}

func (*ageSource) Name() string { return SourceAge }

func (s *ageSource) Parameters() string {
	return base64.RawStdEncoding.EncodeToString(s.box) + " " + strconv.QuoteToASCII(s.path)
}

func (s *ageSource) Describe() string { return "age identity " + s.path }

func (s *ageSource) Load(context.Context) ([]secret.Text, error) {
	identities, err := readIdentities(s.path, s.ui)
	if err != nil {
		return nil, err
	}
	plain, err := openAge(bytes.NewReader(s.box), identities)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	key, err := io.ReadAll(io.LimitReader(plain, keySize+1))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%s: %w", s.path, ErrKeyFormat)
	}
	return []secret.Text{secret.New(string(key))}, nil
}

func (s *ageSource) Create(ctx context.Context) (secret.Text, error) {
	return s.Renew(ctx, secret.Text{})
}

// Renew proves that the identity opens what was encrypted to it.
func (s *ageSource) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) {
	identities, err := readIdentities(s.path, s.ui)
	if err != nil {
		return secret.Text{}, err
	}
	var recipients []age.Recipient
	for _, identity := range identities {
		recipients = append(recipients, recipientOf(identity))
	}
	key := newKey()
	var box bytes.Buffer
	if err := sealAge(&box, recipients, []byte(key.Reveal())); err != nil {
		return secret.Text{}, fmt.Errorf("%s: %w", s.path, err)
	}
	s.box = box.Bytes()
	kept, err := s.Load(ctx)
	if err == nil && !kept[0].Equal(key) {
		err = fmt.Errorf("%s: %w", s.path, ErrWrongKey)
	}
	return key, err
}

func recipientOf(identity age.Identity) age.Recipient {
	switch i := identity.(type) {
	case *age.X25519Identity:
		return i.Recipient()
	case *age.HybridIdentity:
		return i.Recipient()
	case *plugin.Identity:
		return i.Recipient()
	}
	return nil // readIdentities returns no other
}

// readIdentities reads an identity file. Its errors tell nothing of what is in
// the file, as the library's may.
func readIdentities(path string, ui *plugin.ClientUI) ([]age.Identity, error) {
	data, err := readFile(path, maxIdentity)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyMissing)
	} else if err != nil {
		return nil, err
	}
	var identities []age.Identity
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		identity := parseIdentity(line, ui)
		if identity == nil {
			return nil, fmt.Errorf("%s: %w: line %d is no age identity", path, ErrKeyFormat, i+1)
		}
		identities = append(identities, identity)
	}
	if len(identities) == 0 {
		return nil, fmt.Errorf("%s: %w: it has no age identity", path, ErrKeyFormat)
	}
	return identities, nil
}

func parseIdentity(line string, ui *plugin.ClientUI) age.Identity {
	if strings.HasPrefix(line, "AGE-PLUGIN-") {
		if identity, err := plugin.NewIdentity(line, ui); err == nil {
			return identity
		}
		return nil
	}
	identities, err := age.ParseIdentities(strings.NewReader(line))
	if err != nil || len(identities) != 1 || recipientOf(identities[0]) == nil {
		return nil
	}
	return identities[0]
}

// AgeUI is how a plugin reaches the human.
func (o Options) AgeUI() *plugin.ClientUI {
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error { o.tell(name, message); return nil },
		RequestValue: func(name, prompt string, _ bool) (string, error) {
			if o.Ask == nil {
				return "", ErrLocked
			}
			value, err := o.Ask(context.Background(), name+": "+prompt) // the plugin's protocol has no end to pass on
			return value.Reveal(), err
		},
		Confirm:   func(string, string, string, string) (bool, error) { return false, errors.ErrUnsupported },
		WaitTimer: func(name string) { o.tell(name, "waiting for it; is the device there?") },
	}
}

func (o Options) tell(name, message string) {
	if o.Tell != nil {
		o.Tell(name + ": " + message)
	}
}

// sealAge writes one age file.
func sealAge(w io.Writer, recipients []age.Recipient, data []byte) error {
	sealed, err := age.Encrypt(w, recipients...)
	if err != nil {
		return err
	}
	if _, err := sealed.Write(data); err != nil {
		return err
	}
	return sealed.Close()
}

// openAge opens one age file, whose end is checked only when it is read to it.
func openAge(r io.Reader, identities []age.Identity) (io.Reader, error) {
	plain, err := age.Decrypt(r, identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("%w: no identity fits", ErrWrongKey)
	}
	return plain, err
}
