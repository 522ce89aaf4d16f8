package archive

import (
	"regexp"
	"strings"
	"testing"
)

func TestContainerOf(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	const uid = "0a1b2c3d-0000-4000-8000-123456789abc"
	pod := container{pod: "haproxy-7d9c-x2z", namespace: "edge", name: "haproxy"}
	withID := pod
	withID.id = id
	for path, want := range map[string]container{
		"/var/log/containers/haproxy-7d9c-x2z_edge_haproxy-" + id + ".log":           withID,
		"/host/var/log/containers/haproxy-7d9c-x2z_edge_haproxy-" + id + ".log":      withID,
		"containers/haproxy-7d9c-x2z_edge_haproxy-" + id + ".log":                    withID,
		"/var/log/containers/a.b-c_n_c-d-" + id + ".log":                             {pod: "a.b-c", namespace: "n", name: "c-d", id: id},
		"/var/log/pods/edge_haproxy-7d9c-x2z_" + uid + "/haproxy/0.log":              pod,
		"/x/y/pods/edge_haproxy-7d9c-x2z_" + uid + "/haproxy/12.log.20261122-161755": pod,
		"pods/edge_haproxy-7d9c-x2z_" + uid + "/haproxy/0.log.20261122-161755.gz":    pod,
		"/var/log/pods/kube-system_lb_" + id[:32] + "/haproxy/0.log":                 {pod: "lb", namespace: "kube-system", name: "haproxy"},
		"/var/lib/docker/containers/" + id + "/" + id + "-json.log":                  {id: id},
		"/var/lib/docker/containers/" + id + "/" + id + "-json.log.3":                {id: id},
		"/var/lib/docker/containers/" + id + "/" + id + "-json.log.3.gz":             {id: id},

		"": {}, "/": {}, "containers": {}, "/var/log/haproxy.log": {}, "/var/log/containers/haproxy.log": {},
		"/var/log/containers/haproxy_edge_haproxy-" + id + ".log.1":           {},
		"/var/log/containers/haproxy_edge_haproxy-" + id[1:] + ".log":         {},
		"/var/log/containers/haproxy_edge_haproxy-" + id[1:] + "g.log":        {},
		"/var/log/containers/haproxy_edge_x_haproxy-" + id + ".log":           {},
		"/var/log/containers/haproxy_edge-" + id + ".log":                     {},
		"/var/log/containers/Haproxy_edge_haproxy-" + id + ".log":             {},
		"/var/log/containers/_edge_haproxy-" + id + ".log":                    {},
		"/var/log/containers/ha..proxy_edge_haproxy-" + id + ".log":           {},
		"/var/log/containers/haproxy_ed.ge_haproxy-" + id + ".log":            {},
		"/var/log/containers/haproxy_-edge_haproxy-" + id + ".log":            {},
		"/var/log/containers/haproxy_edge_haproxy--" + id + ".log":            {},
		"/var/log/containers/ha\xffproxy_edge_haproxy-" + id + ".log":         {},
		"/var/log/containers/x/haproxy_edge_haproxy-" + id + ".log":           {},
		"/var/log/container/haproxy_edge_haproxy-" + id + ".log":              {},
		"/var/log/pods/edge_haproxy_" + uid + "/haproxy/log":                  {},
		"/var/log/pods/edge_haproxy_" + uid + "/haproxy/x.log":                {},
		"/var/log/pods/edge_haproxy_" + uid + "/haproxy/0.log.":               {},
		"/var/log/pods/edge_haproxy_" + uid + "/haproxy/0.logx":               {},
		"/var/log/pods/edge_haproxy_" + uid + "/haproxy/0.log.a b":            {},
		"/var/log/pods/edge_haproxy_" + uid + "/0.log":                        {},
		"/var/log/pods/edge_haproxy/haproxy/0.log":                            {},
		"/var/log/pods/edge_haproxy_/haproxy/0.log":                           {},
		"/var/log/pods/edge_haproxy_U-ID/haproxy/0.log":                       {},
		"/var/log/pods/" + strings.Repeat("n", 64) + "_p_" + uid + "/c/0.log": {},
		"/var/lib/docker/containers/" + id + "/" + id + ".log":                {},
		"/var/lib/docker/containers/" + id + "/" + id + "-json.log.x":         {},
		"/var/lib/docker/containers/" + id + "/" + id + "-json.log.gz":        {},
		"/var/lib/docker/containers/" + id[1:] + "/" + id + "-json.log":       {},
		"/var/lib/docker/containers/x/x-json.log":                             {},
	} {
		if got := containerOf(path); got != want {
			t.Errorf("%q: %+v, want %+v", path, got, want)
		}
	}
}

// FuzzContainerOf compares with regular expressions.
func FuzzContainerOf(f *testing.F) {
	const label, subdomain = `[a-z0-9](?:[a-z0-9-]*[a-z0-9])?`, `[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*`
	link := regexp.MustCompile(`^(?s:.*/)?containers/(` + subdomain + `)_(` + label + `)_(` + label + `)-([0-9a-f]{64})\.log$`)
	inPod := regexp.MustCompile(`^(?s:.*/)?pods/(` + label + `)_(` + subdomain + `)_[0-9a-f-]{1,64}/(` + label + `)/[0-9]{1,19}\.log(?:\.[0-9A-Za-z.-]{1,63})?$`)
	docker := regexp.MustCompile(`^(?s:.*/)?containers/([0-9a-f]{64})/([0-9a-f]{64})-json\.log(?:\.[0-9]{1,19}(?:\.gz)?)?$`)
	id := strings.Repeat("f", 64)
	for _, path := range []string{
		"/var/log/containers/a_b_c-" + id + ".log", "/var/log/pods/a_b_0-1/c/0.log", "pods/a_b.c_0/c/0.log.1", "/containers/" + id + "/" + id + "-json.log.1.gz",
		"/var/log/containers/pods/a_b_0/c/0.log", "/var/log/pods/a_b_0/containers/0.log",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		var want container
		if m := link.FindStringSubmatch(path); m != nil {
			want = container{pod: m[1], namespace: m[2], name: m[3], id: m[4]}
		} else if m := docker.FindStringSubmatch(path); m != nil && m[1] == m[2] {
			want = container{id: m[1]}
		} else if m := inPod.FindStringSubmatch(path); m != nil {
			want = container{namespace: m[1], pod: m[2], name: m[3]}
		}
		if len(want.pod) > 253 || len(want.namespace) > 63 || len(want.name) > 63 {
			want = container{}
		}
		if got := containerOf(path); got != want {
			t.Errorf("%q: %+v, want %+v", path, got, want)
		}
	})
}
