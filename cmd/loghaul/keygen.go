package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/durable"
)

// Names of the key files in a folder.
const (
	privateKeyFile = "manifest.key"
	publicKeyFile  = "manifest.pub"
)

func auditKeygenCommand() command {
	return command{
		name:  "audit keygen",
		args:  "--out DIR | --private FILE --public FILE [--output text|json]",
		short: "Make the pair of keys that manifests are signed and verified with",
		alone: true,
		long: `
The private key (Ed25519, PEM) goes to the aggregators: manifest.key_file, or LOGHAUL_MANIFEST_KEY. Only
they may read it: whoever has it can make manifests that verify. The public key goes to whoever
verifies, and is best kept where nobody can write who can write to the archive. --out makes manifest.key
and manifest.pub in DIR. Nothing is overwritten. To rotate, make a new pair, put the private key in the
place of the old one on the aggregators, and append the public one to the file that auditors have: what
was signed before is verified with the old key.
`,
		examples: `
			loghaul audit keygen --out /etc/loghaul
			# a new pair; auditors keep both public keys
			loghaul audit keygen --private /etc/loghaul/new.key --public /etc/loghaul/new.pub
			cat /etc/loghaul/new.pub >> auditor.pub`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			out := fs.String("out", "", "make manifest.key and manifest.pub in `DIR`, which is made if it is missing")
			private := fs.String("private", "", "the `FILE` for the private key, instead of --out")
			public := fs.String("public", "", "the `FILE` for the public key")
			output := fs.String("output", "text", "`FORMAT` of what is printed: text or json")
			return func(_ context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "text", "json"); err != nil {
					return err
				}
				switch {
				case *out != "" && *private == "" && *public == "":
					if err := durable.MkdirAll(*out, 0o750); err != nil {
						return fmt.Errorf("make the folder for the keys: %w", err)
					}
					*private, *public = filepath.Join(*out, privateKeyFile), filepath.Join(*out, publicKeyFile)
				case *out != "" || *private == "" || *public == "":
					return usagef("say where the keys go: --out DIR, or --private FILE --public FILE")
				}
				id, err := makeKeys(*private, *public)
				if err != nil {
					return err
				}
				return printKeys(s.out, id, *private, *public, *output)
			}
		},
	}
}

// makeKeys writes a new pair of keys to files that are not there yet.
func makeKeys(private, public string) (manifest.KeyID, error) {
	for _, path := range []string{private, public} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = errors.New("it is there already; keys are not overwritten")
			}
			return manifest.KeyID{}, fmt.Errorf("make %s: %w", path, err)
		}
	}
	key, pub, err := manifest.Generate(rand.Reader)
	if err != nil {
		return manifest.KeyID{}, err
	}
	signer, err := manifest.ParseSigner(key)
	if err != nil {
		return manifest.KeyID{}, err
	}
	// The public key first: without it nobody uses the other.
	if err := durable.CreateFile(public, pub, 0o644); err != nil {
		return manifest.KeyID{}, fmt.Errorf("write the public key: %w", err)
	}
	if err := durable.CreateFile(private, key, 0o600); err != nil {
		return manifest.KeyID{}, fmt.Errorf("write the private key: %w", errors.Join(err, os.Remove(public)))
	}
	return signer.KeyID(), nil
}

func printKeys(w io.Writer, id manifest.KeyID, private, public, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(map[string]string{"key_id": id.String(), "private": private, "public": public})
	}
	_, err := fmt.Fprintf(w, "key %s\nprivate key, for the aggregators alone: %s\npublic key, for whoever verifies: %s\n", id, private, public)
	return err
}

// ownKeys gives the keys of a data folder, which are made if neither is there.
func ownKeys(data string) (private, public string, err error) {
	private, public = filepath.Join(data, privateKeyFile), filepath.Join(data, publicKeyFile)
	if _, err := os.Lstat(private); err == nil {
		return private, public, nil
	}
	_, err = makeKeys(private, public)
	return private, public, err
}
