package forwarder

import (
	"sync"
	"sync/atomic"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/internal/metrics"
)

// inputCounter is one counter of the inputs that are no files.
type inputCounter struct {
	name, help string
	value      func(*input.Stats) *atomic.Int64
}

func inputCounters() []inputCounter {
	return []inputCounter{
		{"records", "Records that were put into the spool.", func(s *input.Stats) *atomic.Int64 { return &s.Records }},
		{"bytes", "Bytes of them.", func(s *input.Stats) *atomic.Int64 { return &s.Bytes }},
		{"datagrams", "Datagrams received.", func(s *input.Stats) *atomic.Int64 { return &s.Datagrams }},
		{"empty_datagrams", "Datagrams with nothing in them.", func(s *input.Stats) *atomic.Int64 { return &s.Empty }},
		{"kernel_drops", "Datagrams that the kernel had no room for: raise receive_buffer and net.core.rmem_max.", func(s *input.Stats) *atomic.Int64 { return &s.KernelDrops }},
		{"accepted_connections", "Connections accepted.", func(s *input.Stats) *atomic.Int64 { return &s.Accepted }},
		{"refused_connections", "Connections refused, as max_connections were open.", func(s *input.Stats) *atomic.Int64 { return &s.Refused }},
		{"malformed", "Frames or entries that were not what they should be; their bytes are kept.", func(s *input.Stats) *atomic.Int64 { return &s.Malformed }},
		{"cut_lines", "Lines longer than max_line, which were cut.", func(s *input.Stats) *atomic.Int64 { return &s.Cut }},
		{"refusals", "Times that the spool had no room.", func(s *input.Stats) *atomic.Int64 { return &s.Refusals }},
		{"restarts", "Times that a child process was started again.", func(s *input.Stats) *atomic.Int64 { return &s.Restarts }},
	}
}

const (
	inputPrefix  = "loghaul_forwarder_input_"
	mConnections = inputPrefix + "connections"
	mBuffer      = inputPrefix + "receive_buffer_bytes"
)

func inputMetrics() []metrics.Desc {
	var out []metrics.Desc
	for _, c := range inputCounters() {
		out = append(out, metrics.Desc{Name: inputPrefix + c.name + "_total", Kind: metrics.KindCounter, Help: c.help, Labels: []string{"input"}})
	}
	return append(out,
		metrics.Desc{Name: mConnections, Kind: metrics.KindGauge, Help: "Connections that are open.", Labels: []string{"input"}},
		metrics.Desc{Name: mBuffer, Kind: metrics.KindGauge, Help: "Receive buffer of the socket, as the kernel grants it.", Labels: []string{"input"}},
	)
}

// inputMeter copies the counters of one input. An input that a reload replaces
// begins again at 0, and the sums go on.
type inputMeter struct {
	counters []*metrics.Counter
	from     *input.Stats
	base     []uint64
}

// inputMeters are brought up to date when the metrics are read: what inputs do
// wakes nobody.
type inputMeters struct {
	reg    *metrics.Registry
	mu     sync.Mutex
	byName map[string]*inputMeter
}

func meterInputs(s *intakes, reg *metrics.Registry) {
	m := &inputMeters{reg: reg, byName: map[string]*inputMeter{}}
	reg.OnRead(func() { m.update(*s.shown.Load()) })
}

func (m *inputMeters) update(all []*intake) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range all {
		if k.input == nil {
			continue
		}
		im := m.byName[k.name]
		if im == nil {
			im = m.add(k)
			m.byName[k.name] = im
		}
		if st := k.input.Stats(); im.from != st {
			if im.from != nil {
				im.copy() // what it counted last
			}
			im.from = st
			m.reg.Gauge(mConnections, func() float64 { return float64(st.Connections.Load()) }, k.name)
			m.reg.Gauge(mBuffer, func() float64 { return float64(st.BufferGot.Load()) }, k.name)
			for i, c := range im.counters {
				im.base[i] = c.Get()
			}
		}
		im.copy()
	}
}

func (im *inputMeter) copy() {
	for i, c := range inputCounters() {
		im.counters[i].Set(im.base[i] + uint64(c.value(im.from).Load())) //nolint:gosec // counters are not negative
	}
}

func (m *inputMeters) add(k *intake) *inputMeter {
	im := &inputMeter{base: make([]uint64, len(inputCounters()))}
	for _, c := range inputCounters() {
		im.counters = append(im.counters, m.reg.Counter(inputPrefix+c.name+"_total", k.name))
	}
	return im
}
