package tail

import (
	"compress/gzip"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/wire"
)

// compress does what logrotate has done: the file goes, its time stays.
func (w *world) compress(name, ext string) {
	b, err := os.ReadFile(name)
	w.must(err)
	st, err := statPath(name)
	w.must(err)
	f, err := os.Create(name + ext)
	w.must(err)
	switch ext {
	case ".gz":
		z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
		w.must(err)
		_, err = z.Write(b)
		w.must(err)
		w.must(z.Close())
	case ".zst":
		z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
		w.must(err)
		_, err = z.Write(b)
		w.must(err)
		w.must(z.Close())
	}
	w.must(f.Close())
	w.stamp(name+ext, st.mtime)
	packed, err := statPath(name + ext)
	w.must(err)
	w.must(os.Remove(name))
	for _, g := range w.gens {
		if g.key == st.key && !g.unlinked {
			g.key, g.packed = packed.key, true
		}
	}
}

func TestReadOnInWhatItWasCompressedTo(t *testing.T) {
	for _, ext := range []string{".gz", ".zst"} {
		for _, restart := range []bool{false, true} {
			w := plain(t)
			w.cfg.Links = "" // it would keep the plain one
			w.crash(0)
			w.start()
			w.lines(w.w, 60, 150)
			w.scan()
			w.ship(1)
			w.ack(1)
			w.save()
			w.crash(0)
			w.lines(w.w, 2, 300)
			w.rotate(false)
			w.hangUp(0)
			w.compress(w.log+".1", ext)
			w.start()
			w.now = w.now.Add(2 * w.cfg.RotatedWait)
			w.scan()
			w.ship(2)
			w.ack(1)
			if restart {
				w.save()
				w.crash(0)
				w.start()
			}
			w.settle()
			if got, want := w.archived(), string(w.gens[0].bytes); got != want {
				t.Errorf("%s, restart %v: %d bytes are archived, want %d", ext, restart, len(got), len(want))
			}
			if n := w.lostNow(); n != 0 {
				t.Errorf("%s, restart %v: %d bytes are counted as lost", ext, restart, n)
			}
			w.shift() // the compressed file goes on being renamed
			w.drain()
			w.check()
		}
	}
}

func TestCompressedBeforeAnybodySawIt(t *testing.T) {
	w := plain(t)
	w.crash(0)
	w.lines(w.w, 60, 150)
	w.rotate(false)
	w.hangUp(0)
	w.lines(w.w, 60, 150)
	w.rotate(false)
	w.hangUp(0)
	w.compress(w.log+".1", ".gz")
	w.compress(w.log+".2", ".zst")
	w.start()
	w.settle()
	w.check()
	if len(w.broker.streams) != 2 {
		t.Errorf("%d sources, want 2", len(w.broker.streams))
	}
}

func TestArchivesOfWhatWasReadAreLeftAlone(t *testing.T) {
	w := plain(t)
	w.lines(w.w, 60, 150)
	w.drain()
	w.rotate(false)
	w.hangUp(0)
	w.drain()
	w.save()
	w.compress(w.log+".1", ".gz")
	w.drain()
	w.save()
	w.crash(0)
	w.start()
	w.settle()
	w.check()
}

// TestDamagedArchive: what is readable is read, what is known of the rest is
// declared.
func TestDamagedArchive(t *testing.T) {
	w := plain(t)
	w.cfg.Links = ""
	w.crash(0)
	w.start()
	w.lines(w.w, 60, 150)
	w.scan()
	w.save()
	w.crash(0)
	w.rotate(false)
	w.hangUp(0)
	size := int64(len(w.gens[0].bytes))
	w.compress(w.log+".1", ".gz")
	st, err := os.Stat(w.log + ".1.gz")
	w.must(err)
	w.must(os.Truncate(w.log+".1.gz", st.Size()*3/4))
	w.stamp(w.log+".1.gz", w.now.UnixNano())
	w.start()
	w.settle()
	for _, s := range w.broker.streams {
		d := asDigits(s)
		if int64(len(d)) != size || !strings.HasPrefix(d, "1") || !strings.HasSuffix(d, "2") {
			t.Errorf("%d of %d bytes are archived or declared: %.3s…%s", len(d), size, d, d[len(d)-3:])
		}
	}
	var lost int64
	w.ledger.Each(func(a *ledger.Account) { lost += a.Lost(wire.Gone).Bytes.Load() })
	if lost == 0 || lost != w.lost.declared {
		t.Errorf("%d bytes are counted as lost, %d declared", lost, w.lost.declared)
	}
}
