package testenv

import (
	"log/slog"
	"strings"
	"sync"
)

// Log keeps what is logged, for tests to look at. Everybody may use it at any
// time.
type Log struct {
	mu sync.Mutex
	b  strings.Builder
}

// Logger gives a logger that writes here, as text.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Write is that of io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String gives all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Count says how often text is in it.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }
