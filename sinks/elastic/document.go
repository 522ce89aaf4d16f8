package elastic

import (
	"bytes"
	"strconv"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// maxPlans bounds the remembered formats: each object that is read brings
// formats of its own.
const maxPlans = 64

// Documents makes documents with the field names of the Elastic Common Schema
// and of Elastic's HAProxy integration (package haproxy 1.17), so that its
// dashboards work. Names are written with dots, which Elasticsearch reads as
// nested objects. One goroutine may use it at a time; the zero value is ready.
type Documents struct {
	// Namespace is that of the data stream; "" is "default".
	Namespace string
	// NoMessage leaves the line itself out.
	NoMessage bool
	// Rules say what is left out; nil is nothing.
	Rules *Rules
	// Geo looks addresses up; nil does not.
	Geo *Geo

	plans  map[planKey]*plan
	now    planKey
	plan   *plan // of now
	rules  *ruling
	rule   string // that has excluded the last row
	origin origin
	labels labels
	w      writer
}

// planKey is a format, and the rules that hide something of its lines.
type planKey struct {
	format *parser.Format
	hides  uint64
}

// Append appends the document of a row of the object with the given key to dst:
// one JSON object without a line feed. With ok false the rules leave the row out
// on purpose, and nothing is appended: that is no gap.
func (d *Documents) Append(dst []byte, row *archive.Row, key string) (doc []byte, ok bool) {
	var rule verdict
	if d.Rules != nil {
		if rule = d.judge(row); rule.excluded {
			return dst, false
		}
	}
	w := &d.w
	w.begin(dst)
	if d.Geo != nil {
		w.geo = d.Geo.cache(w.geo)
	}
	at := row.ReadAt
	if row.TimeOK {
		at = row.Time
	}
	w.b = append(w.b, `{"@timestamp":`...)
	w.time(&w.seconds[0], at)
	w.b = append(w.b, `,"event.created":`...)
	w.time(&w.seconds[1], row.ReadAt)
	d.origin.append(w, row, key, d.Namespace)
	w.b = append(w.b, `,"log.offset":`...)
	w.int(row.Offset)
	w.b = append(w.b, `,"loghaul.archive.row":`...)
	w.int(int64(row.Index))
	if row.TimeOK {
		w.b = append(w.b, `,"event.timezone":`...)
		w.zone(row.UTCOffset)
	}
	if row.TimeUnsure {
		w.b = append(w.b, `,"loghaul.time_unsure":true`...)
	}
	if rule.rate != "" {
		w.b = append(w.b, `,"loghaul.sample_rate":`...)
		w.b = append(w.b, rule.rate...)
	}
	if row.Header.Kind != wrapper.None {
		w.syslog(&row.Header, rule.hides != 0)
	}
	var p *plan
	var hide *hiding
	if row.Record != nil {
		p = d.planOf(planKey{row.Record.Format, rule.hides})
		p.append(w, row.Record)
		hide = p.hide
	} else {
		w.unparsed(row.Rest)
		hide = d.Rules.hiding(rule.hides)
	}
	if row.Labels != nil {
		d.labels.append(w, row.Labels, p, hide)
	}
	if !d.NoMessage && rule.hides == 0 {
		w.b = append(w.b, `,"message":`...)
		w.bytes(row.Message)
	}
	w.b = append(w.b, '}')
	dst, w.b = w.b, nil
	return dst, true
}

// ExcludedBy gives the name of the rule that has left out a row, after Append has
// said so.
func (d *Documents) ExcludedBy() string { return d.rule }

// unparsed says why a line has no fields.
func (w *writer) unparsed(rest bool) {
	why := "no HAProxy log format matches this line"
	if rest {
		why = "the rest of a line that was longer than the forwarder's bound"
	}
	w.b = append(w.b, `,"event.kind":"pipeline_error"`...)
	w.key("error.message")
	w.text(why)
}

// origin is what a row has in common with most rows of its object, as it is
// written.
type origin struct {
	source                                 wire.Source
	key, stream                            string
	namespace, pod, container, containerID []byte
	text                                   []byte
}

func (o *origin) append(w *writer, row *archive.Row, key, stream string) {
	if len(o.text) == 0 || o.source != row.Source || o.key != key || o.stream != stream ||
		!bytes.Equal(o.namespace, row.Namespace) || !bytes.Equal(o.pod, row.Pod) ||
		!bytes.Equal(o.container, row.Container) || !bytes.Equal(o.containerID, row.ContainerID) {
		o.write(row, key, stream)
	}
	w.b = append(w.b, o.text...)
}

func (o *origin) write(row *archive.Row, key, stream string) {
	o.source, o.key, o.stream = row.Source, key, stream
	o.namespace, o.pod = append(o.namespace[:0], row.Namespace...), append(o.pod[:0], row.Pod...)
	o.container, o.containerID = append(o.container[:0], row.Container...), append(o.containerID[:0], row.ContainerID...)
	if stream == "" {
		stream = "default"
	}
	w := writer{b: o.text[:0]}
	w.b = append(w.b, `,"data_stream.type":"logs","data_stream.dataset":"haproxy.log","data_stream.namespace":`...)
	w.text(stream)
	w.b = append(w.b, `,"ecs.version":"8.11.0","event.module":"haproxy","event.dataset":"haproxy.log"`...)
	w.key("host.name")
	w.text(row.Source.Node)
	w.key("log.file.path")
	w.text(row.Source.Path)
	w.key("loghaul.source")
	w.text(row.Source.ID)
	w.key("loghaul.archive.key")
	w.text(key)
	w.optional("kubernetes.namespace", row.Namespace)
	w.optional("kubernetes.pod.name", row.Pod)
	w.optional("kubernetes.container.name", row.Container)
	w.optional("container.id", row.ContainerID)
	o.text = w.b
}

// syslog writes what the line was wrapped in: log.syslog of ECS, the process,
// and the stream as Filebeat's container input names it.
func (w *writer) syslog(h *wrapper.Header, hides bool) {
	w.key("loghaul.wrapper")
	w.text(h.Kind.String())
	if h.Facility >= 0 {
		w.key("log.syslog.facility.code")
		w.int(int64(h.Facility))
	}
	if h.Severity >= 0 {
		w.key("log.syslog.severity.code")
		w.int(int64(h.Severity))
	}
	w.optional("log.syslog.hostname", h.Host)
	w.optional("haproxy.source", h.Host)
	w.optional("log.syslog.appname", h.Tag)
	w.optional("process.name", h.Tag)
	w.optional("log.syslog.procid", h.PID)
	if pid, err := strconv.ParseUint(string(h.PID), 10, 32); err == nil && w.once(`,"process.pid":`, bitPID) {
		w.int(int64(pid)) //nolint:gosec // 32 bits
	}
	w.optional("log.syslog.msgid", h.MsgID)
	if !hides { // log-format-sd may print what is hidden
		w.optional("log.syslog.structured_data", h.StructuredData)
	}
	w.optional("stream", h.Stream)
}

// optional writes a text unless it is nil.
func (w *writer) optional(name string, text []byte) {
	if text != nil {
		w.key(name)
		w.bytes(text)
	}
}

func (d *Documents) planOf(key planKey) *plan {
	if d.plan != nil && d.now == key {
		return d.plan
	}
	p := d.plans[key]
	if p == nil {
		if d.plans == nil || len(d.plans) >= maxPlans {
			d.plans = map[planKey]*plan{}
		}
		p = newPlan(key.format, d.Rules.hiding(key.hides))
		d.plans[key] = p
	}
	d.now, d.plan = key, p
	return p
}
