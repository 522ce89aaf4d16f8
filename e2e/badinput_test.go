package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestWrongConfigurationEndsWithCode2: what can never become right by waiting
// ends the daemon at once, with one line that says what, where and what to do.
func TestWrongConfigurationEndsWithCode2(t *testing.T) {
	c := newCluster(t, settings{})
	forwarder := c.forwarderConfig(c.forwarder.http, settings{})
	aggregator := c.aggregatorConfig("a", c.agg[0].http, c.url, settings{})
	const fwd, agg = "loghaul-forwarder", "loghaul aggregate"
	for _, test := range []struct {
		name   string
		daemon string
		config string
		says   []string
	}{
		{
			"forwarder: a typo in a key", fwd, forwarder + "batch: { lingr: 1s }\n",
			[]string{fmt.Sprintf(":%d:", strings.Count(forwarder, "\n")+1), `unknown key "lingr"`, `"linger"`},
		},
		{
			"aggregator: a typo in a key", agg, strings.Replace(aggregator, "timezone:", "timezon:", 1),
			[]string{`unknown key "timezon"`, `"timezone"`},
		},
		{
			"forwarder: a duration without a unit", fwd, forwarder + "batch: { linger: 5 }\n",
			[]string{"linger", "5"},
		},
		{
			"forwarder: no NATS URL", fwd, strings.Replace(forwarder, "nats://", "http://", 1),
			[]string{"http://127.0.0.1", "nats://"},
		},
		{
			"aggregator: no NATS URL", agg, strings.Replace(aggregator, "nats://", "http://", 1),
			[]string{"http://127.0.0.1", "nats://"},
		},
		{
			"aggregator: an archive URL of an unknown kind", agg, strings.Replace(aggregator, `"s3://`, `"ftp://`, 1),
			[]string{"ftp", "s3://"},
		},
		{
			"aggregator: a format that does not exist", agg, strings.Replace(aggregator, "[httplog]", "[httplogg]", 1),
			[]string{"httplogg", "httplog"},
		},
		{
			"aggregator: a time zone that does not exist", agg, strings.Replace(aggregator, "timezone: UTC", "timezone: Mars/Olympus", 1),
			[]string{"Mars/Olympus"},
		},
		{
			"forwarder: no input", fwd, strings.Replace(forwarder, "inputs:\n  - file: "+c.input+"\n", "", 1),
			[]string{"inputs"},
		},
		{
			"forwarder: the state folder is a file", fwd, strings.Replace(forwarder, "state: "+c.state, "state: "+filepath.Join(c.dir, "nats", "nats.conf"), 1),
			[]string{"nats.conf"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(workDir(t), "bad.yaml")
			if err := os.WriteFile(path, []byte(test.config), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(strings.Fields(test.daemon), "--config", path)
			d := newDaemon(t, filepath.Dir(path), "daemon", "", args[0], args[1:]...)
			d.env = c.s3.Env()
			d.Start()
			code, output := d.Exit(10 * time.Second)
			if code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, want := range test.says {
				if !strings.Contains(output, want) {
					t.Errorf("the message lacks %q", want)
				}
			}
			if lines := strings.Count(output, "\n"); lines > 3 {
				t.Errorf("%d lines of output, want one that says it all", lines)
			}
			if t.Failed() {
				t.Logf("output:\n%s", output)
			}
		})
	}
}

func TestConfigurationFileThatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	for _, args := range [][]string{{"loghaul-forwarder"}, {"loghaul", "aggregate"}, {"loghaul", "forward"}, {"loghaul", "broker", "setup"}} {
		_, stderr, code := command(t, nil, append(args, "--config", missing)...)
		if code != 2 || !strings.Contains(stderr, missing) {
			t.Errorf("%v: exit code %d, want 2 and the file's name:\n%s", args, code, stderr)
		}
	}
}

// waiting wants a daemon that stays up, is not ready, and says all of says in
// its log or in /readyz.
func waiting(t *testing.T, d *daemon, says ...string) {
	t.Helper()
	var missing string
	eventually(t, 20*time.Second, d.name+" says what it waits for", func() bool {
		select {
		case <-d.proc.Exited():
			t.Fatalf("%s ended with %v; this can become right by itself\n%s", d.name, d.proc.Wait(), d.proc.Output())
		default:
		}
		code, why := d.get("/readyz")
		if code != http.StatusServiceUnavailable {
			return false
		}
		missing = ""
		for _, s := range says {
			if !strings.Contains(why+d.proc.Output(), s) {
				missing = s
			}
		}
		return missing == "" || strings.Count(d.proc.Output(), "\n") > 200
	})
	if missing != "" {
		t.Errorf("%s does not say %q:\n%s", d.name, missing, d.proc.Output())
	}
	if code := d.status("/healthz"); code != http.StatusOK {
		t.Errorf("%s: /healthz is %d while it waits, want 200", d.name, code)
	}
}

