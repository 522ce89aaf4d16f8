package elastic

// account is told what becomes of the rows of a group: of each row once.
type account interface {
	indexed(n int)
	exists(n int)
	// excluded is for a row that a rule leaves out.
	excluded(rule string)
	rejected(row int, why *item)
	// dropped is for all rows from first to last.
	dropped(first, last int, reason string)
}

// live is the account of a group that was offered.
type live struct {
	*Sink
	key string
}

func (l *live) indexed(n int) { l.counts.indexed.Add(n) }
func (l *live) exists(n int)  { l.counts.exists.Add(n) }

func (l *live) excluded(rule string) { l.reg.Counter(metricExcluded, rule).Inc() }

func (l *live) rejected(row int, why *item) {
	l.reg.Counter(metricRejected, why.kind()).Inc()
	l.gap(Gap{Key: l.key, FirstRow: row, LastRow: row, Lines: 1, Reason: reasonRejected})
	l.sample(l.key, row, why)
}

func (l *live) dropped(first, last int, reason string) {
	l.dropRows(l.key, first, last, reason)
}

// kind is the type of the error of a rejected document, for people and labels.
func (i *item) kind() string {
	if i.Error.Type == "" {
		return "unknown"
	}
	return i.Error.Type
}

// sample logs a rejected document now and then.
func (s *Sink) sample(key string, row int, why *item) {
	if s.samples.first("reject " + why.kind()) {
		s.log.Warn("Elasticsearch rejects a document; further ones are only counted",
			"type", why.kind(), "reason", oneLine(why.Error.Reason), "status", why.Status, "object", key, "row", row)
	}
}
