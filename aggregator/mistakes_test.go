package aggregator_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/fault"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// damaged makes an encoder whose files are damaged before they are read back.
func damaged(t *testing.T, damage func(file []byte) []byte) *archive.Encoder {
	t.Helper()
	e, err := archive.NewEncoder(archive.Options{Formats: archivetest.Formats(t, "httplog"), Writer: "a1", Fault: &fault.Object{File: damage}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// flip changes one byte of a file.
func flip(r *rand.Rand, file []byte) []byte {
	file[r.IntN(len(file))] ^= byte(1 + r.IntN(255))
	return file
}

// fallback reports whether a file is one of the raw fall-back encoding.
func fallback(file []byte) bool { return bytes.Contains(file, []byte(`"fallback":true`)) }

// outcome is what must be there at the end: refused objects by attempt, lines
// without and with fields, and quarantined batches.
type outcome struct{ first, again, raw, bare, fields, quarantined bool }

// TestEncoderMistakes damages files between encoding and reading back, with a
// real broker and a real S3 server, and counts every line.
func TestEncoderMistakes(t *testing.T) {
	server := testenv.S3(t)
	made := 0
	random := rand.New(rand.NewPCG(3, 4))
	for _, tc := range []struct {
		name   string
		damage func(file []byte) []byte
		want   outcome
	}{
		{"never twice in a row", func(file []byte) []byte {
			if made++; made%2 == 1 {
				return flip(random, file)
			}
			return file
		}, outcome{first: true, fields: true}},
		{"a defect that makes wrong files", func(file []byte) []byte {
			if fallback(file) {
				return file
			}
			return flip(random, file)
		}, outcome{first: true, again: true, bare: true}},
		{"a defect that panics", func(file []byte) []byte {
			if !fallback(file) {
				panic("a defect")
			}
			return file
		}, outcome{first: true, again: true, bare: true}},
		{"at random", func(file []byte) []byte {
			if random.IntN(4) > 0 {
				return flip(random, file)
			}
			return file
		}, outcome{first: true, again: true, raw: true, bare: true, fields: true, quarantined: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			remote, err := objectstore.Open(t.Context(), server.URL(strings.ReplaceAll(tc.name, " ", "-")),
				objectstore.Options{AccessKey: server.AccessKey, SecretKey: server.SecretKey})
			if err != nil {
				t.Fatal(err)
			}
			defer remote.Close() //nolint:errcheck // a test's
			reg := metrics.New(aggregator.Metrics()...)
			c := r.config("a1")
			c.Window.Lines, c.Window.Age = 200, time.Second
			sent := r.send([]string{"a", "b", "c"}, 20, 20)
			run := r.run(c, aggregator.Deps{
				Archive: remote, Metrics: reg,
				Encoder: damaged(t, tc.damage),
			})
			eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
			run.stop()

			s := download(t, remote)
			archived, all := s.lines(t)
			if all != len(archived) {
				t.Errorf("%d lines are archived more than once", all-len(archived))
			}
			var kept []string
			for _, k := range s.keys("_quarantine/") {
				_, lines, _ := strings.Cut(string(s.objects[k]), "\r\n\r\n")
				kept = append(kept, strings.Split(strings.TrimSuffix(lines, "\n"), "\n")...)
			}
			bare, fields := 0, 0
			for _, k := range s.keys("dt=") {
				o, err := archive.Open(bytes.NewReader(s.objects[k]), int64(len(s.objects[k])))
				if err != nil {
					t.Fatal(err)
				}
				if m := o.Meta(); m.Fallback {
					bare += m.Lines
				} else {
					fields += m.Lines - m.Unparsed
				}
			}
			if got := slices.Sorted(slices.Values(append(archived, kept...))); !slices.Equal(got, sent) {
				t.Errorf("%d lines are archived and %d quarantined of %d sent, or they differ", len(archived), len(kept), len(sent))
			}
			count := func(name string, labels ...string) int { return int(reg.Counter(name, labels...).Get()) }
			if n := count("loghaul_archive_lines_total"); n != len(archived) {
				t.Errorf("%d lines are counted, %d archived", n, len(archived))
			}
			if n := count("loghaul_archive_fallback_lines_total"); n != bare {
				t.Errorf("%d lines of the fall-back are counted, %d archived", n, bare)
			}
			if n := count("loghaul_aggregator_quarantined_messages_total", "unverified"); n != len(s.keys("_quarantine/")) {
				t.Errorf("%d batches are counted as quarantined, there are %d", n, len(s.keys("_quarantine/")))
			}
			got := outcome{
				first: count("loghaul_aggregator_refused_objects_total", "first") > 0,
				again: count("loghaul_aggregator_refused_objects_total", "again") > 0,
				raw:   count("loghaul_aggregator_refused_objects_total", "raw") > 0,
				bare:  bare > 0, fields: fields > 0, quarantined: len(kept) > 0,
			}
			if got != tc.want {
				t.Errorf("outcome %+v, want %+v", got, tc.want)
			}
		})
	}
}

// download fetches all objects of a store.
func download(t *testing.T, from objectstore.Store) *store {
	t.Helper()
	s := &store{objects: map[string][]byte{}}
	err := from.List(t.Context(), "", func(o objectstore.Info) error {
		body, err := from.Get(t.Context(), o.Key)
		s.objects[o.Key] = body
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
