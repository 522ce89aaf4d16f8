package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// hostile makes every path and every user agent of httplog lines another one,
// as scanners do: no dictionary pays, and nothing repeats.
func hostile(corpus []byte) []byte {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a benchmark's
	out := make([]byte, 0, len(corpus)*5/4)
	for line := range bytes.Lines(corpus) {
		request := bytes.LastIndex(line, []byte(` "`))
		if request < 0 {
			out = append(out, line...)
			continue
		}
		head, tail := line[:request], line[request:]
		if block := bytes.IndexByte(head, '{'); block >= 0 {
			if bar := bytes.IndexByte(head[block:], '|'); bar >= 0 {
				out = append(out, head[:block+bar+1]...)
				out = fmt.Appendf(out, "%016x ", random.Uint64())
				head = head[block+bar+1:]
			}
		}
		out = append(out, head...)
		if slash := bytes.IndexByte(tail, '/'); slash >= 0 {
			out = append(out, tail[:slash+1]...)
			out = fmt.Appendf(out, "%016x/", random.Uint64())
			tail = tail[slash+1:]
		}
		out = append(out, tail...)
	}
	return out
}
