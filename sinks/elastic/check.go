package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/loghaul/loghaul/internal/backoff"
)

// Verdicts of findings.
const (
	// OK: as it has to be.
	OK = "OK"
	// Weak: documents are indexed all the same.
	Weak = "weak"
	// Wrong: nothing is indexed before it is put right.
	Wrong = "wrong"
)

// Finding is what is known of one property of the server of an index.
type Finding struct { //nolint:errname // only some are errors
	// Name is server, privileges, template or stream.
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	// Says is what was found, Do what to do about it, "" if there is nothing.
	Says string `json:"says"`
	Do   string `json:"do,omitempty"`
}

// Error says what is wrong and what to do.
func (f *Finding) Error() string {
	if f.Do == "" {
		return f.Says
	}
	return f.Says + ": " + f.Do
}

func found(name, says string) *Finding { return &Finding{Name: name, Verdict: OK, Says: says} }

func weak(name, says, do string) *Finding { return &Finding{name, Weak, says, do} }

func wrong(name, says, do string) *Finding { return &Finding{name, Wrong, says, do} }

// oldest is the first major version of Elasticsearch that this package is made
// for.
const oldest = 8

// check asks what answers at the URL and whether it can take documents, and says
// each finding. It reports whether nothing is wrong. It needs no privileges:
// what the server does not tell is taken for right.
func (s *Sink) check(ctx context.Context, say func(*Finding)) bool {
	questions := []func(context.Context) *Finding{s.askServer, s.askPrivileges, s.askStream}
	if s.cfg.isVictoria() {
		questions = []func(context.Context) *Finding{s.askVictoria}
	}
	for _, ask := range questions {
		reqCtx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		f := ask(reqCtx)
		cancel()
		if f == nil {
			continue
		}
		say(f)
		if f.Verdict == Wrong {
			return false
		}
	}
	return true
}

// reply is an answer of the server, read.
type reply struct {
	status int
	header http.Header
	text   []byte
}

// maxReply bounds what is read of answers that are not about documents.
const maxReply = 8 << 20

// ask sends a request and reads the answer.
func (s *Sink) ask(ctx context.Context, what esapi.Request) (*reply, error) {
	resp, err := what.Do(ctx, s.client)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return &reply{resp.StatusCode, resp.Header, text}, nil
}

// askQuietly is ask for what need not be known: nil without an answer to it.
func (s *Sink) askQuietly(ctx context.Context, what esapi.Request) *reply {
	r, err := s.ask(ctx, what)
	if err != nil || r.status != http.StatusOK {
		return nil
	}
	return r
}

// decoded reads JSON and reports whether it is that.
func decoded(text []byte, into any) bool { return json.Unmarshal(text, into) == nil }

// unauthorized says that credentials are refused.
func (s *Sink) unauthorized() *Finding {
	switch {
	case s.cfg.APIKey != "":
		return wrong("server", s.cfg.URL+" refuses the API key (HTTP 401)", "check LOGHAUL_ELASTIC_API_KEY: whole, not expired, of this cluster")
	case s.cfg.Token != "":
		return wrong("server", s.cfg.URL+" refuses the bearer token (HTTP 401)", "check LOGHAUL_ELASTIC_TOKEN: whole, not expired, of this cluster")
	case s.cfg.User == "":
		return wrong("server", s.cfg.URL+" wants credentials (HTTP 401)", "set LOGHAUL_ELASTIC_USER and LOGHAUL_ELASTIC_PASSWORD, or LOGHAUL_ELASTIC_API_KEY")
	}
	return wrong("server", fmt.Sprintf("%s refuses the user %q or the password (HTTP 401)", s.cfg.URL, s.cfg.User), "check LOGHAUL_ELASTIC_USER and LOGHAUL_ELASTIC_PASSWORD")
}

