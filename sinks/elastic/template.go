package elastic

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

const (
	// TemplateName is the name of the index template.
	TemplateName = "loghaul-haproxy"
	// TemplateVersion is the version of the template of this build.
	TemplateVersion = 3

	firstInstallWait = time.Second
	maxInstallWait   = time.Minute
)

//go:embed template.json
var templateJSON []byte

// Template gives the composable index template for logs-haproxy.log-*.
func Template() []byte { return bytes.Clone(templateJSON) }

// errTemplateRefused means that trying again cannot help.
var errTemplateRefused = errors.New("the index template is refused")

// EnsureTemplate installs the index template unless the same or a newer
// version is there.
func (s *Sink) EnsureTemplate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	version, err := s.installedVersion(ctx)
	if err != nil {
		return err
	}
	if version >= TemplateVersion {
		if version > TemplateVersion {
			s.log.Warn("the index template is of a newer loghaul; leaving it", "template", TemplateName, "version", version)
		}
		return nil
	}
	resp, err := esapi.IndicesPutIndexTemplateRequest{Name: TemplateName, Body: bytes.NewReader(templateJSON)}.Do(ctx, s.client)
	if err != nil {
		return fmt.Errorf("index %s: installing the template %s: %w", s.cfg.URL, TemplateName, err)
	}
	_, err = s.success(resp)
	return err
}

// installedVersion is 0 when there is no template of ours.
func (s *Sink) installedVersion(ctx context.Context) (int, error) {
	resp, err := esapi.IndicesGetIndexTemplateRequest{Name: TemplateName, FilterPath: []string{"index_templates.index_template.version"}}.Do(ctx, s.client)
	if err != nil {
		return 0, fmt.Errorf("index %s: asking for the template %s: %w", s.cfg.URL, TemplateName, err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return 0, resp.Body.Close()
	}
	text, err := s.success(resp)
	if err != nil {
		return 0, err
	}
	var got struct {
		Templates []struct {
			Template struct {
				Version int `json:"version"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return 0, fmt.Errorf("index %s: %w: the answer is not that of Elasticsearch: %w", s.cfg.URL, errTemplateRefused, err)
	}
	if len(got.Templates) == 0 {
		return 0, nil
	}
	return got.Templates[0].Template.Version, nil
}

// success reads an answer that has to be a success.
func (s *Sink) success(resp *esapi.Response) ([]byte, error) {
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return nil, fmt.Errorf("index %s: template %s: reading the answer: %w", s.cfg.URL, TemplateName, err)
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("index %s: %w (HTTP 401): check LOGHAUL_ELASTIC_USER and LOGHAUL_ELASTIC_PASSWORD, or LOGHAUL_ELASTIC_API_KEY", s.cfg.URL, errTemplateRefused)
	case resp.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("index %s: %w (HTTP 403): the user lacks manage_index_templates; install it by hand: %s", s.cfg.URL, errTemplateRefused, explain(text))
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && !temporary(resp.StatusCode):
		return nil, fmt.Errorf("index %s: %w (HTTP %d): %s", s.cfg.URL, errTemplateRefused, resp.StatusCode, explain(text))
	case resp.StatusCode >= 300:
		return nil, errors.New("index " + s.cfg.URL + ": template " + TemplateName + ": HTTP " + strconv.Itoa(resp.StatusCode) + ": " + explain(text))
	}
	return text, nil
}

// install makes sure of the template before anything is sent: without it the
// first document would make an index with guessed types. It tries until
// Elasticsearch answers; what is offered meanwhile waits in the queue or is
// dropped. It reports false when ctx ended first.
func (s *Sink) install(ctx context.Context) bool {
	if !s.cfg.Template {
		return ctx.Err() == nil
	}
	for wait := firstInstallWait; ; wait = min(2*wait, maxInstallWait) {
		err := s.EnsureTemplate(ctx)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, errTemplateRefused):
			s.log.Error("going on without installing the index template", "error", err)
			return true
		}
		s.answered(err)
		if !sleep(ctx, wait/2+rand.N(wait/2)) {
			return false
		}
	}
}

// sleep reports false when ctx ended before d was over.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
