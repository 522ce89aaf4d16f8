package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/loghaul/loghaul/internal/durable"
)

// lockFolder takes a data folder for this process. The lock ends with the
// process, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := durable.Lock(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		err = errors.Join(fmt.Errorf("the data folder %s is in use by another loghaul (process %s): stop that one, or choose another folder with --data",
			dir, strings.TrimSpace(string(holder))), f.Close())
		return nil, err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder: %w", err), f.Close())
	}
	return f, nil
}
