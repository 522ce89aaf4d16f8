package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/loghaul/loghaul/internal/testenv"
)

// Images cannot be run in these tests. What can be known about deploy/ without
// running them is checked here: each configuration by the program that reads it.

func deployFile(t *testing.T, path ...string) string {
	t.Helper()
	return filepath.Join(append([]string{testenv.Root(t)}, path...)...)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeployedConfigurationsAreValid(t *testing.T) {
	check := func(kind, path string) {
		t.Helper()
		if code, _, errs := call(t, "config", "check", "--kind", kind, path); code != 0 {
			t.Errorf("%s: exit code %d: %s", path, code, errs)
		}
	}
	for _, kind := range kinds() {
		check(kind, deployFile(t, "deploy", "compose", kind+".yaml"))
		for _, doc := range manifests(t, deployFile(t, "deploy", "kubernetes", kind+".yaml")) {
			if doc.Kind == "ConfigMap" {
				check(kind, write(t, kind+".yaml", doc.Data[kind+".yaml"]))
			}
		}
	}
	run := func(name string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), testenv.Tool(t, name), args...).CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	run("nats-server", "-t", "-c", deployFile(t, "deploy", "nats", "nats-server.conf"))
	run("haproxy", "-c", "-f", deployFile(t, "deploy", "compose", "haproxy.cfg"))
}

type resource struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []struct {
					VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name      string
					ConfigMap struct{ Name string } `yaml:"configMap"`
				}
			}
		}
	}
}

func manifests(t *testing.T, path string) []resource {
	t.Helper()
	var all []resource
	for d := yaml.NewDecoder(bytes.NewReader(readFile(t, path))); ; {
		var m resource
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, m)
	}
}

func TestManifestsReferToWhatTheyDefine(t *testing.T) {
	for _, kind := range kinds() {
		path := deployFile(t, "deploy", "kubernetes", kind+".yaml")
		docs := manifests(t, path)
		if len(docs) != 2 || docs[0].Kind != "ConfigMap" {
			t.Fatalf("%s: want a ConfigMap and what uses it, got %d documents", path, len(docs))
		}
		spec := docs[1].Spec
		if d := cmp.Diff(spec.Selector.MatchLabels, spec.Template.Metadata.Labels); d != "" || len(spec.Selector.MatchLabels) == 0 {
			t.Errorf("%s: the selector does not select the pods:\n%s", path, d)
		}
		volumes := map[string]bool{}
		for _, v := range spec.Template.Spec.Volumes {
			volumes[v.Name] = true
			if c := v.ConfigMap.Name; c != "" && c != docs[0].Metadata.Name {
				t.Errorf("%s: ConfigMap %q is not here", path, c)
			}
		}
		for _, c := range spec.Template.Spec.Containers {
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s: volume %q is not defined", path, m.Name)
				}
			}
		}
	}
}

func TestComposeRefersToWhatExists(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image     string
			Volumes   []string
			Build     struct{ Dockerfile string }
			DependsOn yaml.Node `yaml:"depends_on"`
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(readFile(t, deployFile(t, "docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) < 8 {
		t.Fatalf("%d services", len(compose.Services))
	}
	for name, s := range compose.Services {
		if f := s.Build.Dockerfile; f != "" {
			readFile(t, deployFile(t, f))
		} else {
			pinned(t, "docker-compose.yml", s.Image)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if path, ok := strings.CutPrefix(from, "./"); ok {
				readFile(t, deployFile(t, path))
			} else if _, ok := compose.Volumes[from]; !ok {
				t.Errorf("service %s: volume %q is not defined", name, from)
			}
		}
		for _, n := range s.DependsOn.Content {
			if _, ok := compose.Services[n.Value]; n.Kind == yaml.ScalarNode && !ok {
				t.Errorf("service %s depends on %q, which is not there", name, n.Value)
			}
		}
	}
}

func TestImagesArePinned(t *testing.T) {
	from := regexp.MustCompile(`(?m)^FROM (\S+)`)
	files, err := filepath.Glob(deployFile(t, "deploy", "docker", "Dockerfile.*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		for _, m := range from.FindAllSubmatch(readFile(t, f), -1) {
			if image := string(m[1]); image != "scratch" {
				pinned(t, f, image)
			}
		}
	}
}

// pinned wants a tag that begins with a full version.
func pinned(t *testing.T, where, image string) {
	t.Helper()
	if !regexp.MustCompile(`:v?\d+\.\d+\.\d+(-[a-z]+)?$`).MatchString(image) {
		t.Errorf("%s: image %q is not pinned to a version", where, image)
	}
}
