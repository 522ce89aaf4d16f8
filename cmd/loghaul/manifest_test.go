package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive/manifest"
)

// manifestsOf reads the manifests of an archive folder, by their keys, and wants
// them signed.
func manifestsOf(t *testing.T, archive, public string) (files []*manifest.File) {
	t.Helper()
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := manifest.ParseKeyring(text)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(archive, manifest.Prefix), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := manifest.Decode(b)
		if err != nil {
			return err
		}
		files = append(files, f)
		return ring.Check(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sealed fails unless every object of `up` is in a manifest that its own key
// has signed, and the chain is ended.
func sealed(t *testing.T, data string) {
	t.Helper()
	files := manifestsOf(t, data+"/archive", filepath.Join(data, "manifest.pub"))
	listed := map[string]bool{}
	ended := false
	for _, f := range files {
		for _, o := range f.Manifest.Objects {
			listed[o.Key] = true
		}
		if last := int64(len(files)); f.Manifest.Sequence == last {
			ended = f.Manifest.End
		}
	}
	paths, err := filepath.Glob(data + "/archive/dt=*/hour=*/*.parquet")
	if err != nil || len(paths) != len(listed) || !ended {
		t.Fatalf("%v: %d objects are listed, %d are there, the chain is ended: %v", err, len(listed), len(paths), ended)
	}
	for _, p := range paths {
		if key := strings.TrimPrefix(p, data+"/archive/"); !listed[key] {
			t.Errorf("%s is in no manifest", key)
		}
	}
	if code, out, errs := call(t, "audit", "verify", "--archive", "file://"+data+"/archive", "--public-key", filepath.Join(data, "manifest.pub"), "--deep"); code != 0 {
		t.Errorf("audit verify: exit code %d\n%s%s", code, out, errs)
	}
	if info, err := os.Stat(filepath.Join(data, "manifest.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", info, err)
	}
}

func TestAuditKeygen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	code, out, errs := call(t, "audit", "keygen", "--out", dir, "--output", "json")
	var got struct {
		KeyID   string `json:"key_id"`
		Private string `json:"private"`
		Public  string `json:"public"`
	}
	if err := json.Unmarshal([]byte(out), &got); code != 0 || errs != "" || err != nil {
		t.Fatalf("exit code %d, %s, %v", code, errs, err)
	}
	signer, err := notary.ReadSigner(got.Private)
	if err != nil || signer.KeyID().String() != got.KeyID {
		t.Errorf("%v: the key is %s, printed was %s", err, signer.KeyID(), got.KeyID)
	}
	public, err := os.ReadFile(got.Public)
	if err != nil || string(public) != string(signer.Public()) {
		t.Errorf("%v: the public key is another one", err)
	}
	if info, err := os.Stat(got.Private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: the private key has the mode %v", err, info.Mode())
	}

	private, err := os.ReadFile(got.Private)
	if err != nil {
		t.Fatal(err)
	}
	code, _, errs = call(t, "audit", "keygen", "--out", dir)
	if code != exitFailed || !strings.Contains(errs, "manifest.key: it is there already; keys are not overwritten") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if now, err := os.ReadFile(got.Private); err != nil || !slices.Equal(now, private) {
		t.Errorf("%v: the key was overwritten", err)
	}
	if err := os.Remove(got.Private); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = call(t, "audit", "keygen", "--out", dir); code != exitFailed || !strings.Contains(errs, "manifest.pub: it is there already") {
		t.Errorf("exit code %d, %s", code, errs)
	}

	code, out, _ = call(t, "audit", "keygen", "--private", filepath.Join(dir, "a"), "--public", filepath.Join(dir, "b"))
	if code != 0 || !strings.Contains(out, "private key, for the aggregators alone: "+dir) {
		t.Errorf("exit code %d, %s", code, out)
	}
	for _, args := range [][]string{{}, {"--private", "x"}, {"--out", dir, "--public", "x"}, {"--out", dir, "more"}, {"--out", dir, "--output", "yaml"}} {
		if code, _, _ := call(t, append([]string{"audit", "keygen"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestAuditSeal(t *testing.T) {
	archive := demoArchive(t, 3)
	dir := t.TempDir()
	private, public := filepath.Join(dir, "manifest.key"), filepath.Join(dir, "manifest.pub")
	if _, err := makeKeys(private, public); err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimPrefix(archive, "file://")
	seal := func(args ...string) (int, string, string) {
		return call(t, append([]string{"audit", "seal", "--archive", archive, "--older-than", "0s", "--output", "json"}, args...)...)
	}
	var got notary.Sealed
	code, out, errs := seal("--dry-run")
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || got.Writer != "agg-1" || got.Objects != 3 || got.Manifests != 0 {
		t.Errorf("dry run: exit code %d, %s, %s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(folder, "_manifests")); err == nil {
		t.Error("a dry run has written")
	}
	if code, out, errs = call(t, "audit", "seal", "--archive", archive, "--key", private); code != 0 || out != "" {
		t.Errorf("nothing is two hours old: exit code %d, %s, %s", code, out, errs)
	}

	// One of the three is damaged.
	paths, err := filepath.Glob(folder + "/dt=*/hour=*/*.parquet")
	if err != nil || len(paths) != 3 {
		t.Fatal(err, paths)
	}
	good, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[100] ^= 1
	write := func(b []byte) {
		if err := os.WriteFile(paths[1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bad)
	code, out, errs = seal("--key", private)
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitFailed || got.Objects != 2 || got.Refused != 1 || !got.Ended ||
		!strings.Contains(errs, "is in no manifest, and is not put into one: its SHA-256 is") || !strings.Contains(errs, "1 objects or chains were left out") {
		t.Errorf("exit code %d, %s, %s", code, out, errs)
	}
	write(good)
	if code, out, errs = call(t, "audit", "seal", "--archive", archive, "--older-than", "0s", "--key", private); code != 0 || !strings.Contains(out, "agg-1   1 ") {
		t.Errorf("exit code %d, %s, %s", code, out, errs)
	}
	objects := 0
	for _, f := range manifestsOf(t, folder, public) {
		for _, o := range f.Manifest.Objects {
			if objects++; !o.Recovered || f.Manifest.MadeBy != "audit-seal" {
				t.Errorf("%s by %q: recovered %v", o.Key, f.Manifest.MadeBy, o.Recovered)
			}
		}
	}
	if objects != 3 {
		t.Errorf("%d objects are listed", objects)
	}
}

func TestAuditSealWrongUse(t *testing.T) {
	archive := demoArchive(t, 1)
	dir := t.TempDir()
	private, public := filepath.Join(dir, "manifest.key"), filepath.Join(dir, "manifest.pub")
	if _, err := makeKeys(private, public); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"say which key signs":   {},
		"this is a public key":  {"--key", public},
		"no such file":          {"--key", filepath.Join(dir, "none")},
		"--by: writer \"a/b\"":  {"--key", private, "--by", "a/b"},
		"--from: \"yesterday\"": {"--key", private, "--from", "yesterday"},
		"unexpected argument":   {"--key", private, "x"},
		"--output: got":         {"--key", private, "--output", "xml"},
	} {
		code, out, errs := call(t, append([]string{"audit", "seal", "--archive", archive}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %s, want %q", args, code, errs, want)
		}
	}
}
