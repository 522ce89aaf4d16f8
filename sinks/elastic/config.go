package elastic

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/config"
)

// How bodies are compressed. Gzip is worth it where the network is dear: it
// costs more CPU here than everything else about a document.
const (
	CompressNone = "none"
	CompressGzip = "gzip"
)

// Config is the part of an aggregator's configuration about the index.
type Config struct {
	// URL is http://host:port or https://host:port; several, separated by
	// commas, are nodes of one cluster. Empty means that there is no index.
	URL string `yaml:"url"`
	// Namespace ends the name of the data stream logs-haproxy.log-NAMESPACE.
	Namespace string `yaml:"namespace"`
	// User and Password, or APIKey, or Token are the credentials, if it wants
	// any. APIKey is the encoded key, or ID:KEY; Token is a bearer token, as of
	// a service account.
	User     string `yaml:"-" env:"LOGHAUL_ELASTIC_USER"`
	Password string `yaml:"-" env:"LOGHAUL_ELASTIC_PASSWORD"`
	APIKey   string `yaml:"-" env:"LOGHAUL_ELASTIC_API_KEY"`
	Token    string `yaml:"-" env:"LOGHAUL_ELASTIC_TOKEN"`
	// CA is a file of PEM certificates to trust instead of the system's.
	CA string `yaml:"ca"`
	// Queue bounds the archived objects that wait or are being sent. When it
	// is full, groups are dropped.
	Queue config.Size `yaml:"queue"`
	// Wait bounds how long a group waits for a server that does not answer, or
	// that nothing can be sent to (wrong credentials). Then it is dropped.
	Wait config.Duration `yaml:"wait"`
	// Senders is how many bulk requests run at once at most, 1 to 4. There are
	// fewer while the server pushes back.
	Senders int `yaml:"senders"`
	// Bulk bounds the body of a bulk request before compression. Bodies are
	// smaller while the server pushes back.
	Bulk config.Size `yaml:"bulk"`
	// Compress is how bodies are compressed, see the constants.
	Compress string `yaml:"compress"`
	// Timeout bounds each request.
	Timeout config.Duration `yaml:"timeout"`
	// Retries is how often a refused or failed bulk request is sent again
	// before its documents are dropped.
	Retries int `yaml:"retries"`
	// Drain bounds how long a stopping daemon goes on sending what is queued.
	Drain config.Duration `yaml:"drain"`
	// Unmapped indexes a document that is rejected for a field again without
	// it: its value goes to labels.loghaul_unmapped.
	Unmapped bool `yaml:"unmapped"`
	// Message indexes the raw line too.
	Message bool `yaml:"message"`
	// Template installs the index template at start.
	Template bool `yaml:"template"`
	// Retention is how long Elasticsearch keeps documents: 30d, or forever.
	Retention string `yaml:"retention"`
	// Mode is the index mode: auto leaves it to the server, standard, logsdb.
	Mode string `yaml:"mode"`
	// GeoIP has the databases to look clients up in.
	GeoIP GeoIP `yaml:"geoip"`
	// Rules say what is not indexed.
	Rules []Rule `yaml:"rules"`
	// MaskKey is for masks by hash in Rules.
	MaskKey string `yaml:"-" env:"LOGHAUL_MASK_KEY"`
	// ProductCheck sends lines to nothing but Elasticsearch.
	ProductCheck bool `yaml:"product_check"`
	// Heal says whether who runs a Sink also fills its gaps from the archive, see
	// the constants.
	Heal string `yaml:"heal"`
}

// What Config.Heal may be.
const (
	HealAuto = "auto"
	HealOff  = "off"
)

// DefaultConfig gives the defaults. Its URL is empty.
func DefaultConfig() Config {
	return Config{
		Namespace: "default",
		Queue:     64 << 20,
		Wait:      time.Minute,
		Senders:   2,
		Bulk:      5 << 20,
		Compress:  CompressNone,
		Timeout:   30 * time.Second,
		Retries:   4,
		Drain:     5 * time.Second,
		Message:   true,
		Template:  true,
		Retention: "30d",
		Mode:      modeAuto,

		ProductCheck: true,
		Heal:         HealAuto,
	}
}

