package elastic

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/loghaul/loghaul/internal/metrics"
)

const (
	firstInstallWait = time.Second
	maxInstallWait   = 30 * time.Second
)

//go:embed role.json
var roleJSON []byte

// Role gives the body of PUT _security/role/NAME for a daemon's user: it can add
// documents, and neither read nor change any.
func Role() []byte { return bytes.Clone(roleJSON) }

// Server is what an operator's commands ask and set up.
type Server struct{ sink *Sink }

// Connect checks the configuration. It contacts nobody.
func Connect(cfg Config) (*Server, error) {
	s, err := New(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Metrics: metrics.New(Metrics()...)})
	if err != nil {
		return nil, err
	}
	return &Server{s}, nil
}

// Close ends idle connections.
func (s *Server) Close() { s.sink.client.close() }

// Check says what the server is and whether documents can go there, as far as the
// user may ask. The error is what it says to be wrong.
func (s *Server) Check(ctx context.Context, say func(*Finding)) error {
	var last *Finding
	if !s.sink.check(ctx, func(f *Finding) { last = f; say(f) }) && last != nil {
		return last
	}
	return ctx.Err()
}

// CheckToRead makes sure that the server is there and is what it should be, for
// whoever only reads.
func (s *Server) CheckToRead(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.sink.cfg.Timeout)
	defer cancel()
	if f := s.sink.askServer(ctx); f != nil && f.Verdict == Wrong {
		return f
	}
	return nil
}

// ErrNotSetUp ends a Setup that has said what is wrong.
var ErrNotSetUp = errors.New("the index is not set up")

// Setup is Check, and installs the index template unless it is there, or that of
// a newer version. It may be called again at any time.
func (s *Server) Setup(ctx context.Context, say func(*Finding)) error {
	good := true
	ok := s.sink.check(ctx, say)
	if ok && !s.sink.cfg.isVictoria() {
		ok = s.sink.setup(ctx, func(f *Finding) {
			good = good && f.Verdict == OK
			say(f)
		})
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok || !good:
		return ErrNotSetUp
	}
	return nil
}

// Prepare does once what Run does at its start, for commands that call Fill
// alone: it asks the server, and installs the template if that is configured. The
// error is what is wrong; what is only weak is logged.
func (s *Sink) Prepare(ctx context.Context) error {
	var last *Finding
	say := func(f *Finding) {
		if last = f; f.Verdict != Wrong {
			s.tell(f)
		}
	}
	if s.check(ctx, say) && (!s.wantsTemplate() || s.setup(ctx, say)) || last == nil || last.Verdict != Wrong {
		return ctx.Err()
	}
	return last
}

// wantsTemplate reports whether there is to be a template.
func (s *Sink) wantsTemplate() bool { return s.cfg.Template && !s.cfg.isVictoria() }

// setup installs the template and says what there was and is. It reports false
// when the same may work later: nothing is to be sent before that. What is
// refused for good is weak: documents still find the template that an operator
// has installed, or have guessed types.
func (s *Sink) setup(ctx context.Context, say func(*Finding)) bool {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	all, f := s.templates(ctx)
	if f == nil {
		f = s.install(ctx, all)
	}
	say(f)
	if f.Verdict != OK {
		return f.Verdict != Wrong
	}
	if f = s.overridden(all); f != nil {
		say(f)
	}
	return true
}

// installed is an index template of the server, without what it says.
type installed struct {
	Name     string `json:"name"`
	Template struct {
		Patterns []string `json:"index_patterns"`
		Priority int      `json:"priority"`
		Version  int      `json:"version"`
		Meta     struct {
			Loghaul struct {
				Config string `json:"config"`
			} `json:"loghaul"`
		} `json:"_meta"`
	} `json:"index_template"`
}

