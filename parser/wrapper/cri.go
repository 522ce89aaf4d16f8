package wrapper

import "bytes"

// cri reads what Kubernetes' container runtimes put before a line: a date, the stream, and F for a line or P for a part
// of one, perhaps with more tags behind colons (kubernetes/cri-api and kubelet's kuberuntime/logs). at is where the
// message begins.
func (s *Splitter) cri(line []byte) (at int, ok bool) {
	end, legacy := s.date(line, 0)
	if end == 0 || legacy {
		return 0, false
	}
	rest := line[end:]
	if len(rest) < len("stdout F") || string(rest[:3]) != "std" || rest[6] != ' ' {
		return 0, false
	}
	stream := rest[:6]
	tags, message, found := bytes.Cut(rest[7:], []byte{' '})
	if string(stream[3:]) != "out" && string(stream[3:]) != "err" || len(tags) == 0 || tags[0] != 'F' && tags[0] != 'P' ||
		len(tags) > 1 && tags[1] != ':' {
		return 0, false
	}
	s.outer.Kind, s.outer.Stream, s.outer.Partial = CRI, stream, tags[0] == 'P'
	s.outer.Time, s.outer.TimeOK, s.timed = s.time, true, false
	if !found {
		return len(line), true
	}
	return len(line) - len(message), true
}
