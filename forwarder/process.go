package forwarder

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/config"
)

// Process is how much of the machine a forwarder may take.
type Process struct {
	// Memory is what the process should stay below, its own code included. It
	// bounds the payloads that wait for the broker, and is where the garbage
	// collector begins to work harder.
	Memory config.Size `yaml:"memory"`
	// CPUs bounds the cores that it works on at the same time. A quota of the
	// cgroup that is smaller counts.
	CPUs int `yaml:"cpus"`
	// Nice is added to the scheduling priority: 0 to 19, the politest.
	Nice int `yaml:"nice"`
	// IO is the class of its disk accesses: none (as Nice says), best-effort
	// (the lowest of that class) or idle.
	IO string `yaml:"io"`
}

// The least memory with which a forwarder works well, and what of it is code,
// tables and the runtime: measured, see docs/benchmarks.md.
const (
	minMemory  = 24 << 20
	baseMemory = 14 << 20
)

func defaultProcess() Process { return Process{Memory: 40 << 20, CPUs: 2, IO: ioNone} }

// Classes of disk accesses, as ionice(1) names them.
const (
	ioNone       = "none"
	ioBestEffort = "best-effort"
	ioIdle       = "idle"
)

func (p *Process) validate(bad func(key, format string, a ...any)) {
	if p.Memory < minMemory {
		bad("process.memory", "%v is below %v, with which the forwarder would be busy saving memory", p.Memory, config.Size(minMemory))
	}
	if p.CPUs < 1 {
		bad("process.cpus", "%d is below 1", p.CPUs)
	}
	if p.Nice < 0 || p.Nice > 19 {
		bad("process.nice", "%d is not 0 to 19", p.Nice)
	}
	if !slices.Contains([]string{ioNone, ioBestEffort, ioIdle}, p.IO) {
		bad("process.io", "%q is not none, best-effort or idle", p.IO)
	}
}

// payloads is how many bytes of compressed batches may wait for the broker.
func (p *Process) payloads() int64 { return int64(p.Memory-baseMemory) / 2 }

// Apply sets the bounds of the whole process. Environment variables of Go
// (GOMEMLIMIT, GOMAXPROCS) win, as their users expect. What the kernel refuses
// is logged and nothing else: the forwarder works without it.
func (p *Process) Apply(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") == "" {
		// The runtime does not count the pages of the program's own file.
		debug.SetMemoryLimit(int64(p.Memory) - 8<<20)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// The runtime has set it to the cores, or the quota of the cgroup.
		runtime.GOMAXPROCS(min(p.CPUs, runtime.GOMAXPROCS(0)))
	}
	if err := p.prioritize(); err != nil {
		log.Warn("the priority of the process could not be set", "nice", p.Nice, "io", p.IO, "why", err)
	}
	log.Debug("process", "memory", p.Memory, "cpus", runtime.GOMAXPROCS(0), "nice", p.Nice, "io", p.IO)
}

// prioritize sets the priorities of all threads: to the kernel each has its
// own, and those to come inherit them.
func (p *Process) prioritize() error {
	class, level := 0, 0
	switch p.IO {
	case ioBestEffort:
		class, level = 2, 7
	case ioIdle:
		class = 3
	}
	if p.Nice == 0 && class == 0 {
		return nil
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list the threads: %w", err)
	}
	var errs []error
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if p.Nice > 0 {
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, p.Nice); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, fmt.Errorf("setpriority: %w", err))
			}
		}
		if class > 0 {
			const whoProcess = 1 // IOPRIO_WHO_PROCESS of ioprio_set(2)
			_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(tid), uintptr(class<<13|level))
			if errno != 0 && errno != unix.ESRCH {
				errs = append(errs, fmt.Errorf("ioprio_set: %w", errno))
			}
		}
	}
	return errors.Join(errs...)
}
