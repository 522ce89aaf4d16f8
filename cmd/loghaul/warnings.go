package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/broker"
)

// aggregatorWarnings finds what is allowed and likely to be a mistake.
func aggregatorWarnings(f *aggregatorFile) []string {
	w := brokerWarnings(&f.Aggregator.Broker)
	for _, note := range f.Aggregator.FormatNotes() {
		w = append(w, "haproxy_config: "+note)
	}
	if u, err := url.Parse(f.Archive.URL); err == nil && u.Scheme == "file" {
		w = append(w, "archive.url is a folder: right for one machine; with several aggregators they must share it")
	}
	if path := f.Aggregator.Manifest.KeyFile; path != "" {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			w = append(w, fmt.Sprintf("manifest.key_file %s has the mode %v: whoever can read it can sign manifests; chmod 600 it", path, info.Mode().Perm()))
		}
	}
	if f.Index.URL != "" && strings.HasPrefix(f.Index.URL, "http://") && !loopback(f.Index.URL) {
		w = append(w, "index.url is not encrypted: lines and credentials can be read on the way")
	}
	for _, missing := range f.Index.MissingFields(f.Aggregator.AllFormats()) {
		w = append(w, "index.rules: no format has what a rule asks for: "+missing)
	}
	if f.Streams.AckWait <= f.Aggregator.Window.Age {
		w = append(w, fmt.Sprintf("streams.ack_wait (%v) is not longer than window.age (%v): batches are delivered again while they are being collected",
			f.Streams.AckWait, f.Aggregator.Window.Age))
	}
	if f.Streams.Replicas == 2 {
		w = append(w, "streams.replicas is 2: it survives no more failures than 1, and is slower; use 1 or 3")
	}
	return w
}

func forwarderWarnings(c *forwarder.Config) []string { return brokerWarnings(&c.Broker) }

func brokerWarnings(b *broker.Config) []string {
	var w []string
	for i, s := range b.Servers {
		if strings.HasPrefix(s, "nats://") && !loopback(s) && (b.Password != "" || b.Token != "") {
			w = append(w, fmt.Sprintf("broker.servers[%d] is not encrypted, but a password or token is set: use tls://", i))
		}
	}
	return w
}

func loopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