// Validate reports every mistake, under the names of the keys.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, config.Invalid(key, format, args...)) }
	if c.URL != "" {
		if _, err := c.addresses(); err != nil {
			bad("url", "%v", err)
		}
	}
	if c.Namespace == "" || len(c.Namespace) > 100 || strings.ToLower(c.Namespace) != c.Namespace || strings.ContainsAny(c.Namespace, `-\/*?"<>| ,#:`) {
		bad("namespace", "%q has to be 1 to 100 lower-case characters without - \\ / * ? \" < > | , # : and blanks", c.Namespace)
	}
	if c.Queue < 1<<20 {
		bad("queue", "%v is less than 1MiB", c.Queue)
	}
	if c.Senders < 1 || c.Senders > 4 {
		bad("senders", "%d is not within 1 and 4", c.Senders)
	}
	if c.Bulk < 64<<10 || c.Bulk > 50<<20 {
		bad("bulk", "%v is not within 64KiB and 50MiB", c.Bulk)
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 10*time.Minute {
		bad("timeout", "%v is not within 100ms and 10m", c.Timeout)
	}
	if c.Retries < 0 || c.Retries > 20 {
		bad("retries", "%d is not within 0 and 20", c.Retries)
	}
	if c.Drain < 0 || c.Drain > 10*time.Minute {
		bad("drain", "%v is not within 0 and 10m", c.Drain)
	}
	if c.Wait < 0 || c.Wait > time.Hour {
		bad("wait", "%v is not within 0 and 1h", c.Wait)
	}
	if err := checkRetention(c.Retention); err != nil {
		bad("retention", "%v", err)
	}
	if c.Mode != modeAuto && c.Mode != modeStandard && c.Mode != modeLogsDB {
		hint := ""
		if near := config.Nearest(c.Mode, []string{modeAuto, modeStandard, modeLogsDB}); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		bad("mode", "%q is none of %s, %s and %s%s", c.Mode, modeAuto, modeStandard, modeLogsDB, hint)
	}
	if _, err := NewRules(c.Rules, c.MaskKey); err != nil {
		errs = append(errs, err)
	}
	if c.Compress != CompressNone && c.Compress != CompressGzip {
		hint := ""
		if near := config.Nearest(c.Compress, []string{CompressNone, CompressGzip}); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		if c.Compress == "zstd" {
			hint = ", which is all that Elasticsearch takes"
		}
		bad("compress", "%q is not none or gzip%s", c.Compress, hint)
	}
	if c.Heal != HealAuto && c.Heal != HealOff {
		bad("heal", "%q is not auto (fill gaps from the archive in spare capacity) or off (loghaul backfill does)", c.Heal)
	}
	return errors.Join(append(errs, c.checkCredentials())...)
}

// checkCredentials wants one kind of them, or none.
func (c Config) checkCredentials() error {
	var kinds []string
	for name, v := range map[string]string{"LOGHAUL_ELASTIC_USER": c.User, "LOGHAUL_ELASTIC_API_KEY": c.APIKey, "LOGHAUL_ELASTIC_TOKEN": c.Token} {
		if v != "" {
			kinds = append(kinds, name)
		}
	}
	slices.Sort(kinds)
	switch {
	case len(kinds) > 1:
		return fmt.Errorf("%s are set: choose one", strings.Join(kinds, " and "))
	case c.User != "" && c.Password == "":
		return errors.New("LOGHAUL_ELASTIC_USER is set without LOGHAUL_ELASTIC_PASSWORD")
	case c.User == "" && c.Password != "":
		return errors.New("LOGHAUL_ELASTIC_PASSWORD is set without LOGHAUL_ELASTIC_USER")
	}
	return nil
}

// sending is what a sender holds beside bodies: an object, decoded, and answers.
const sending = 16 << 20

// Memory is a bound, in bytes, for what a Sink usually holds: its queue, and for
// each sender a body, a copy of what is sent again, and sending. It is 0 without
// an index.
func (c Config) Memory() int64 {
	if c.URL == "" {
		return 0
	}
	return int64(c.Queue) + int64(c.Senders)*(2*int64(c.Bulk)+sending)
}

// addresses gives the nodes.
func (c Config) addresses() ([]*url.URL, error) {
	var urls []*url.URL
	for s := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(s))
		switch {
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
			return nil, errors.New("want http://host:port or https://host:port")
		case u.User != nil:
			return nil, errors.New("credentials do not belong in a URL: set LOGHAUL_ELASTIC_USER and LOGHAUL_ELASTIC_PASSWORD, LOGHAUL_ELASTIC_API_KEY, or LOGHAUL_ELASTIC_TOKEN")
		case u.RawQuery != "" || u.Fragment != "":
			return nil, errors.New("an index URL takes nothing after the host and path")
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// stream is the name of the data stream.
func (c Config) stream() string { return "logs-haproxy.log-" + c.Namespace }
