package ops

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
)

// maxRequest bounds the request line and the headers, of which none is used.
const maxRequest = 16 << 10

// pages answers requests. It speaks as much HTTP/1.1 (RFC 9112) as three pages
// need, one request a connection: net/http would be a thirtieth of the node
// agent (docs/decisions/0012).
type pages struct {
	reg   *metrics.Registry
	ready func() error
}

// serve answers the request that comes on conn and closes it.
func (p *pages) serve(conn net.Conn) {
	defer conn.Close()                                //nolint:errcheck // the client is told by Content-Length
	_ = conn.SetDeadline(time.Now().Add(requestTime)) // a TCP connection has deadlines
	method, path, err := readRequest(conn)
	status, kind, body := 0, "text/plain; charset=utf-8", []byte(nil)
	switch {
	case err != nil:
		if err == io.EOF { //nolint:errorlint // nothing came: a probe of the port
			return
		}
		status, body = 400, []byte("bad request: "+err.Error()+"\n")
	case method != "GET" && method != "HEAD":
		status, body = 405, []byte("only GET\n")
	case path == "/metrics":
		var b bytes.Buffer
		_ = p.reg.WritePrometheus(&b) // a buffer takes everything
		status, kind, body = 200, "text/plain; version=0.0.4; charset=utf-8", b.Bytes()
	case path == "/healthz":
		status, body = 200, []byte("ok\n")
	case path == "/readyz":
		status, body = 200, []byte("ok\n")
		if p.ready != nil {
			if err := p.ready(); err != nil {
				status, body = 503, []byte("not ready: "+err.Error()+"\n")
			}
		}
	default:
		status, body = 404, []byte("there is /metrics, /healthz and /readyz\n")
	}
	w := bufio.NewWriter(conn)
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", status, reason(status), kind, len(body)) //nolint:errcheck // Flush reports it
	if method != "HEAD" {
		_, _ = w.Write(body) // Flush reports it
	}
	_ = w.Flush() // the client is gone; nobody is left to tell
	// A socket that is closed with bytes unread is reset, and the answer with it.
	if tcp, ok := conn.(*net.TCPConn); ok && err != nil && tcp.CloseWrite() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second)) // a TCP connection has deadlines
		_, _ = io.CopyN(io.Discard, conn, 4*maxRequest)       // until the client has read it
	}
}

func reason(status int) string {
	switch status {
	case 200:
		return "OK"
	case 400:
		return "Bad Request"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	}
	return "Service Unavailable"
}

// readRequest reads up to the empty line behind the headers. It gives io.EOF if
// there was nothing at all.
func readRequest(r io.Reader) (method, path string, err error) {
	in := bufio.NewReader(io.LimitReader(r, maxRequest))
	line, err := in.ReadString('\n')
	if err != nil {
		if line != "" || err != io.EOF { //nolint:errorlint // bufio gives it bare
			err = fmt.Errorf("the request line does not end: %w", err)
		}
		return "", "", err
	}
	parts := strings.Split(strings.TrimRight(line, "\r\n"), " ")
	if len(parts) != 3 || !strings.HasPrefix(parts[2], "HTTP/1.") || !strings.HasPrefix(parts[1], "/") {
		return "", "", fmt.Errorf("%.60q is no request line of HTTP/1.1", strings.TrimRight(line, "\r\n"))
	}
	for {
		header, err := in.ReadString('\n')
		if err != nil {
			return "", "", fmt.Errorf("the headers do not end within %d bytes: %w", maxRequest, err)
		}
		if strings.TrimRight(header, "\r\n") == "" {
			break
		}
	}
	path, _, _ = strings.Cut(parts[1], "?")
	return parts[0], path, nil
}
