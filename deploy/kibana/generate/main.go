// Command generate writes deploy/kibana/loghaul.ndjson anew: go generate ./deploy/kibana.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/loghaul/loghaul/deploy/kibana"
)

func main() {
	var b bytes.Buffer
	err := kibana.Write(&b)
	if err == nil {
		err = os.WriteFile("loghaul.ndjson", b.Bytes(), 0o644) //nolint:gosec // no secret
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}
