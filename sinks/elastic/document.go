package elastic

import (
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// maxPlans bounds the remembered formats: each object that is read brings
// formats of its own.
const maxPlans = 16

// Documents makes documents with the field names of the Elastic Common Schema
// and of Elastic's HAProxy integration (package haproxy 1.17), so that its
// dashboards work. Names are written with dots, which Elasticsearch reads as
// nested objects. One goroutine may use it at a time; the zero value is ready.
type Documents struct {
	// Namespace is that of the data stream; "" is "default".
	Namespace string
	// NoMessage leaves the line itself out.
	NoMessage bool

	plans  map[*parser.Format]*plan
	labels labels
	w      writer
}

// Document appends the document of a row of the object with the given key to
// dst: one JSON object without a line feed. It is for single documents;
// Documents is faster for many.
func Document(dst []byte, row *archive.Row, key string) []byte {
	dst, _ = new(Documents).Append(dst, row, key)
	return dst
}

// Append appends the document of a row, see Document. With ok false the rules
// leave the row out on purpose, and nothing is appended: that is no gap.
func (d *Documents) Append(dst []byte, row *archive.Row, key string) (doc []byte, ok bool) {
	w := &d.w
	w.reset(dst)
	at, zone := row.ReadAt, int32(0)
	if row.TimeOK {
		at, zone = row.Time, row.UTCOffset
	}
	w.b = append(w.b, `{"@timestamp":"`...)
	w.b = appendTime(w.b, at)
	w.b = append(w.b, '"')
	d.constant(row, zone)
	w.key("loghaul.archive.key")
	w.text(key)
	w.key("loghaul.archive.row")
	w.int(int64(row.Index))
	var p *plan
	if row.Record != nil {
		p = d.plan(row.Record.Format)
		p.append(w, row.Record)
	}
	if row.Labels != nil {
		d.labels.append(w, row.Labels, p)
	}
	if !d.NoMessage {
		w.key("message")
		w.bytes(row.Message)
	}
	w.b = append(w.b, '}')
	dst, w.b = w.b, nil
	return dst, true
}

// constant writes what does not depend on the fields of the line.
func (d *Documents) constant(row *archive.Row, zone int32) {
	w := &d.w
	w.b = append(w.b, `,"data_stream.type":"logs","data_stream.dataset":"haproxy.log","data_stream.namespace":`...)
	if d.Namespace == "" {
		d.Namespace = "default"
	}
	w.text(d.Namespace)
	w.b = append(w.b, `,"ecs.version":"8.11.0","event.module":"haproxy","event.dataset":"haproxy.log","event.created":"`...)
	w.b = appendTime(w.b, row.ReadAt)
	w.b = append(w.b, '"')
	if row.TimeOK {
		w.key("event.timezone")
		w.zone(zone)
	}
	w.key("host.name")
	w.text(row.Source.Node)
	w.key("log.file.path")
	w.text(row.Source.Path)
	w.key("log.offset")
	w.int(row.Offset)
	w.key("loghaul.source")
	w.text(row.Source.ID)
	w.put("kubernetes.namespace", row.Namespace)
	w.put("kubernetes.pod.name", row.Pod)
	w.put("kubernetes.container.name", row.Container)
	w.put("container.id", row.ContainerID)
	if row.Header.Kind != wrapper.None {
		w.header(&row.Header)
	}
	if row.Record == nil {
		why := "no HAProxy log format matches this line"
		if row.Rest {
			why = "the rest of a line that was longer than the forwarder's bound"
		}
		w.b = append(w.b, `,"event.kind":"pipeline_error"`...)
		w.key("error.message")
		w.text(why)
		return
	}
	w.key("loghaul.format")
	w.text(row.Format)
	kind := "connection"
	if row.Format == parser.EventFormat {
		kind = "info"
	}
	w.b = append(w.b, `,"event.kind":"event"`...)
	w.key("event.type")
	w.text(kind)
}

// header writes what the line was wrapped in: log.syslog of ECS, and the
// stream as Filebeat's container input names it.
func (w *writer) header(h *wrapper.Header) {
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
	w.put("log.syslog.hostname", h.Host)
	w.put("log.syslog.appname", h.Tag)
	w.put("log.syslog.procid", h.PID)
	w.put("log.syslog.msgid", h.MsgID)
	w.put("stream", h.Stream)
}

// put writes a text unless it is nil.
func (w *writer) put(name string, text []byte) {
	if text != nil {
		w.key(name)
		w.bytes(text)
	}
}

func (d *Documents) plan(f *parser.Format) *plan {
	p := d.plans[f]
	if p == nil {
		if d.plans == nil || len(d.plans) >= maxPlans {
			d.plans = map[*parser.Format]*plan{}
		}
		p = newPlan(f)
		d.plans[f] = p
	}
	return p
}

// appendTime appends Unix milliseconds as RFC 3339 in UTC.
func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}