// templates lists all index templates, which takes the same privilege as
// installing one.
func (s *Sink) templates(ctx context.Context) ([]installed, *Finding) {
	const what = "index_templates.index_template."
	r, err := s.ask(ctx, esapi.IndicesGetIndexTemplateRequest{
		FilterPath: []string{"index_templates.name", what + "index_patterns", what + "priority", what + "version", what + "_meta.loghaul"},
	})
	if err != nil {
		return nil, s.unreachable(ctx, err)
	}
	if f := s.refused(r, "asking for the index templates"); f != nil {
		return nil, f
	}
	var list struct {
		Templates []installed `json:"index_templates"`
	}
	if err := json.Unmarshal(r.text, &list); err != nil {
		return nil, weak("template", "the answer about index templates is not that of Elasticsearch: "+resembles(r), "see docs/elasticsearch.md#other-targets")
	}
	return list.Templates, nil
}

// install installs the template where it is missing or older.
func (s *Sink) install(ctx context.Context, all []installed) *Finding {
	was, same := 0, false
	wanted := s.cfg.IndexTemplate(s.version)
	i := slices.IndexFunc(all, func(t installed) bool { return t.Name == TemplateName })
	if i >= 0 {
		was = all[i].Template.Version
		same = all[i].Template.Meta.Loghaul.Config == configOf(wanted)
	}
	const name = "index template " + TemplateName
	switch {
	case was == TemplateVersion && same:
		return found("template", fmt.Sprintf("%s, version %d, is there", name, was))
	case was > TemplateVersion:
		f := found("template", fmt.Sprintf("%s is version %d, of a newer loghaul than this one, which has %d; it stays", name, was, TemplateVersion))
		f.Do = "use the newer loghaul everywhere; to go back for good, delete the template and run loghaul index setup"
		return f
	}
	r, err := s.ask(ctx, esapi.IndicesPutIndexTemplateRequest{Name: TemplateName, Body: bytes.NewReader(wanted)})
	if err != nil {
		return s.unreachable(ctx, err)
	}
	if f := s.refused(r, "installing the "+name); f != nil {
		return f
	}
	if i >= 0 {
		f := found("template", fmt.Sprintf("%s is version %d now; it was %d", name, TemplateVersion, was))
		if was == TemplateVersion {
			f = found("template", fmt.Sprintf("%s, version %d, is as the configuration says now", name, was))
		}
		f.Do = "it holds for new backing indices: POST " + s.cfg.stream() + "/_rollover makes one"
		return f
	}
	return found("template", fmt.Sprintf("%s is installed, version %d", name, TemplateVersion))
}

// overridden says that another template decides about the data stream: of those
// whose pattern matches, the one of the highest priority does.
func (s *Sink) overridden(all []installed) *Finding {
	var ours struct {
		Priority int `json:"priority"`
	}
	if !decoded(Template(), &ours) {
		return nil // it is not: that is what is installed
	}
	var above []installed
	for _, t := range all {
		matches := func(pattern string) bool {
			ok, err := path.Match(pattern, s.cfg.stream())
			return ok && err == nil
		}
		if t.Name != TemplateName && t.Template.Priority > ours.Priority && slices.ContainsFunc(t.Template.Patterns, matches) {
			above = append(above, t)
		}
	}
	if len(above) == 0 {
		return nil
	}
	top := slices.MaxFunc(above, func(a, b installed) int { return cmp.Compare(a.Template.Priority, b.Template.Priority) })
	return weak("template", fmt.Sprintf("the index template %s (patterns %v, priority %d) takes precedence over %s (priority %d) for %s: fields get its types",
		top.Name, top.Template.Patterns, top.Template.Priority, TemplateName, ours.Priority, s.cfg.stream()),
		"delete it, narrow its patterns, or give it a lower priority")
}

// refused says why an answer is no success, nil if it is one.
func (s *Sink) refused(r *reply, doing string) *Finding {
	says := fmt.Sprintf("%s: HTTP %d: %s", doing, r.status, explain(r.text))
	const byHand = "let an administrator run loghaul index setup once, and set template: false in section index"
	switch {
	case r.status < 300:
		return nil
	case r.status == http.StatusUnauthorized:
		return s.unauthorized()
	case r.status == http.StatusForbidden:
		return weak("template", doing+": the user lacks the cluster privilege manage_index_templates (HTTP 403)", byHand)
	case temporary(r.status) || r.status >= 500:
		return wrong("template", says, "it is tried again")
	}
	return weak("template", says, byHand)
}
