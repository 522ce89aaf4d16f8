package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	manifestfile "github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// provenArchive is two objects of the demo's lines with their manifest, and a pair of keys.
type provenArchive struct {
	url, dir        string
	private, public string // files
	objects         []string
	manifest        string
}

func newProvenArchive(t *testing.T) *provenArchive {
	t.Helper()
	dir := t.TempDir()
	a := &provenArchive{url: "file://" + dir, dir: dir}
	fillArchiveAt(t, a.url, objectstore.Options{}, 2, time.Unix(1_700_000_000, 0))
	private, public, err := manifestfile.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	a.private, a.public = filepath.Join(keys, "audit.key"), filepath.Join(keys, "audit.pub")
	put(t, a.private, private)
	put(t, a.public, public)
	signer, err := manifestfile.ParseSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	summarizer, err := archive.NewSummarizer()
	if err != nil {
		t.Fatal(err)
	}
	store, err := objectstore.Open(t.Context(), a.url, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var entries []*manifestfile.Entry
	err = store.List(t.Context(), "dt=", func(i objectstore.Info) error {
		body, err := store.Get(t.Context(), i.Key)
		if err != nil {
			return err
		}
		s, err := summarizer.Summarize(body)
		if err != nil {
			return err
		}
		entries = append(entries, manifestfile.NewEntry(i.Key, i.Size, sha256.Sum256(body), s))
		a.objects = append(a.objects, i.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Unix(1_700_000_000, 0).Truncate(time.Hour)
	m := &manifestfile.Manifest{Writer: "agg-1", Sequence: 1, From: from, To: from.Add(time.Hour), Made: from.Add(time.Hour), End: true}
	b, _, err := manifestfile.Encode(m, entries, signer)
	if err != nil {
		t.Fatal(err)
	}
	a.manifest = m.Key()
	put(t, a.path(a.manifest), b)
	return a
}

func (a *provenArchive) path(key string) string { return filepath.Join(a.dir, filepath.FromSlash(key)) }

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAuditVerify prints what it finds, and says by its exit code how it ended.
func TestAuditVerify(t *testing.T) {
	a := newProvenArchive(t)
	code, out, errs := call(t, "audit", "verify", "--archive", a.url, "--public-key", a.public)
	if code != 0 || errs != "" || !strings.HasSuffix(out, "\nresult: no difference\n") || !strings.Contains(out, "signatures checked with ") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, key := range a.objects {
		if !strings.Contains(out, "ok        object  "+key+"\n") {
			t.Errorf("no verdict about %s:\n%s", key, out)
		}
	}
	code, out, _ = call(t, "audit", "verify", "--archive", a.url, "--deep")
	if code != 0 || !strings.Contains(out, "Signatures were not checked") || !strings.Contains(out, "intact    chain   agg-1  1 to 1") ||
		!strings.Contains(out, "complete  source  web-1 0a0a0a0a0a0a0a0a0a0a0a0a /var/log/haproxy.log\n") {
		t.Errorf("deep, without a key: exit code %d\n%s", code, out)
	}

	// Nothing in the bucket tells of a manifest that is gone with all that knew of it.
	_, out, _ = call(t, "audit", "verify", "--archive", a.url, "--output", "json")
	earlier := filepath.Join(t.TempDir(), "earlier.json")
	put(t, earlier, []byte(out))
	if code, out, _ = call(t, "audit", "verify", "--archive", a.url, "--earlier", earlier); code != 0 {
		t.Errorf("as it was earlier: exit code %d\n%s", code, out)
	}
	chain, err := os.ReadFile(a.path(a.manifest))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.path(a.manifest)); err != nil {
		t.Fatal(err)
	}
	code, out, _ = call(t, "audit", "verify", "--archive", a.url, "--earlier", earlier)
	if code != exitDifference || !strings.Contains(out, "agg-1  at 1, dropped: the earlier run knew of number 1\n") {
		t.Errorf("cut back: exit code %d\n%s", code, out)
	}
	put(t, a.path(a.manifest), chain)

	before, err := os.ReadFile(a.path(a.objects[1]))
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(before)
	changed[1000] ^= 1
	put(t, a.path(a.objects[1]), changed)
	if code, _, _ = call(t, "audit", "verify", "--archive", a.url); code != 0 {
		t.Errorf("a flipped byte is seen without reading it: exit code %d", code)
	}
	code, out, _ = call(t, "audit", "verify", "--archive", a.url, "--deep")
	if code != exitDifference || !strings.Contains(out, "changed   object  "+a.objects[1]+"  it has ") || !strings.HasSuffix(out, "result: 2 differences\n") ||
		!strings.Contains(out, "missing with "+a.objects[1]) {
		t.Errorf("changed: exit code %d\n%s", code, out)
	}
	if err := os.Remove(a.path(a.objects[1])); err != nil {
		t.Fatal(err)
	}
	code, out, _ = call(t, "audit", "verify", "--archive", a.url, "--output", "json")
	var missing, lines int
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); lines++ {
		var line struct {
			Object *verify.Object
			Chain  *verify.Chain
			Source *verify.Source
			Total  *verify.Total
		}
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Object != nil && line.Object.Verdict == verify.Missing && line.Object.Key == a.objects[1] {
			missing++
		}
		if line.Total != nil && (line.Total.Differences != 2 || line.Total.Objects[verify.OK] != 1) {
			t.Errorf("%+v", line.Total)
		}
	}
	if code != exitDifference || missing != 1 || lines != 5 {
		t.Errorf("missing: exit code %d, %d lines\n%s", code, lines, out)
	}
}

// TestAuditVerifyReport has the report signed, and the signature checked by
// openssl: an auditor needs nothing of ours.
func TestAuditVerifyReport(t *testing.T) {
	a := newProvenArchive(t)
	put(t, a.path("dt=2023-11-14/hour=22/<script>alert(1)</script>"), []byte("x"))
	dir := t.TempDir()
	report := filepath.Join(dir, "report.html")
	code, _, errs := call(t, "audit", "verify", "--archive", a.url, "--public-key", a.public, "--html", report, "--sign-key", a.private)
	if code != exitDifference || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	page, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 difference", "loghaul " + version, a.url, "agg-1", "&lt;script&gt;", "not the key of an archive object", "is signed with the key <code>"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report has no %q:\n%s", want, page)
		}
	}
	for _, not := range []string{"<script", "http:", "https:", "src=", "url("} {
		if strings.Contains(string(page), not) {
			t.Errorf("the report has %q", not)
		}
	}
	// As docs/verify.md says.
	put(t, filepath.Join(dir, "signed"), append([]byte("loghaul report\n"), page...))
	openssl := func() error {
		return exec.CommandContext(t.Context(), testenv.Tool(t, "openssl"), "pkeyutl", "-verify", "-pubin", "-inkey", a.public, "-rawin",
			"-in", filepath.Join(dir, "signed"), "-sigfile", report+".sig").Run()
	}
	if err := openssl(); err != nil {
		t.Errorf("openssl: %v", err)
	}
	put(t, filepath.Join(dir, "signed"), append([]byte("loghaul report\n "), page...))
	if err := openssl(); err == nil {
		t.Error("a changed report has a right signature")
	}
}

