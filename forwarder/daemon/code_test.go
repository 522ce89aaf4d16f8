package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/spool"
	"github.com/loghaul/loghaul/internal/logging"
)

// TestExitCodesOfTheStateFolder: what waiting can cure is 1, so that a supervisor
// tries again; what somebody must change is 2.
func TestExitCodesOfTheStateFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := logging.New(&bytes.Buffer{}, logging.Default())
	if err != nil {
		t.Fatal(err)
	}
	held, _, err := checkpoint.Open(filepath.Join(dir, "held"), log)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	open := func(dir string) error {
		_, _, err := checkpoint.Open(dir, log)
		return err
	}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"another forwarder holds it", open(filepath.Join(dir, "held")), Failed},
		{"a file in its place", open(file), Wrong},
		{"a file above it", open(filepath.Join(file, "state")), Wrong},
		{"no permission", fmt.Errorf("making the state folder: %w", os.ErrPermission), Wrong},
		{"a spool of a newer version", fmt.Errorf("x: %w", spool.ErrVersion), Wrong},
	} {
		if test.err == nil || code(test.err) != test.want {
			t.Errorf("%s: %v gives %d, want %d", test.name, test.err, code(test.err), test.want)
		}
	}
}
