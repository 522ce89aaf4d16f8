package main

import (
	"bytes"
	"log/slog"
	"slices"
	"sync"
)

// maxNotes bounds the log lines under the screen.
const maxNotes = 4

// notes takes the place of stderr for the logger while the screen is shown: it
// keeps the last lines, which the screen prints below itself.
type notes struct {
	mu    sync.Mutex
	lines []string
}

// logger logs warnings and errors as text without the time.
func (n *notes) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// Write takes one record.
func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, printable(string(bytes.TrimSuffix(p, []byte("\n")))))
	if extra := len(n.lines) - maxNotes; extra > 0 {
		n.lines = slices.Delete(n.lines, 0, extra)
	}
	return len(p), nil
}

func (n *notes) recent() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lines) == 0 {
		return nil
	}
	return append([]string{""}, n.lines...)
}