// askServer finds out what answers. Elasticsearch since 7.14 tells that it is
// Elasticsearch with every answer, errors too, in X-Elastic-Product; its clients
// accept nothing else.
func (s *Sink) askServer(ctx context.Context) *Finding {
	r, err := s.ask(ctx, esapi.InfoRequest{})
	if err != nil {
		return s.unreachable(ctx, err)
	}
	var about struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
		Tagline string `json:"tagline"`
	}
	_ = json.Unmarshal(r.text, &about) // that it is none is an answer, too
	number := about.Version.Number
	if s.version = number; r.header.Get("X-Elastic-Product") != "Elasticsearch" {
		s.version = "0" // see Config.IndexTemplate
	}
	const products = "docs/elasticsearch.md#other-targets says what works; to index there all the same set product_check: false in section index"
	switch {
	case r.status == http.StatusUnauthorized:
		return s.unauthorized()
	case temporary(r.status):
		return wrong("server", fmt.Sprintf("%s answers HTTP %d: %s", s.cfg.URL, r.status, explain(r.text)), "it is tried again")
	case !s.cfg.ProductCheck:
		return nil
	case r.status == http.StatusForbidden && securityOn.Match(r.text):
		// Such an answer has not the header. Its words are those of Elasticsearch.
		s.version = ""
		return found("server", s.cfg.URL+" is Elasticsearch")
	case r.header.Get("Kbn-Name") != "" || strings.HasPrefix(r.header.Get("Location"), "/app") || strings.HasPrefix(r.header.Get("Location"), "/login?next"):
		return wrong("server", s.cfg.URL+" is Kibana", "give the URL of Elasticsearch itself; its usual port is 9200")
	case about.Version.Distribution == "opensearch":
		return wrong("server", fmt.Sprintf("%s is OpenSearch %s, not Elasticsearch", s.cfg.URL, number), products)
	case r.header.Get("X-Elastic-Product") != "Elasticsearch" && about.Tagline == "You Know, for Search":
		return wrong("server", fmt.Sprintf("%s says that it is version %s of Elasticsearch, but not in the header X-Elastic-Product", s.cfg.URL, number),
			fmt.Sprintf("upgrade it to %d or later; if it is, a proxy takes the header away: let it through, or set product_check: false in section index", oldest))
	case r.header.Get("X-Elastic-Product") != "Elasticsearch":
		return wrong("server", fmt.Sprintf("%s answers HTTP %d, but is not Elasticsearch: %s", s.cfg.URL, r.status, resembles(r)),
			"check the address and port. "+products)
	}
	if major, _, _ := strings.Cut(number, "."); number != "" {
		if n, err := strconv.Atoi(major); err == nil && n < oldest {
			return weak("server", fmt.Sprintf("%s is Elasticsearch %s", s.cfg.URL, number), fmt.Sprintf("upgrade it to %d or later, as nothing was tried with less", oldest))
		}
		number = " " + number
	}
	return found("server", s.cfg.URL+" is Elasticsearch"+number)
}

