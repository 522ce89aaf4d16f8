package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/wire"
)

type sent struct {
	lines     int
	raw, wire int64
	messages  int
}

// publish sends the corpus, as another node each round, until there are enough
// lines.
func publish(ctx context.Context, s *embedded.Server, o *options, corpus []byte) (sent, error) {
	var total sent
	enc, err := wire.ParseEncoding(o.encoding)
	if err != nil {
		return total, err
	}
	nc, err := broker.Connect(ctx, broker.DefaultConfig(), broker.Options{Name: "bench", InProcess: s})
	if err != nil {
		return total, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(8))
	if err != nil {
		return total, err
	}
	r, err := broker.Setup(ctx, js, setup(o))
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return total, err
	}
	for round := 0; total.lines < o.lines; round++ {
		if err := publishRound(ctx, js, o, enc, corpus, round, &total); err != nil {
			return total, err
		}
	}
	return total, nil
}

func publishRound(ctx context.Context, js jetstream.JetStream, o *options, enc wire.Encoding, corpus []byte, round int, total *sent) error {
	node := fmt.Sprintf("lb-%02d", round)
	id := sha256.Sum256([]byte(node))
	for from := 0; from < len(corpus) && total.lines < o.lines; {
		end := min(from+o.batch, len(corpus))
		end = from + bytes.LastIndexByte(corpus[from:end], '\n') + 1
		if end == from {
			return fmt.Errorf("a line is longer than %d bytes", o.batch)
		}
		raw := corpus[from:end]
		h := wire.Header{
			Source: wire.Source{ID: hex.EncodeToString(id[:12]), Node: node, Path: "/var/log/haproxy.log"},
			From:   int64(from), To: int64(end), Records: wire.CountRecords(raw), CRC: wire.Checksum(raw),
			Encoding: enc, ReadAt: time.Now(),
		}
		payload, err := compress(enc, raw)
		if err != nil {
			return err
		}
		if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: wire.Subject(node, o.shards), Header: h.Encode(), Data: payload}); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		total.lines += h.Records
		total.raw += int64(len(raw))
		total.wire += int64(len(payload))
		total.messages++
		from = end
	}
	return nil
}

func compress(enc wire.Encoding, raw []byte) ([]byte, error) {
	switch enc {
	case wire.S2:
		var b bytes.Buffer
		w := s2.NewWriter(&b, s2.WriterConcurrency(1))
		if _, err := w.Write(raw); err != nil {
			return nil, err
		}
		err := w.Close()
		return b.Bytes(), err
	case wire.Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return w.EncodeAll(raw, nil), nil
	case wire.Plain:
	}
	return raw, nil
}
