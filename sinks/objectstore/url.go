package objectstore

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/loghaul/loghaul/internal/config"
)

// location is a parsed archive URL: dir for a folder, the rest for s3.
type location struct {
	dir string

	bucket   string
	prefix   string // "" or ends with a slash
	endpoint *url.URL
	region   string
	style    string // "", "path" or "host"
}

// queryKeys are what an s3 URL may say after the question mark.
func queryKeys() []string { return []string{"endpoint", "region", "style"} }

func parse(raw string) (location, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return location{}, errors.New("this is not a URL; want file:///folder or s3://bucket/prefix?endpoint=https://host:port")
	}
	if u.User != nil {
		return location{}, errors.New("credentials do not belong in a URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if u.Fragment != "" {
		return location{}, errors.New("\"#\" has no meaning here; write %23 if it belongs to a name")
	}
	switch u.Scheme {
	case "file":
		return parseFile(u)
	case "s3":
		return parseS3(u)
	case "":
		return location{}, fmt.Errorf("the scheme is missing; for a folder write file://%s", absolute(raw))
	}
	if hint := config.Nearest(u.Scheme, []string{"file", "s3"}); hint != "" {
		return location{}, fmt.Errorf("unknown scheme %q, did you mean %q?", u.Scheme, hint)
	}
	return location{}, fmt.Errorf("unknown scheme %q; want file:///folder or s3://bucket/prefix?endpoint=https://host:port", u.Scheme)
}

func parseFile(u *url.URL) (location, error) {
	switch {
	case u.Opaque != "" || (u.Host != "" && u.Host != "localhost"):
		return location{}, fmt.Errorf("a folder has three slashes and an absolute path: file://%s", absolute(u.Host+u.Opaque+u.Path))
	case u.Path == "":
		return location{}, errors.New("the folder is missing: file:///folder")
	case u.RawQuery != "":
		return location{}, fmt.Errorf("a folder takes no settings, but there is %q", "?"+u.RawQuery)
	}
	return location{dir: filepath.Clean(u.Path)}, nil
}

func parseS3(u *url.URL) (location, error) {
	l := location{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if u.Opaque != "" || l.bucket == "" {
		return location{}, errors.New("the bucket is missing: s3://bucket/prefix")
	}
	if err := s3utils.CheckValidBucketNameStrict(l.bucket); err != nil {
		return location{}, fmt.Errorf("%q cannot be a bucket: %w", l.bucket, err)
	}
	if l.prefix != "" {
		if err := checkKey(l.prefix); err != nil || len(l.prefix) > 100 {
			return location{}, fmt.Errorf("%q cannot be a prefix of keys: at most 100 bytes without \"//\" and \"..\"", l.prefix)
		}
		l.prefix += "/"
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return location{}, fmt.Errorf("the part after the question mark: %w", err)
	}
	for key, values := range q {
		if len(values) != 1 || values[0] == "" {
			return location{}, fmt.Errorf("%s has to be given once, with a value", key)
		}
		if err := l.set(key, values[0]); err != nil {
			return location{}, err
		}
	}
	return l, nil
}

func (l *location) set(key, value string) error {
	switch key {
	case "endpoint":
		e, err := url.Parse(value)
		if err != nil || (e.Scheme != "http" && e.Scheme != "https") || e.Host == "" ||
			path.Clean("/"+e.Path) != "/" || e.RawQuery != "" || e.User != nil {
			return fmt.Errorf("endpoint %q has to be http://host:port or https://host:port and nothing more", value)
		}
		l.endpoint = e
	case "region":
		l.region = value
	case "style":
		if value != "path" && value != "host" {
			return fmt.Errorf("style %q has to be path (host/bucket/key) or host (bucket.host/key)", value)
		}
		l.style = value
	default:
		if strings.Contains(strings.ToLower(key), "secret") || strings.Contains(strings.ToLower(key), "access") {
			return fmt.Errorf("%s does not belong in a URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", key)
		}
		if hint := config.Nearest(key, queryKeys()); hint != "" {
			return fmt.Errorf("unknown setting %q, did you mean %q?", key, hint)
		}
		return fmt.Errorf("unknown setting %q; there are %s", key, strings.Join(queryKeys(), ", "))
	}
	return nil
}

// OptionsFromEnv reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION, and LOGHAUL_S3_CA or
// AWS_CA_BUNDLE. A secret may also stand in the file that the name with _FILE
// names. Role is set where a platform provides role credentials. The key for
// SSEC comes from LOGHAUL_S3_SSE_KEY.
func OptionsFromEnv() (Options, error) {
	var errs []error
	read := func(name string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		file := os.Getenv(name + "_FILE")
		if file == "" {
			return ""
		}
		b, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_FILE: %w", name, err))
		}
		return string(b)
	}
	secret := func(name string) string { return strings.TrimSpace(read(name)) }
	first := func(names ...string) string {
		for _, n := range names {
			if v := os.Getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	o := Options{
		AccessKey: secret("AWS_ACCESS_KEY_ID"), SecretKey: secret("AWS_SECRET_ACCESS_KEY"), SessionToken: secret("AWS_SESSION_TOKEN"),
		Region: first("AWS_REGION", "AWS_DEFAULT_REGION"),
		CAFile: first("LOGHAUL_S3_CA", "AWS_CA_BUNDLE"),
		Role:   first("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "LOGHAUL_S3_ROLE") != "",
	}
	if key := read("LOGHAUL_S3_SSE_KEY"); key != "" {
		b, err := parseKey([]byte(key))
		if err != nil {
			errs = append(errs, fmt.Errorf("LOGHAUL_S3_SSE_KEY: %w", err))
		}
		o.Encryption.Mode, o.CustomerKey = SSEC, b
	}
	return o, errors.Join(errs...)
}

// With adds what a configuration file asks for to what the environment says,
// and tells when they contradict each other.
func (o Options) With(c Config) (Options, error) {
	o.Lock = c.Lock
	switch {
	case c.Encryption.Mode == "":
	case c.Encryption.Mode != SSEC && o.Encryption.Mode == SSEC:
		return o, fmt.Errorf("archive.encryption is %s, but LOGHAUL_S3_SSE_KEY is set, which is for sse-c: take one out", c.Encryption.Mode)
	default:
		o.Encryption = c.Encryption
	}
	return o, nil
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// redact takes out what a person may have put into a URL although it is secret.
func redact(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		q := u.Query()
		for key := range q {
			if k := strings.ToLower(key); strings.Contains(k, "secret") || strings.Contains(k, "token") || strings.Contains(k, "access") {
				q.Set(key, "xxxxx")
			}
		}
		if len(q) > 0 {
			u.RawQuery, _ = url.QueryUnescape(q.Encode())
		}
		return u.Redacted()
	}
	return raw
}
