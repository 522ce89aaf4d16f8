package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("inputs: [{file: /var/log/haproxy.log}]\nbatch: {lingr: 1s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good.yaml"), []byte("state: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "Exit codes: 0"},
		{[]string{"--version"}, 0, "loghaul-forwarder"},
		{nil, 2, "--config FILE is missing"},
		{[]string{"--confg", "x"}, 2, "confg"},
		{[]string{"status", "--config", filepath.Join(dir, "good.yaml")}, 1, "no forwarder answers at " + dir},
		{[]string{"status", "--config", bad}, 2, bad + ":2"},
		{[]string{"status", "--config", filepath.Join(dir, "good.yaml"), "--output", "xml"}, 2, "want text or json"},
		{[]string{"--config", bad, "more"}, 2, "more"},
		{[]string{"--config", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
		{[]string{"--config", bad}, 2, bad + ":2"},
	} {
		var out, err bytes.Buffer
		code := run(test.args, &out, &err)
		if code != test.code || !strings.Contains(out.String()+err.String(), test.says) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s%s", test.args, code, test.code, test.says, &out, &err)
		}
	}
}
