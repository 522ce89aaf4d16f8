package manifest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// domain begins what is signed, so that a signature means nothing elsewhere.
const domain = "loghaul manifest\n"

var (
	// ErrUnsigned means that a manifest has no signature.
	ErrUnsigned = errors.New("not signed")
	// ErrUnknownKey means that a manifest is signed with a key that the reader
	// does not have.
	ErrUnknownKey = errors.New("signed with an unknown key")
	// ErrForged means that a signature is not that of the key it names.
	ErrForged = errors.New("the signature is wrong")
)

// KeyID names a public key: its SHA-256.
type KeyID [sha256.Size]byte

// String gives the first 16 hexadecimal digits: for people.
func (k KeyID) String() string { return hex.EncodeToString(k[:8]) }

type seal struct {
	key       KeyID
	signature [ed25519.SignatureSize]byte
}

// KeyID names the key that a manifest claims to be signed with; ok is false if
// it is not signed.
func (f *File) KeyID() (id KeyID, ok bool) { return f.seal.key, f.seal != seal{} }

// Signer signs manifests. It is safe for concurrent use.
type Signer struct {
	key ed25519.PrivateKey
	id  KeyID
}

// Generate makes a pair of keys as PEM files: PKCS #8 and PKIX, as openssl
// genpkey -algorithm ed25519 makes them. random is a cryptographic source.
func Generate(random io.Reader) (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	p, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	q, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: p}), pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: q}), nil
}

const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
)

// ParseSigner reads a private key from PEM.
func ParseSigner(text []byte) (*Signer, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("no PEM block: want what `loghaul audit keygen` writes")
	case block.Type == publicType:
		return nil, errors.New("this is a public key: aggregators sign with the private one")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("more than one PEM block: a signer has one key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("not a PKCS #8 private key: %w", err)
	}
	k, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T: want Ed25519", key)
	}
	return &Signer{key: k, id: idOf(k.Public().(ed25519.PublicKey))}, nil //nolint:errcheck,forcetypeassert // as documented
}

// KeyID names the key.
func (s *Signer) KeyID() KeyID { return s.id }

// Public gives the public key as PEM.
func (s *Signer) Public() []byte {
	q, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		panic("manifest: " + err.Error()) // it is an Ed25519 key
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: q})
}

// Sign signs a message that is not a manifest: a report about them. what keeps
// its signatures apart from others'.
func (s *Signer) Sign(what string, message []byte) []byte {
	return ed25519.Sign(s.key, append([]byte("loghaul "+what+"\n"), message...))
}

func (s *Signer) sign(hash [sha256.Size]byte) (out seal) {
	out.key = s.id
	copy(out.signature[:], ed25519.Sign(s.key, append([]byte(domain), hash[:]...)))
	return out
}

func idOf(key ed25519.PublicKey) KeyID { return sha256.Sum256(key) }

// Keyring is the public keys that a reader trusts. It is safe for concurrent
// use.
type Keyring struct{ keys map[KeyID]ed25519.PublicKey }

// ParseKeyring reads one public key or more, old ones after a rotation, from
// PEM. The text may stand between them.
func ParseKeyring(text []byte) (*Keyring, error) {
	k := &Keyring{keys: map[KeyID]ed25519.PublicKey{}}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == privateType {
			return nil, errors.New("this is a private key: readers need the public one")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("not a PKIX public key: %w", err)
		}
		pub, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("a key of type %T: want Ed25519", key)
		}
		k.keys[idOf(pub)] = pub
	}
	if len(k.keys) == 0 {
		return nil, errors.New("no PEM block: want the public key that `loghaul audit keygen` writes")
	}
	return k, nil
}

// KeyIDs gives the names of the keys, in order.
func (k *Keyring) KeyIDs() (ids []KeyID) {
	for id := range k.keys {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b KeyID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// Check says whether a manifest is signed with one of the keys: nil,
// ErrUnsigned, ErrUnknownKey or ErrForged.
func (k *Keyring) Check(f *File) error {
	id, ok := f.KeyID()
	if !ok {
		return ErrUnsigned
	}
	key, ok := k.keys[id]
	switch {
	case !ok:
		return fmt.Errorf("%w: %s", ErrUnknownKey, id)
	case !ed25519.Verify(key, append([]byte(domain), f.Hash[:]...), f.seal.signature[:]):
		return ErrForged
	}
	return nil
}

func milli(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
