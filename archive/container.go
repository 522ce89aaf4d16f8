package archive

import "strings"

// container is what the path of a container's log says about it; "" where it
// does not.
type container struct {
	pod, namespace, name string
	id                   string // 64 hexadecimal digits
}

// containerOf reads the paths that container runtimes and the kubelet give to
// logs, whatever folder they lie in. A path that deviates says nothing.
//
//	…/containers/<pod>_<namespace>_<container>-<id>.log
//	…/pods/<namespace>_<pod>_<uid>/<container>/<n>.log, and .<suffix> once rotated
//	…/containers/<id>/<id>-json.log, and .<n> or .<n>.gz once rotated (Docker)
//
// Sources: kubernetes, pkg/kubelet/kuberuntime (legacyLogSymlink, BuildPodLogsDirectory, and the suffix of
// pkg/kubelet/logs); moby, daemon/logger/loggerutils.
func containerOf(path string) container {
	path, file := cutLast(path)
	path, inner := cutLast(path)
	path, outer := cutLast(path)
	_, top := cutLast(path)
	var c container
	if inner == "containers" {
		c = symlinked(file)
	}
	if c == (container{}) && outer == "containers" {
		c = docker(inner, file)
	}
	if c == (container{}) && top == "pods" {
		c = inPod(outer, inner, file)
	}
	return c
}

// cutLast cuts a path before its last element.
func cutLast(path string) (folder, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// symlinked reads the name of a link in /var/log/containers.
func symlinked(file string) container {
	name, ok := strings.CutSuffix(file, ".log")
	dash := strings.LastIndexByte(name, '-')
	if !ok || dash < 0 || !isHex(name[dash+1:], idDigits) {
		return container{}
	}
	parts := strings.Split(name[:dash], "_")
	if len(parts) != 3 {
		return container{}
	}
	c := container{pod: parts[0], namespace: parts[1], name: parts[2], id: name[dash+1:]}
	return c.orNone()
}

// inPod reads the folders and the name of a log below /var/log/pods.
func inPod(pod, name, file string) container {
	parts := strings.Split(pod, "_")
	if len(parts) != 3 || !isUID(parts[2]) {
		return container{}
	}
	number, suffix, ok := strings.Cut(file, ".log")
	if !ok || !isDigits(number) || suffix != "" && !isSuffix(suffix) {
		return container{}
	}
	c := container{namespace: parts[0], pod: parts[1], name: name}
	return c.orNone()
}

// docker reads the name of a log of Docker's json-file driver.
func docker(id, file string) container {
	suffix, ok := strings.CutPrefix(file, id+"-json.log")
	number, dotted := strings.CutPrefix(strings.TrimSuffix(suffix, ".gz"), ".")
	if !ok || !isHex(id, idDigits) || suffix != "" && (!dotted || !isDigits(number)) {
		return container{}
	}
	return container{id: id}
}

// idDigits is the length of a container's id.
const idDigits = 64

// orNone gives c if its names are those that Kubernetes allows.
func (c container) orNone() container {
	if !isName(c.pod, 253, true) || !isName(c.namespace, 63, false) || !isName(c.name, 63, false) {
		return container{}
	}
	return c
}

// isName tells a DNS label, or with dots a subdomain (RFC 1123), as Kubernetes
// demands them: apimachinery, pkg/util/validation.
func isName(s string, limit int, dots bool) bool {
	if len(s) > limit {
		return false
	}
	before := byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '-' && before != '.':
		case c == '.' && dots && before != '.' && before != '-':
		default:
			return false
		}
		before = c
	}
	return before != '.' && before != '-'
}

// isUID tells a pod's uid: a UUID, or the hash that a static pod has.
func isUID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef-") == ""
}

func isDigits(s string) bool { return s != "" && len(s) < 20 && strings.Trim(s, "0123456789") == "" }

// isSuffix tells what a rotation appends: .20261122-161755, perhaps .gz or .tmp.
func isSuffix(s string) bool {
	if len(s) < 2 || len(s) > 64 || s[0] != '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
