package journald

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/internal/durable"
)

const (
	// cursorFormat begins the file; docs/formats/journal-cursor.md.
	cursorFormat  = "loghaul-journal-cursor 1"
	maxCursor     = 1000
	maxCursorFile = 4096
	// saveEvery is how often the cursor is stored at most.
	saveEvery = time.Second
)

// errCursor is wrapped by the error for a file that is not what was written.
var errCursor = errors.New("damaged cursor file")

// cursor is how far the spool has the journal.
type cursor struct {
	path    string
	at      string // the spool has everything up to it
	stored  string
	saved   time.Time
	failing bool
	sync    func() error // makes what the spool has durable
}

// openCursor reads the file, which may be missing.
func openCursor(path string, spool input.Spool) (cursor, error) {
	c := cursor{path: path, sync: func() error { return nil }}
	if s, ok := spool.(interface{ Sync() error }); ok {
		c.sync = s.Sync
	}
	if !filepath.IsAbs(path) {
		return c, fmt.Errorf("journald: the file for the cursor, %q, is not an absolute path", path)
	}
	b, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		c.at, err = decodeCursor(b)
	}
	if err != nil {
		return c, fmt.Errorf("journald: reading %s: %w: move it aside; the journal is then read from its beginning", path, err)
	}
	c.stored = c.at
	return c, nil
}

func readSmall(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxCursorFile {
		return nil, fmt.Errorf("%w: it is no small file", errCursor)
	}
	return os.ReadFile(path)
}

func encodeCursor(at string) []byte {
	return fmt.Appendf(nil, "%s %08x\n%s\n", cursorFormat, crc32.ChecksumIEEE([]byte(at)), at)
}

// decodeCursor reads what encodeCursor gave. Its errors wrap errCursor.
func decodeCursor(b []byte) (string, error) {
	_, at, ok := strings.Cut(string(b), "\n")
	at, whole := strings.CutSuffix(at, "\n")
	if !ok || !whole || string(encodeCursor(at)) != string(b) || !isCursor(at) {
		return "", errCursor
	}
	return at, nil
}

// isCursor says whether journalctl can be given s.
func isCursor(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= maxCursor
}

// moved says that the spool has everything up to a cursor.
func (c *cursor) moved(to string) { c.at = to }

// due stores the cursor if the last time is long enough ago.
func (c *cursor) due() error {
	if time.Since(c.saved) < saveEvery {
		return nil
	}
	return c.save()
}

// next says when to store the cursor at the latest; zero: there is no need.
func (c *cursor) next() time.Time {
	if c.at == c.stored {
		return time.Time{}
	}
	return c.saved.Add(saveEvery)
}

// save stores the cursor, after the spool has made sure of what it has.
func (c *cursor) save() error {
	if c.at == c.stored {
		return nil
	}
	c.saved = time.Now()
	if err := c.sync(); err != nil {
		return fmt.Errorf("syncing the spool: %w", err)
	}
	if err := durable.WriteFile(durable.OS{}, c.path, encodeCursor(c.at), 0o600); err != nil {
		return fmt.Errorf("storing the journal's cursor in %s: %w", c.path, err)
	}
	c.stored, c.failing = c.at, false
	return nil
}