// passes wants the path to work once the trouble is over.
func (c *cluster) passes() {
	c.t.Helper()
	c.forwarder.AwaitReady()
	c.agg[0].AwaitReady()
	lines, size := writeFile(c.t, c.input, 100_000)
	c.awaitArchived(size, arrivalLimit)
	c.forwarder.Stop()
	c.agg[0].Stop()
	c.checkLines(lines)
}

func TestMissingStreamIsNamedAndWaitedFor(t *testing.T) {
	c := newCluster(t, settings{noSetup: true})
	c.forwarder.Start()
	c.agg[0].Start()
	waiting(t, c.forwarder, "RAW-0", "loghaul broker setup")
	waiting(t, c.agg[0], "RAW-00", "loghaul broker setup")
	c.setup()
	c.passes()
}

func TestWrongNATSPassword(t *testing.T) {
	c := newCluster(t, settings{
		noSetup: true,
		nats:    `authorization { users: [ { user: hauler, password: right } ] }`,
		env:     []string{"LOGHAUL_NATS_USER=hauler", "LOGHAUL_NATS_PASSWORD=wrong"},
	})
	c.forwarder.Start()
	c.agg[0].Start()
	waiting(t, c.forwarder, "uthoriz", c.nats.URL)
	waiting(t, c.agg[0], "uthoriz", c.nats.URL)
	c.forwarder.Kill()
	c.agg[0].Kill()
	c.env("LOGHAUL_NATS_PASSWORD=right")
	c.setup()
	c.forwarder.Start()
	c.agg[0].Start()
	c.passes()
}

func TestBrokerThatIsNotThereYet(t *testing.T) {
	c := newCluster(t, settings{})
	c.nats.Kill()
	c.forwarder.Start()
	c.agg[0].Start()
	waiting(t, c.forwarder, strings.TrimPrefix(c.nats.URL, "nats://"))
	waiting(t, c.agg[0], strings.TrimPrefix(c.nats.URL, "nats://"))
	c.nats.Start()
	c.passes()
}

func TestMissingBucketIsNamedAndWaitedFor(t *testing.T) {
	s3 := testenv.S3(t)
	c := newCluster(t, settings{s3: s3})
	removeAll(t, filepath.Join(s3.Dir, s3.Bucket))
	c.forwarder.Start()
	c.agg[0].Start()
	waiting(t, c.agg[0], "bucket", s3.Bucket)
	s3.AddBucket(s3.Bucket)
	c.passes()
}

func TestWrongS3Secret(t *testing.T) {
	c := newCluster(t, settings{})
	right := c.agg[0].env
	c.agg[0].env = append(slices.Clip(right), "AWS_SECRET_ACCESS_KEY=wrong")
	c.forwarder.Start()
	c.agg[0].Start()
	waiting(t, c.agg[0], "AWS_SECRET_ACCESS_KEY", c.s3.Endpoint)
	c.agg[0].Kill()
	c.agg[0].env = right
	c.agg[0].Start()
	c.passes()
}

// TestUnreadableFileIsNamedAndWaitedFor runs the forwarder as a user that may
// not read the file yet.
func TestUnreadableFileIsNamedAndWaitedFor(t *testing.T) {
	c := newCluster(t, settings{})
	if err := os.Chmod(c.dir, 0o777); err != nil { //nolint:gosec // another user must get in
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.dir, "forwarder.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	lines, size := writeFile(t, c.input, 100_000)
	if err := os.Chmod(c.input, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(binDir, 0o755); err != nil { //nolint:gosec // holds the binaries under test only
		t.Fatal(err)
	}
	c.forwarder.startAsNobody()
	c.agg[0].Start()
	waiting(t, c.forwarder, c.input, "may not read")
	if err := os.Chmod(c.input, 0o644); err != nil {
		t.Fatal(err)
	}
	c.forwarder.AwaitReady()
	c.awaitArchived(size, arrivalLimit)
	c.checkLines(lines)
}

// startAsNobody is Start as another user, when the tests run as root.
func (d *daemon) startAsNobody() {
	d.t.Helper()
	cmd := exec.Command(d.bin, d.args...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	d.proc = testenv.StartIn(d.t, d.dir, d.name, cmd)
}
