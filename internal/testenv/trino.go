package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Versions of the SQL engines that `make tools` installs.
const (
	TrinoVersion = "476"
	SparkVersion = "4.3.0"
)

const trinoStartLimit = 2 * time.Minute

// TrinoServer is a Trino with one catalog, lake, of the Hive connector over a
// bucket. Its metastore is the folder meta of the bucket.
type TrinoServer struct {
	// URL is that of its HTTP interface.
	URL string
}

// Trino starts a Trino over the bucket of s3 and returns when it is ready. It
// ends with the test.
func Trino(t testing.TB, s3 *S3Server) *TrinoServer {
	t.Helper()
	home, dir, port := toolTree(t, "trino-"+TrinoVersion), t.TempDir(), FreePort(t)
	s := &TrinoServer{URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
	for name, lines := range map[string][]string{
		"node.properties": {"node.environment=test", "node.bind-ip=127.0.0.1", "node.internal-address=127.0.0.1"},
		// Compiling less well but at once suits a process that lives for seconds.
		"jvm.config": {"-Xmx768M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"},
		"config.properties": {
			"coordinator=true", "node-scheduler.include-coordinator=true",
			fmt.Sprintf("http-server.http.port=%d", port), "discovery.uri=" + s.URL,
		},
		"catalog/lake.properties": {
			"connector.name=hive", "hive.metastore=file", "hive.metastore.catalog.dir=s3://" + s3.Bucket + "/meta",
			"hive.recursive-directories=true", "fs.native-s3.enabled=true", "s3.endpoint=" + s3.Endpoint, "s3.region=" + s3.Region, "s3.path-style-access=true",
			"s3.aws-access-key=" + s3.AccessKey, "s3.aws-secret-key=" + s3.SecretKey,
		},
	} {
		path := filepath.Join(dir, "etc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(home, "bin", "launcher"), "run", //nolint:noctx // ended with the test
		"--etc-dir="+filepath.Join(dir, "etc"), "--data-dir="+filepath.Join(dir, "data"), "-jvm-dir="+filepath.Join(home, "java"))
	p := Start(t, "trino", cmd)
	p.ready(trinoStartLimit, func() bool { return strings.Contains(body(s.URL+"/v1/info"), `"starting":false`) })
	return s
}

// body gives what a URL answers, "" if it does not.
func body(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return ""
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or not needed
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}

// Python gives the interpreter of the tools' virtual environment, which has
// DuckDB, and the environment in which it finds Spark.
func Python(t testing.TB) (path string, env []string) {
	t.Helper()
	home := toolTree(t, "spark-"+SparkVersion)
	py4j, err := filepath.Glob(filepath.Join(home, "lib", "py4j-*.zip"))
	if err != nil || len(py4j) != 1 {
		t.Fatalf("Spark in %s has no py4j: run `make tools`", home)
	}
	for _, dir := range toolDirs(t) {
		path = filepath.Join(dir, "venv", "bin", "python")
		if _, err := os.Stat(path); err == nil {
			return path, append(os.Environ(), "SPARK_HOME="+home, "PYTHONPATH="+home+":"+py4j[0],
				"JAVA_HOME="+javaHome(t), "SPARK_LOCAL_IP=127.0.0.1")
		}
	}
	t.Fatal("the test needs a virtual environment with DuckDB: run `make tools`")
	return "", nil
}
