package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/internal/ops"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// aggregatorFile is the configuration file of an aggregator: its own keys and
// those of the parts that this command joins to it.
type aggregatorFile struct {
	Aggregator aggregator.Config `yaml:",inline"`
	// Streams is for loghaul broker setup.
	Streams broker.Streams     `yaml:"streams"`
	Archive objectstore.Config `yaml:"archive"`
	Index   elastic.Config     `yaml:"index"`
	HTTP    string             `yaml:"http"`
	Log     logging.Config     `yaml:"log"`
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
		config.Under("archive", f.Archive.Validate()),
		config.Under("index", f.Index.Validate()),
		config.Under("log", f.Log.Validate()),
	}
	if err := ops.CheckAddress(f.HTTP); err != nil {
		errs = append(errs, config.Invalid("http", "%v", err))
	}
	if f.Index.URL != "" {
		for key, path := range map[string]string{"city": f.Index.GeoIP.City, "asn": f.Index.GeoIP.ASN} {
			if err := config.Readable(path); err != nil {
				errs = append(errs, config.Invalid("index.geoip."+key, "read the database: %v", err))
			}
		}
	}
	for i, format := range f.Aggregator.Formats {
		if !strings.Contains(format, "%") { // what has fields is checked above
			if err := checkFormat(format); err != nil {
				errs = append(errs, config.Invalid(fmt.Sprintf("formats[%d]", i), "%v", err))
			}
		}
	}
	return errors.Join(errs...)
}
