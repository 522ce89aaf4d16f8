package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"

	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func indexSetupCommand() command {
	return command{
		name:  "index setup",
		args:  "--index URL | --config FILE [--output table|json] [--print | --print-role]",
		short: "Install the index template in Elasticsearch, and say what is there and whether it will do",
		alone: true,
		long: `
Run it once, as a user with the cluster privilege manage_index_templates; running it again changes
nothing. It asks what answers at the URL, which privileges the user has, and whether the data stream's
name is free, installs the template unless it is there, and looks for templates that take precedence.
Each finding gets a verdict: OK, weak (documents are indexed, but not as they could be), wrong (nothing
is indexed before it is put right). A template of a newer loghaul stays. With an aggregator's file it
is that of the file. Exit code 1 if anything is wrong, or the template has no effect.
--print shows the template, with --config as that wants it, and contacts nobody: for
PUT _index_template/` + elastic.TemplateName + `. --print-role shows the least that the aggregator's user
needs: for PUT _security/role/loghaul.
`,
		examples: `
			export LOGHAUL_ELASTIC_USER=elastic LOGHAUL_ELASTIC_PASSWORD_FILE=elastic.pw
			loghaul index setup --index https://localhost:9200 --ca http_ca.crt
			loghaul index setup --config aggregator.yaml --output json | jq -r 'select(.verdict != "OK") | .do'
			# where an administrator wants to see it first
			loghaul index setup --print > template.json`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f indexFlags
			f.register(fs)
			show := fs.Bool("print", false, "print the index template, and do nothing else")
			role := fs.Bool("print-role", false, "print the role for the aggregator's user, and do nothing else")
			output := fs.String("output", "table", "`FORMAT`: table or json, one finding in each line")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				switch {
				case *show && *role:
					return usagef("--print and --print-role are given: keep one of the two")
				case *role:
					_, err := s.out.Write(elastic.Role())
					return err
				case *show && f.url == "":
					f.url = "http://127.0.0.1:9200" // is not asked for anything
				}
				file, err := f.load()
				if err != nil {
					return err
				}
				if *show {
					_, err := s.out.Write(file.Index.IndexTemplate("")) // as a current server has it
					return err
				}
				return setupIndex(ctx, s.out, file.Index, *output)
			}
		},
	}
}

func setupIndex(ctx context.Context, w io.Writer, cfg elastic.Config, output string) error {
	server, err := elastic.Connect(cfg)
	if err != nil {
		return usagef("%v", err)
	}
	defer server.Close()
	show := func(f *elastic.Finding) error {
		printFinding(w, objectstore.Finding{Name: f.Name, Verdict: f.Verdict, Says: f.Says, Do: f.Do})
		return nil
	}
	if output == "json" {
		show = func(f *elastic.Finding) error { return json.NewEncoder(w).Encode(f) }
	}
	var shown error
	err = server.Setup(ctx, func(f *elastic.Finding) { shown = errors.Join(shown, show(f)) })
	return errors.Join(shown, err)
}
