package gaps_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
)

// memory is a create-only store that dies on request.
type memory struct {
	objects map[string][]byte
	// steps is how many writes still work; negative is all. The one that does not
	// is done all the same if late is set.
	steps int
	late  bool
}

var errDead = errors.New("the process is dead")

func newMemory() *memory { return &memory{objects: map[string][]byte{}, steps: -1} }

func (m *memory) write(do func()) error {
	if m.steps == 0 {
		if m.late {
			m.late = false
			do()
		}
		return errDead
	}
	m.steps--
	do()
	return nil
}

func (m *memory) Put(_ context.Context, key string, body []byte) error {
	if old, ok := m.objects[key]; ok && !bytes.Equal(old, body) {
		return fmt.Errorf("%s: other content", key)
	}
	return m.write(func() { m.objects[key] = bytes.Clone(body) })
}

func (m *memory) Delete(_ context.Context, key string) error {
	if !strings.HasPrefix(key, gaps.Prefix) {
		return fmt.Errorf("%s must not be deleted", key)
	}
	return m.write(func() { delete(m.objects, key) })
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	if b, ok := m.objects[key]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("%s: %w", key, gaps.ErrGone)
}

func (m *memory) List(_ context.Context, prefix string, fn func(gaps.Info) error) error {
	for _, k := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(k, prefix) {
			if err := fn(gaps.Info{Key: k, Size: int64(len(m.objects[k]))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	b, err := m.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(b).ReadAt(p, off)
}

const stream = "logs-haproxy.log-test"

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// key is that of an object that nobody made.
func key(writer string, sealed time.Time) string {
	return fmt.Sprintf("%s%s-%d-%012x.parquet", sealed.UTC().Format("dt=2006-01-02/hour=15/"), writer, sealed.UnixMilli(), sealed.UnixMilli())
}

func add(t testing.TB, s *gaps.Set, key string, first, last int, reason string) {
	t.Helper()
	if err := s.Add(gaps.Gap{Key: key, Rows: gaps.Span{First: first, Last: last}, Lines: last - first + 1, Reason: reason}, noon); err != nil {
		t.Fatal(err)
	}
}
