package elastic

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Index modes, values of Config.Mode.
const (
	modeAuto     = "auto"
	modeStandard = "standard"
	modeLogsDB   = "logsdb"
)

// IndexTemplate gives the composable index template for logs-haproxy.log-* as the
// configuration and the version of the server ("8.19.4") want it. "" is a
// version that is not known: it is taken for a current Elasticsearch. "0" leaves
// out what only newer ones of Elasticsearch take, as for OpenSearch.
//
// What the template was made of is in its _meta.loghaul.config, a hash, so that
// a change of the configuration is seen where the version stays the same.
func (c Config) IndexTemplate(serverVersion string) []byte {
	var t map[string]any
	if err := json.Unmarshal(templateJSON, &t); err != nil {
		panic("elastic: template.json: " + err.Error()) // it is part of the program
	}
	template := member(t, "template")
	index := member(member(template, "settings"), "index")
	if atLeast(serverVersion, 8, 14) {
		member(member(index, "mapping"), "total_fields")["ignore_dynamic_beyond_limit"] = true
	}
	if c.Retention != "" && c.Retention != retainForever && atLeast(serverVersion, 8, 14) { // since when it is generally available
		template["lifecycle"] = map[string]any{"data_retention": c.Retention}
	}
	switch logsDB := atLeast(serverVersion, 8, 17); { // the same
	case c.Mode == modeStandard && logsDB: // older ones know nothing else
		index["mode"] = modeStandard
	case c.Mode == modeLogsDB && logsDB:
		index["mode"] = modeLogsDB
		delete(index, "codec") // that of logsdb is better
	}
	meta := member(t, "_meta")
	meta["loghaul"] = map[string]any{"config": hashOf(t)}
	return encode(t)
}

// configOf gives what a template of IndexTemplate has in _meta.loghaul.config.
func configOf(template []byte) string {
	var t struct {
		Meta struct {
			Loghaul struct {
				Config string `json:"config"`
			} `json:"loghaul"`
		} `json:"_meta"`
	}
	if err := json.Unmarshal(template, &t); err != nil {
		panic("elastic: a template that is no JSON: " + err.Error())
	}
	return t.Meta.Loghaul.Config
}

func member(of map[string]any, name string) map[string]any {
	m, ok := of[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		of[name] = m
	}
	return m
}

func hashOf(t map[string]any) string {
	sum := sha256.Sum256(encode(t))
	return hex.EncodeToString(sum[:6])
}

// encode gives JSON with sorted names.
func encode(t map[string]any) []byte {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic("elastic: " + err.Error()) // it came from JSON
	}
	return append(b, '\n')
}

// atLeast compares a version with a major and a minor number.
func atLeast(version string, wantMajor, wantMinor int) bool {
	if version == "" {
		return true
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	if err != nil {
		return true
	}
	b, _ := strconv.Atoi(minor) // none is 0
	return a > wantMajor || a == wantMajor && b >= wantMinor
}

// retainForever is a Retention without an end.
const retainForever = "forever"

// checkRetention says what is wrong with a Retention, whose form is that of
// Elasticsearch's time units.
func checkRetention(text string) error {
	if text == "" || text == retainForever {
		return nil
	}
	number := strings.TrimRight(text, "dhm")
	if n, err := strconv.Atoi(number); err != nil || n < 1 || len(text)-len(number) != 1 {
		return fmt.Errorf("%q: want a number of days, hours or minutes such as 30d or 36h, or %s", text, retainForever)
	}
	return nil
}
