package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/durable/faulty"
)

func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var out bytes.Buffer
	s, st, err := Open(dir, logTo(&out))
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Entries) != 0 || st.Rebuilt {
		t.Errorf("a new folder holds %+v", st)
	}
	if _, _, err := Open(dir, logTo(&out)); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	want := example()
	if err := s.Save(&want); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, ".tmp-"+FileName+"-123")
	if err := os.WriteFile(left, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, st, err = Open(dir, logTo(&out))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, st); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a crash left lies there for ever")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("it says %s", out.String())
	}
}

// TestUnusableStateIsKeptAside: nothing is overwritten or removed, the start
// goes on, and it is said loudly.
func TestUnusableStateIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	newer := `{"format":"loghaul-forwarder-state","version":9}` + "\n"
	var out bytes.Buffer
	for i, content := range []string{"torn", newer, "", "node: web-1\n", "x", "y"} {
		out.Reset()
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s, st, err := Open(dir, logTo(&out))
		if err != nil {
			t.Fatal(err)
		}
		if !st.Rebuilt || st.Patterns == nil || len(st.Entries) > 0 {
			t.Errorf("%q: the state is %+v", content, st)
		}
		if !strings.Contains(out.String(), "level=ERROR") || !strings.Contains(out.String(), "read again from their beginnings") {
			t.Errorf("%q: it says %s", content, out.String())
		}
		if many := strings.Contains(out.String(), "the oldest first"); many != (i >= manyAside) {
			t.Errorf("%d files are kept aside, and it says %s", i, out.String())
		}
		if err := s.Save(&st); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, st, err = Open(dir, logTo(&out)); err != nil || st.Rebuilt {
			t.Errorf("%q: after a Save: %+v, %v", content, st, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, FileName+".*"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		want := "damaged"
		if string(b) == newer {
			want = "version-9"
		}
		if !regexp.MustCompile(`^positions\.` + want + `-\d{8}T\d{6}\.\d{3}Z$`).MatchString(filepath.Base(n)) {
			t.Errorf("%q is kept as %s", b, n)
		}
		found[string(b)] = true
	}
	if len(found) != 6 {
		t.Errorf("only %v are kept", found)
	}
}

// TestFolderThatCantBeUsed: each error says what is there and what to do.
func TestFolderThatCantBeUsed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{FileName, lockName} {
		if err := os.MkdirAll(filepath.Join(dir, name+"-is-a-folder", name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, dir, want string }{
		{"a file in its place", file, "is a file of user .* with mode -rw-r-----: move it away, or name another folder in state"},
		{"a file above it", filepath.Join(file, "x"), "is a file of user .*: move it away, or name another folder in state"},
		{"a folder called lock", filepath.Join(dir, "lock-is-a-folder"), "/lock is a folder of user .*: move it away"},
		{"a folder called positions", filepath.Join(dir, "positions-is-a-folder"), "/positions is a folder of user .*: move it away"},
		{"no such device", "/proc/1/loghaul", "^making the state folder: "},
	} {
		_, _, err := Open(test.dir, logTo(&bytes.Buffer{}))
		if err == nil || !regexp.MustCompile(test.want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestFolderOnAFileSystemThatTakesNothing uses real ones, in a mount namespace
// of its own.
func TestFolderOnAFileSystemThatTakesNothing(t *testing.T) {
	const env = "LOGHAUL_TEST_STATE"
	if dir := os.Getenv(env); dir != "" {
		_, _, err := Open(dir, logTo(&bytes.Buffer{}))
		fmt.Println("error:", err) //nolint:forbidigo // to the test that runs this one
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unshare := []string{"--mount"}
	unprivileged := "chown 1 /mnt/state && drop='setpriv --reuid 1 --clear-groups'"
	if os.Geteuid() != 0 { // then there is one user only, who can do without the rights of root
		unshare = append(unshare, "--map-root-user")
		unprivileged = "drop='setpriv --bounding-set=-all --inh-caps=-all'"
	}
	for _, test := range []struct{ name, mount, want string }{
		{
			"read-only", "mount -t tmpfs -o ro none /mnt",
			"making the state folder: .*read-only file system: mount the file system of /mnt for writing, or name another folder in state",
		},
		{
			"full", "mount -t tmpfs -o nr_inodes=2 none /mnt && touch /mnt/x",
			"making the state folder: .*no space left on device: make space on the file system of /mnt, or name another folder in state",
		},
		{
			"no permission", "mount -t tmpfs none /mnt && mkdir -m 0500 /mnt/state && " + unprivileged,
			"permission denied: the forwarder runs as user .*, and /mnt/state is a folder of user .* with mode dr-x------: let that user write there",
		},
	} {
		script := test.mount + `; exec $drop "$0" -test.run '^TestFolderOnAFileSystemThatTakesNothing$'`
		cmd := exec.CommandContext(t.Context(), "unshare", append(unshare, "sh", "-euc", "drop=; "+script, self)...)
		cmd.Env = append(os.Environ(), env+"=/mnt/state")
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile("error: .*"+test.want).Match(out) {
			t.Errorf("%s: %v\n%s\nwant %s", test.name, err, out, test.want)
		}
	}
}

// TestExplain covers what a file system says that a test can't have said.
func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC:   "make space on the file system of /",
		syscall.EROFS:    "mount the file system of / for writing",
		fs.ErrPermission: "the forwarder runs as user",
	} {
		if got := explain("doing", "/x/y", err); !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestCrashes: a Save that returned nil survives, and whatever happens there is
// the state of a Save that was begun, not older than the last that succeeded.
func TestCrashes(t *testing.T) {
	runs := 2000
	if testing.Short() {
		runs = 200
	}
	failed, died := 0, 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 5))
		disk := faulty.New(seed)
		var saved, begun int64 // positions: of the last Save that returned nil, of the last one
		for range 12 {
			disk.Fail(faulty.Faults{})
			s, st, err := open(disk, "/state", logTo(&bytes.Buffer{}), time.Unix(0, 0))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			pos := int64(0)
			if len(st.Streams) > 0 {
				pos = st.Streams[0].Pos
			}
			if st.Rebuilt || pos < saved || pos > begun {
				t.Fatalf("seed %d: the position is %d (rebuilt: %v), %d was saved and %d begun", seed, pos, st.Rebuilt, saved, begun)
			}
			if r.IntN(2) == 0 {
				disk.Fail(faulty.Faults{Write: r.Float64() / 2, Sync: r.Float64() / 2, Meta: r.Float64() / 2})
			}
			if r.IntN(2) == 0 {
				disk.CrashIn(1 + r.IntN(20))
			}
			for range 1 + r.IntN(5) {
				begun++
				state := example()
				state.Streams[0].Pos = begun
				if err := s.Save(&state); err != nil {
					failed++
				} else {
					saved = begun
				}
			}
			if disk.Crashed() {
				died++
			}
			disk.Restart(r.IntN(2) == 0)
		}
	}
	if failed == 0 || died == 0 {
		t.Errorf("%d failures, %d crashes: nothing was tried", failed, died)
	}
}
