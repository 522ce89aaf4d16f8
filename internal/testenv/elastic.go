package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// ElasticVersion and ElasticNextVersion are what scripts/tools/elasticsearch.sh
	// installs. Tests use the first one; one test uses the next major version.
	ElasticVersion = "8.19.4"
	// ElasticNextVersion is the next major version.
	ElasticNextVersion = "9.2.0"
	elasticStartLimit  = 5 * time.Minute
	// nobody runs Elasticsearch when the tests run as root, which it refuses.
	nobody, nogroup = 65534, 65534
)

// ElasticServer is a single-node Elasticsearch with security off and a heap of
// 512 MB, so about 760 MB and 15 CPU seconds of start: use Shared where tests can.
type ElasticServer struct {
	// URL is where it answers: http://127.0.0.1:PORT.
	URL string

	t     testing.TB
	home  string
	java  string
	dir   string
	args  []string
	proc  *Process
	ready func() bool
}

// ElasticSetting is a setting for the command line of Elasticsearch, such as
// "thread_pool.write.queue_size=1".
type ElasticSetting string

// TinyQueues makes Elasticsearch refuse with 429 under a few parallel bulk
// requests, both whole requests and single items.
func TinyQueues() []ElasticSetting {
	return []ElasticSetting{"thread_pool.write.size=1", "thread_pool.write.queue_size=1", "indexing_pressure.memory.limit=8mb"}
}

// Elastic starts an Elasticsearch and returns when it is ready. It ends with
// the test.
func Elastic(t testing.TB, settings ...ElasticSetting) *ElasticServer {
	t.Helper()
	return startElastic(t, ElasticVersion, javaHome(t), settings)
}

// ElasticNext starts the next major version, which wants Java 21 or later.
func ElasticNext(t testing.TB, settings ...ElasticSetting) *ElasticServer {
	t.Helper()
	return startElastic(t, ElasticNextVersion, newerJava(t, 21), settings)
}

func startElastic(t testing.TB, version, java string, settings []ElasticSetting) *ElasticServer {
	t.Helper()
	dir := tempDir(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := newElastic(t, dir, version, settings)
	s.java = java
	s.own()
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

func newElastic(t testing.TB, dir, version string, settings []ElasticSetting) *ElasticServer {
	t.Helper()
	s := &ElasticServer{t: t, dir: dir, home: toolTree(t, "elasticsearch-"+version), java: javaHome(t)}
	s.ready = func() bool { return status(s.URL+"/_cluster/health") == 200 }
	if os.Getuid() == 0 && !othersMayEnter(s.home) {
		// The user nobody can't reach the tools folder: give it a copy.
		s.copyTree(s.home, "home")
		s.home = filepath.Join(dir, "home")
	}
	s.copyTree(filepath.Join(s.home, "config"), "config")
	for _, name := range []string{"data", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	port := FreePort(t)
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.args = []string{
		"discovery.type=single-node", "network.host=127.0.0.1",
		"http.port=" + strconv.Itoa(port), "transport.port=" + strconv.Itoa(FreePort(t)),
		"xpack.security.enabled=false", "cluster.routing.allocation.disk.threshold_enabled=false",
		// By default it answers 429 while its small heap waits to be collected.
		"indices.breaker.total.use_real_memory=false",
		"node.processors=2", "path.data=" + filepath.Join(dir, "data"), "path.logs=" + filepath.Join(dir, "logs"),
	}
	for _, o := range settings {
		s.args = append(s.args, string(o))
	}
	return s
}

// Start runs the server again after a Kill, on the same port and data, and
// returns when it answers.
func (s *ElasticServer) Start() {
	s.t.Helper()
	var args []string
	for _, a := range s.args {
		args = append(args, "-E", a)
	}
	cmd := exec.Command(filepath.Join(s.home, "bin", "elasticsearch"), args...) //nolint:noctx // ended by Kill
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "ES_TMPDIR=" + filepath.Join(s.dir, "tmp"),
		"ES_PATH_CONF=" + filepath.Join(s.dir, "config"), "ES_JAVA_HOME=" + s.java,
		// The second compiler would take 8 of 24 CPU seconds of a start, and give
		// nothing back to a server that lives for a minute.
		"ES_JAVA_OPTS=-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nogroup}
	}
	s.proc = start(s.t, "elasticsearch", cmd, s.dir)
	s.proc.ready(elasticStartLimit, s.ready)
}

// Kill ends the server as a crash would. Its data stays.
func (s *ElasticServer) Kill() { s.proc.Kill() }

func (s *ElasticServer) ended() bool {
	select {
	case <-s.proc.Exited():
		return true
	default:
		return false
	}
}

// Pause freezes the server: its connections stay open and nothing answers.
func (s *ElasticServer) Pause() { s.proc.Pause() }

// Resume ends a Pause.
func (s *ElasticServer) Resume() { s.proc.Resume() }

// own hands the server's folder to the user that it runs as.
func (s *ElasticServer) own() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nogroup)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *ElasticServer) copyTree(from, name string) {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, name), os.DirFS(from)); err != nil {
		s.t.Fatalf("copying %s: %v", from, err)
	}
}

// tempDir makes a folder that other users may enter, unlike testing's, whose
// life is not tied to a single test.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "loghaul-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // it holds test data only
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// othersMayEnter reports whether every folder on the way to path is open to
// all users.
func othersMayEnter(path string) bool {
	for {
		st, err := os.Stat(path)
		if err != nil || st.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

// javaHome gives the folder of a Java runtime: $JAVA_HOME, or where the java
// in PATH really lies.
func javaHome(t testing.TB) string {
	t.Helper()
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return home
	}
	java, err := exec.LookPath("java")
	if err == nil {
		java, err = filepath.EvalSymlinks(java)
	}
	if err != nil {
		t.Fatalf("Elasticsearch needs Java 17 or later (apt-get install openjdk-17-jre-headless), or set JAVA_HOME: %v", err)
	}
	return strings.TrimSuffix(filepath.Dir(java), "/bin")
}

// newerJava gives the folder of a Java runtime of at least a version: $JAVA_HOME,
// the java in PATH, or one below /usr/lib/jvm, where packages install them.
func newerJava(t testing.TB, least int) string {
	t.Helper()
	homes, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range append([]string{javaHome(t)}, homes...) {
		// Every JDK since 9 has this file: JAVA_VERSION="25.0.1".
		b, err := os.ReadFile(filepath.Join(home, "release"))
		if err != nil {
			continue
		}
		_, version, _ := strings.Cut(string(b), `JAVA_VERSION="`)
		version, _, _ = strings.Cut(version, `"`)
		version, _, _ = strings.Cut(version, ".")
		if n, err := strconv.Atoi(version); err == nil && n >= least {
			return home
		}
	}
	t.Fatalf("Elasticsearch %s needs a JDK of version %d or later below /usr/lib/jvm (as the packages openjdk-21-jre-headless and temurin-25-jdk install it), or set JAVA_HOME", ElasticNextVersion, least)
	return ""
}
