package main

import (
	"context"
	"errors"
	"flag"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// indexFlags say which index a command is about: by an aggregator's file, by
// flags, or by a file and what flags change of it.
type indexFlags struct {
	config, url, namespace, ca string
}

func (f *indexFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "take section index, and the archive unless --archive is given, from an aggregator's `FILE`")
	fs.StringVar(&f.url, "index", "", "the index's `URL`, http(s)://host:9200; several nodes of one cluster with commas between.\nCredentials come from LOGHAUL_ELASTIC_USER and LOGHAUL_ELASTIC_PASSWORD, or LOGHAUL_ELASTIC_API_KEY")
	fs.StringVar(&f.namespace, "namespace", "", "the data stream is logs-haproxy.log-`NAME` (default \"default\", or the file's)")
	fs.StringVar(&f.ca, "ca", "", "trust the PEM certificates in `FILE` for https instead of the system's")
}

// load gives the file of --config with what the flags say, or the defaults with
// what the flags say. Secrets come from the environment. The index has a URL and
// is valid. Errors are those of loadConfig.
func (f *indexFlags) load() (aggregatorFile, error) {
	file := defaultAggregatorFile()
	if f.config != "" {
		if err := loadConfig(f.config, &file); err != nil {
			return file, err
		}
	} else if err := environment(&file.Index); err != nil {
		return file, err
	}
	for _, o := range []struct {
		given string
		into  *string
	}{{f.url, &file.Index.URL}, {f.namespace, &file.Index.Namespace}, {f.ca, &file.Index.CA}} {
		if o.given != "" {
			*o.into = o.given
		}
	}
	if file.Index.URL == "" {
		if f.config != "" {
			return file, usagef("%s has no index.url: give --index URL", f.config)
		}
		return file, usagef("say which index: --index http://host:9200, or --config FILE of an aggregator")
	}
	if err := file.Index.Validate(); err != nil {
		return file, usagef("%v", config.Under("index", err))
	}
	return file, nil
}

// environment fills the secrets of an index that no file tells about.
func environment(c *elastic.Config) error {
	only := struct {
		Index elastic.Config `yaml:"index"`
	}{*c}
	err := config.Parse("environment", nil, &only)
	*c = only.Index
	return err
}

// openArchiveOr opens the archive of --archive, or else that of a file.
func openArchiveOr(ctx context.Context, url string, c objectstore.Config) (objectstore.Store, error) {
	if c.URL == "" || (url != "" && url != c.URL) {
		return openArchive(ctx, url)
	}
	o, err := objectstore.OptionsFromEnv()
	if err == nil {
		o, err = o.With(c)
	}
	if err != nil {
		return nil, usagef("%v", err)
	}
	store, err := objectstore.Open(ctx, c.URL, o)
	if err != nil {
		return nil, usagef("%v", err)
	}
	if err := readable(ctx, store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}