var securityOn = regexp.MustCompile(`"action \[cluster:monitor/main\] is unauthorized for (user|API key|service account)`) //nolint:gochecknoglobals // constant

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`) //nolint:gochecknoglobals // constant

// resembles describes an answer that nobody asked for.
func resembles(r *reply) string {
	kind := r.header.Get("Content-Type")
	if m := title.FindSubmatch(r.text); m != nil {
		return fmt.Sprintf("%s, a page titled %q", kind, oneLine(string(m[1])))
	}
	if len(r.text) == 0 {
		return "an empty answer"
	}
	return fmt.Sprintf("%s, %q", kind, oneLine(string(r.text)))
}

// roleWay is what to do about a missing privilege.
const roleWay = "give the user the role of deploy/elasticsearch/role.json (loghaul index setup --print-role), or more"

// askPrivileges asks which privileges the user has. Everybody may ask that for
// himself. With security off there is no such question, nor in other products.
func (s *Sink) askPrivileges(ctx context.Context) *Finding {
	const create, configure = "create_doc", "auto_configure"
	r := s.askQuietly(ctx, esapi.SecurityHasPrivilegesRequest{
		Body: strings.NewReader(fmt.Sprintf(`{"index":[{"names":[%q],"privileges":[%q,%q]}]}`, s.cfg.stream(), create, configure)),
	})
	if r == nil {
		return nil // documents will tell
	}
	var has struct {
		Username string                     `json:"username"`
		Index    map[string]map[string]bool `json:"index"`
	}
	if !decoded(r.text, &has) || has.Index[s.cfg.stream()] == nil {
		return nil
	}
	mine := has.Index[s.cfg.stream()]
	switch {
	case !mine[create]:
		return wrong("privileges", fmt.Sprintf("user %q lacks the index privilege %s on %s", has.Username, create, s.cfg.stream()), roleWay)
	case !mine[configure]:
		return weak("privileges", fmt.Sprintf("user %q lacks the index privilege %s on %s: a data stream that is not there yet is not made, and labels that are new are refused", has.Username, configure, s.cfg.stream()), roleWay)
	}
	return found("privileges", fmt.Sprintf("user %q has %s and %s on %s", has.Username, create, configure, s.cfg.stream()))
}

// askStream looks whether the name of the data stream is that of an index. It
// needs the privilege view_index_metadata; without it the answers to documents
// tell, see plainIndex.
func (s *Sink) askStream(ctx context.Context) *Finding {
	r := s.askQuietly(ctx, esapi.IndicesResolveIndexRequest{Name: []string{s.cfg.stream()}})
	if r == nil {
		return nil
	}
	var names struct {
		Indices []struct{ Name string } `json:"indices"`
		Aliases []struct{ Name string } `json:"aliases"`
		Streams []struct{ Name string } `json:"data_streams"`
	}
	if !decoded(r.text, &names) {
		return nil
	}
	switch {
	case len(names.Indices) > 0:
		return s.plainIndex("an index")
	case len(names.Aliases) > 0:
		return s.plainIndex("an alias")
	case len(names.Streams) > 0:
		return found("stream", s.cfg.stream()+" is a data stream")
	}
	return nil
}

// plainIndex says that documents would get types that Elasticsearch guesses.
func (s *Sink) plainIndex(kind string) *Finding {
	return wrong("stream", fmt.Sprintf("%s is %s, not a data stream", s.cfg.stream(), kind),
		"delete it or give it another name (what was written into it is in the archive, loghaul backfill fills the data stream), or choose another namespace in section index")
}

// prepare makes sure of the server, and of the template, before anything is
// sent: without it the first document would make an index with guessed types. It
// tries until nothing is wrong any more. Each thing is said once. It reports false
// when ctx ended first.
func (s *Sink) prepare(ctx context.Context) bool {
	said := map[string]bool{}
	say := func(f *Finding) {
		if ctx.Err() != nil {
			return
		}
		if f.Verdict == Wrong {
			s.health.set(f)
		}
		if !said[f.Says] {
			if len(said) >= maxSubjects {
				clear(said)
			}
			said[f.Says] = true
			s.tell(f)
		}
	}
	for wait := firstInstallWait; ; wait = min(2*wait, maxInstallWait) {
		if s.check(ctx, say) && (!s.wantsTemplate() || s.setup(ctx, say)) {
			s.health.set(nil)
			s.log.Info("the index is ready", "url", s.cfg.URL, "stream", s.cfg.stream())
			return ctx.Err() == nil
		}
		if backoff.Sleep(ctx, backoff.Jitter(wait)) != nil {
			return false
		}
	}
}

// tell logs a finding.
func (s *Sink) tell(f *Finding) {
	switch {
	case f.Verdict == Wrong:
		s.log.Warn("the index does not work; the archive is not affected", "found", f.Says, "do", f.Do)
	case f.Verdict == Weak:
		s.log.Warn("the index works, but not as it could", "found", f.Says, "do", f.Do)
	case f.Do != "":
		s.log.Info("asked the index", "found", f.Says, "do", f.Do)
	}
}
