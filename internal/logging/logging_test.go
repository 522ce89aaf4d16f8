package logging_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/logging"
)

func TestNew(t *testing.T) {
	var b bytes.Buffer
	l, err := logging.New(&b, logging.Config{Level: "warn", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("quiet")
	l.Warn("loud", "lines", 3)
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["msg"] != "loud" || got["lines"] != 3.0 {
		t.Errorf("got %s, %v", b.String(), err)
	}
	b.Reset()
	l, err = logging.New(&b, logging.Default())
	if err != nil {
		t.Fatal(err)
	}
	l.Debug("quiet")
	l.Info("loud")
	if !strings.Contains(b.String(), "level=INFO msg=loud\n") || strings.Contains(b.String(), "quiet") {
		t.Errorf("got %s", b.String())
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []logging.Config{{}, {Level: "loud", Format: "text"}, {Level: "info", Format: "xml"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
		if _, err := logging.New(nil, c); err == nil {
			t.Errorf("%+v makes a logger", c)
		}
	}
	for _, level := range []string{"debug", "info", "warn", "error"} {
		if err := (logging.Config{Level: level, Format: "json"}).Validate(); err != nil {
			t.Error(err)
		}
	}
}
