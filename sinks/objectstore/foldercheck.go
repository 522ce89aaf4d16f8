package objectstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/sinks"
)

// Bounds below which free space is called weak.
const (
	lowSpace  = 10 << 30
	lowInodes = 100_000
)

// fileSystems are magic numbers of statfs(2), <linux/magic.h>, that say
// something about durability.
func fileSystems() map[int64]struct{ name, verdict, says, do string } {
	const server = "whether an fsync reaches its disk is up to the server"
	return map[int64]struct{ name, verdict, says, do string }{
		0x01021994: {"tmpfs", Missing, "it is memory: everything is gone after a restart", "put the archive on a disk"},
		0x858458f6: {"ramfs", Missing, "it is memory: everything is gone after a restart", "put the archive on a disk"},
		0x6969:     {"NFS", Weak, server, "export it with sync, mount it hard, and test a loss of the server's power"},
		0xff534d42: {"CIFS", Weak, server, "mount it with cache=none, or put the archive on a disk"},
		0xfe534d42: {"SMB2", Weak, server, "mount it with cache=none, or put the archive on a disk"},
		0x65735546: {"FUSE", Weak, "what an fsync does is up to the program behind it", "where that is an object store, use its S3 address instead"},
		0x794c7630: {"overlayfs", Weak, "it is a container's own file system, and goes with it", "mount a volume"},
	}
}

// Probe follows Prober.
func (f *folder) Probe(ctx context.Context, found func(Finding)) error {
	p := newProbing(found)
	dir := f.path(p.dir)
	defer func() {
		_ = os.RemoveAll(dir)              // what stays is small, and named
		_ = os.Remove(f.path(CheckPrefix)) // only if it is empty
	}()
	first := p.group("first", probeContent)
	if err := f.Write(ctx, first); err != nil {
		return err
	}
	f.probeFileSystem(&p)
	f.probeCreateOnly(ctx, &p)
	if b, err := f.Get(ctx, first.Key); err != nil || string(b) != probeContent {
		p.is("read after write", Missing, fmt.Sprintf("a file did not read back: %v", err), "check the disk")
	} else {
		p.is("read after write", OK, "a file reads back as soon as it is stored", "")
	}
	p.probeRanges(ctx, f, first.Key, probeContent)
	for _, name := range listedNames() {
		if err := f.Write(ctx, p.group(name, probeContent)); err != nil {
			return err
		}
	}
	p.probeListing(ctx, f, listedNames(), map[string]bool{first.Key: true, p.dir + "race": true})
	p.is("deleting", Weak, "whoever may write to a folder may delete from it", "snapshots, a backup, or an archive on S3 with Object Lock; keep a copy elsewhere")
	return ctx.Err()
}

func (f *folder) probeFileSystem(p *probing) {
	probe := filepath.Join(f.path(p.dir), "fsync")
	file, err := os.OpenFile(probe, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(probeContent)
		err = errors.Join(err, file.Sync(), file.Close(), durable.SyncDir(filepath.Dir(probe)), os.Remove(probe))
	}
	if err != nil {
		p.is("fsync", Missing, err.Error(), "use a file system that can fsync files and folders")
		return
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(f.root, &st); err != nil {
		p.is("file system", Weak, err.Error(), "")
		return
	}
	if fs, ok := fileSystems()[int64(st.Type)]; ok { //nolint:unconvert // another size elsewhere
		p.is("fsync", fs.verdict, fs.name+": "+fs.says, fs.do)
	} else {
		p.is("fsync", OK, "files and folders were synced without an error; the disk is believed", "")
	}
	free, size := int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize //nolint:gosec // a disk is smaller
	says := fmt.Sprintf("%v of %v are free", rounded(free), rounded(size))
	switch {
	case free < lowSpace || free < size/20:
		p.is("free space", Weak, says, "make room or use loghaul archive expire: a full archive makes lines wait in the broker, then in the forwarders")
	case st.Files > 0 && st.Ffree < lowInodes:
		p.is("free space", Weak, fmt.Sprintf("%s, but only %d more files fit", says, st.Ffree), "use a file system with more inodes, or larger windows")
	default:
		p.is("free space", OK, says, "")
	}
	if st, err := os.Stat(f.root); err == nil && st.Mode().Perm()&0o007 != 0 {
		p.is("permissions", Weak, fmt.Sprintf("everybody on this machine can enter it (%v)", st.Mode().Perm()), "chmod o-rwx "+f.root)
	}
}

// rounded gives a size with three digits or more of its unit.
func rounded(n int64) config.Size {
	for _, unit := range []int64{1 << 30, 1 << 20} {
		if n >= 100*unit {
			return config.Size(n / unit * unit)
		}
	}
	return config.Size(n >> 10 << 10)
}

// probeCreateOnly stores the same key again, and another one from several
// writers at once.
func (f *folder) probeCreateOnly(ctx context.Context, p *probing) {
	const name, do = "create-only", "use a file system with hard links: ext4, XFS, btrfs, ZFS, NFS"
	if err := f.Write(ctx, p.group("first", "other content")); !errors.Is(err, sinks.ErrConflict) {
		p.is(name, Missing, fmt.Sprintf("a second file of one name gave: %v", err), do)
		return
	}
	results := make([]error, 8)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = f.Write(ctx, p.group("race", fmt.Sprintf("writer %d", i))) })
	}
	all.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, sinks.ErrConflict) {
			p.is(name, Missing, err.Error(), do)
			return
		}
	}
	if won != 1 {
		p.is(name, Missing, fmt.Sprintf("of %d writers of one name at once %d succeeded", len(results), won), do)
		return
	}
	p.is(name, OK, fmt.Sprintf("hard links: a name that is taken is refused, and of %d writers at once one succeeded", len(results)), "")
}

var _ Prober = (*folder)(nil)
