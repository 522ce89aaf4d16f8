package elastic

import (
	"bytes"
	_ "embed"
)

const (
	// TemplateName is the name of the index template.
	TemplateName = "loghaul-haproxy"
	// TemplateVersion is the version of the template of this build.
	TemplateVersion = 4
)

//go:embed template.json
var templateJSON []byte

// Template gives the composable index template for logs-haproxy.log-*.
func Template() []byte { return bytes.Clone(templateJSON) }
