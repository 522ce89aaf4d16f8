package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// aggregatorFile is the configuration file of an aggregator: its own keys and
// those of the parts that this command joins to it.
type aggregatorFile struct {
	Aggregator aggregator.Config `yaml:",inline"`
	// Streams is for loghaul broker setup.
	Streams broker.Streams `yaml:"streams"`
	Archive archiveSection `yaml:"archive"`
	Index   elastic.Config `yaml:"index"`
	HTTP    string         `yaml:"http"`
	Log     logging.Config `yaml:"log"`
}

type archiveSection struct {
	URL string `yaml:"url"`
}

func defaultAggregatorFile() aggregatorFile {
	return aggregatorFile{
		Aggregator: aggregator.DefaultConfig(),
		Streams:    broker.DefaultStreams(),
		Index:      elastic.DefaultConfig(),
		Log:        logging.Default(),
	}
}

// Validate reports everything that cannot work.
func (f *aggregatorFile) Validate() error {
	errs := []error{
		f.Aggregator.Validate(),
		config.Under("streams", f.Streams.Validate()),
		config.Under("index", f.Index.Validate()),
		config.Under("log", f.Log.Validate()),
	}
	for i, format := range f.Aggregator.Formats {
		if !strings.Contains(format, "%") { // what has fields is checked above
			if err := checkFormat(format); err != nil {
				errs = append(errs, config.Invalid(fmt.Sprintf("formats[%d]", i), "%v", err))
			}
		}
	}
	if f.Archive.URL == "" {
		errs = append(errs, config.Invalid("archive.url", "is missing: write file:///dir or s3://bucket/prefix?endpoint=https://host:port"))
	} else if err := checkArchiveURL(f.Archive.URL); err != nil {
		errs = append(errs, config.Invalid("archive.url", "%v", err))
	}
	return errors.Join(errs...)
}

// checkArchiveURL finds mistakes in the URL alone: it contacts nothing, and
// the credentials may be those of another machine.
func checkArchiveURL(url string) error {
	o := objectstore.Options{AccessKey: "x", SecretKey: "x"}
	if env, err := objectstore.OptionsFromEnv(); err == nil {
		o.Region = env.Region
	}
	store, err := objectstore.Open(context.Background(), url, o)
	if err != nil {
		return err
	}
	return store.Close()
}