func TestAuditVerifyBadInput(t *testing.T) {
	a := newProvenArchive(t)
	other := newProvenArchive(t)
	code, out, _ := call(t, "audit", "verify", "--archive", a.url, "--public-key", other.public)
	if code != exitDifference || !strings.Contains(out, "at 1, unknown key: signed with an unknown key: ") || !strings.Contains(out, "unsigned  object  "+a.objects[0]) {
		t.Errorf("another key: exit code %d\n%s", code, out)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a private key":       {[]string{"--public-key", a.private}, "this is a private key"},
		"no key":              {[]string{"--public-key", a.path(a.objects[0])}, "no PEM block"},
		"no such key":         {[]string{"--public-key", a.private + "x"}, "no such file"},
		"no earlier run":      {[]string{"--earlier", a.public}, "not what audit verify --output json prints"},
		"a public key signs":  {[]string{"--html", "x", "--sign-key", a.public}, "this is a public key"},
		"nothing to sign":     {[]string{"--sign-key", a.private}, "--html FILE"},
		"no archive":          {[]string{"--archive", a.url + "x"}, "make it or mount it"},
		"a format":            {[]string{"--output", "xml"}, "table"},
		"a time":              {[]string{"--since", "yesterday"}, "is not a time"},
		"an unknown flag":     {[]string{"--publickey", a.public}, "did you mean --public-key?"},
		"something left over": {[]string{"x"}, `unexpected argument "x"`},
	} {
		code, out, errs := call(t, append([]string{"audit", "verify", "--archive", a.url}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d, %q, %s", name, code, out, errs)
		}
	}
	// Nobody vouches for an archive without manifests.
	if err := os.Remove(a.path(a.manifest)); err != nil {
		t.Fatal(err)
	}
	code, out, _ = call(t, "audit", "verify", "--archive", a.url)
	if code != 0 || !strings.Contains(out, "no manifest names 2 objects: nobody can tell whether others are missing") || !strings.Contains(out, "audit seal") {
		t.Errorf("no manifests: exit code %d\n%s", code, out)
	}
	// A manifest of a newer version is not a difference, and no proof.
	put(t, a.path(a.manifest), []byte("x"))
	if code, out, _ = call(t, "audit", "verify", "--archive", a.url); code != exitDifference || !strings.Contains(out, "at 1, unreadable: corrupt manifest") {
		t.Errorf("a damaged manifest: exit code %d\n%s", code, out)
	}
}

func TestProgressLine(t *testing.T) {
	var l progressLine
	p := &verify.Progress{}
	p.AllManifests.Store(100)
	now := time.Unix(0, 0)
	if got := l.text(p, false, now); got != "manifests 0 of 100" {
		t.Error(got)
	}
	p.Manifests.Store(20)
	if got := l.text(p, false, now.Add(2*time.Second)); got != "manifests 20 of 100, 10/s, 8s left" {
		t.Error(got)
	}
	p.Manifests.Store(100)
	p.AllObjects.Store(1000)
	p.AllBytes.Store(10 << 30)
	now = now.Add(10 * time.Second)
	l.text(p, true, now)
	p.Objects.Store(50)
	p.Bytes.Store(1 << 30)
	if got := l.text(p, true, now.Add(10*time.Second)); got != "objects 50 of 1,000, 5/s, 102.4 MiB/s, 1m30s left" {
		t.Error(got)
	}
}
