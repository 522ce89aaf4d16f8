// Package logging makes the structured logger of a daemon. It is handed to the
// parts; there is no global one.
package logging

import (
	"io"
	"log/slog"

	"github.com/loghaul/loghaul/internal/config"
)

// Config is the `log` section of a daemon's file.
type Config struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
}

// Default logs from info upwards, as text.
func Default() Config { return Config{Level: "info", Format: "text"} }

// Validate checks the words.
func (c Config) Validate() error {
	if _, err := c.level(); err != nil {
		return err
	}
	if c.Format != "text" && c.Format != "json" {
		return config.Invalid("format", "got %q, want text or json", c.Format)
	}
	return nil
}

// New makes a logger that writes to w. c must be valid.
func New(w io.Writer, c Config) (*slog.Logger, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	level, _ := c.level()
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

func (c Config) level() (slog.Level, error) {
	switch c.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, config.Invalid("level", "got %q, want debug, info, warn or error", c.Level)
}
