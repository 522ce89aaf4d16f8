package haproxycfg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser/haproxycfg"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

// parse reads one file a.cfg.
func parse(t *testing.T, text string, env map[string]string) *haproxycfg.Config {
	t.Helper()
	c, err := haproxycfg.Parse([]haproxycfg.File{{Name: "a.cfg", Data: []byte(text)}}, lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// show gives a format in one line: what differs from a frontend with httplog that logs.
func show(f haproxycfg.Format) string {
	s := fmt.Sprintf("%s %s:%d", f.Proxy, f.Spec, f.Line)
	if f.Kind == haproxycfg.Connection {
		s += " error"
	}
	if f.Profile != "" {
		s += " profile=" + f.Profile
	}
	if len(f.Captures.Request)+len(f.Captures.Response) > 0 {
		s += " " + strings.Join(f.Captures.Request, ",") + "|" + strings.Join(f.Captures.Response, ",")
	}
	if f.Cookie != "" {
		s += " cookie=" + f.Cookie
	}
	if f.ASAP {
		s += " asap"
	}
	if f.MaxLen != 1024 && f.Logs {
		s += fmt.Sprintf(" len=%d", f.MaxLen)
	}
	if f.Header != "" {
		s += " header=" + f.Header
	}
	if f.Tag != "" {
		s += " tag=" + f.Tag
	}
	if !f.Logs {
		s += " silent"
	}
	return s
}

func TestFormats(t *testing.T) {
	const log = "defaults\n mode http\n log fd@1 local0\n option httplog\n" // four lines
	for name, tc := range map[string]struct {
		in   string
		env  map[string]string
		want string // lines of show
	}{
		"inherited":                {in: log + "frontend f\nlisten l\nbackend b\n", want: "f httplog:4\nl httplog:4"},
		"own":                      {in: log + "frontend f\n option httpslog\nfrontend g\n option tcplog\nfrontend h\n log-format %ci\n", want: "f httpslog:6\ng tcplog:8\nh %ci:10"},
		"clf":                      {in: log + "frontend f\n option httplog clf\nfrontend g\n option tcplog clf\n", want: "f clf:6\ng tcplog-clf:8"},
		"the last counts":          {in: log + "frontend f\n log-format %ci\n option tcplog\n option httplog\nfrontend g\n option httplog\n log-format %cp\n", want: "f httplog:8\ng %cp:11"},
		"mode tcp":                 {in: log + "frontend f\n mode tcp\nfrontend g\n mode tcp\n option httplog clf\nfrontend h\n mode tcp\n option httpslog\n", want: "f tcplog:4\ng tcplog-clf:9\nh tcplog:12"},
		"no option httplog":        {in: log + "frontend f\n no option httplog\n default option httplog\n", want: "f httplog:4"},
		"logasap":                  {in: log + " option logasap\nfrontend f\nfrontend g\n no option logasap\nfrontend h\n default option logasap\n", want: "f httplog:4 asap\ng httplog:4\nh httplog:4"},
		"no format":                {in: "defaults\n log fd@1 local0\nfrontend f\nfrontend g\n mode http\n", want: "f default:3\ng default:4"},
		"no defaults":              {in: "frontend f\n log fd@1 local0\n", want: "f default:1"},
		"no target":                {in: "frontend f\n option tcplog\nfrontend g\n", want: "f tcplog:2 silent\ng default:3 silent"},
		"no log":                   {in: log + "frontend f\n no log\nfrontend g\n no log\n log fd@2 local1\n", want: "f httplog:4 silent\ng httplog:4"},
		"disabled":                 {in: log + " disabled\nfrontend f\nfrontend g\n enabled\n", want: "f httplog:4 silent\ng httplog:4"},
		"log global":               {in: "global\n log a len 100 local0\n log b format rfc5424 local0\n log-tag t\ndefaults\n log global\nfrontend f\n log global\nfrontend g\n log-tag u\n", want: "f default:7 len=100 tag=t\nf default:7 header=rfc5424 tag=t\ng default:9 len=100 tag=u\ng default:9 header=rfc5424 tag=u"},
		"global too late":          {in: "defaults\n log global\nglobal\n log a local0\nfrontend f\nfrontend g\n log global\n", want: "f default:5 silent\ng default:6"},
		"targets":                  {in: "frontend f\n log a len 80 format raw sample 1:2 local0\n log b len 80 format raw local1 notice\n log c format iso len 300 local0\n", want: "f default:1 len=80 header=raw\nf default:1 len=300 header=iso"},
		"anonymous defaults":       {in: log + "frontend f\ndefaults\nfrontend g\n", want: "f httplog:4\ng default:7 silent"},
		"named defaults":           {in: "defaults a\n log x local0\n option tcplog\ndefaults b from a\n option logasap\ndefaults\n log y local0\n log-format %ci\nfrontend f from a\nfrontend g\nfrontend h from b\nlisten i from b\n", want: "f tcplog:3\ng %ci:8\nh tcplog:3 asap\ni tcplog:3 asap"},
		"unnamed from":             {in: "defaults a\n log x local0\n option tcplog\ndefaults from a\n log-format %ci\nfrontend f\n", want: "f %ci:5"},
		"the last named":           {in: "defaults a\n log x local0\n option tcplog\nfrontend f\n", want: "f tcplog:3"},
		"defaults later":           {in: "defaults\n log x local0\nfrontend f\ndefaults\n option tcplog\n", want: "f default:3"},
		"error-log-format":         {in: log + " error-log-format \"E %ci\"\nfrontend f\nfrontend g\n error-log-format 'F %ci'\n", want: "f httplog:4\nf E %ci:5 error\ng httplog:4\ng F %ci:8 error"},
		"captures":                 {in: log + "frontend f\n capture request header Host len 10\n declare capture request len 5\n capture request header X-A len 1\n capture response header Server len 4\n declare capture response len 5\n capture cookie SID= len 8\n http-request capture req.hdr(a) len 3\n http-request capture req.hdr(a) id 0\n http-response capture res.hdr(a) id 0\n tcp-request content capture src len 9 if TRUE\nfrontend g\n capture request header Host\n http-request capture req.hdr(len) id 0 if { src len }\n", want: "f httplog:4 Host,,X-A,,|Server, cookie=SID=\ng httplog:4"},
		"captures of defaults":     {in: "defaults d\n log x local0\n http-request capture src len 9\nfrontend f\n capture request header Host len 10\nfrontend g\n", want: "f default:4 ,Host|\ng default:6 |"},
		"quotes":                   {in: log + "frontend f\n log-format \"%ci \\\"%r\\\"\"' %ST'\\ %B # comment\n", want: `f %ci "%r" %ST %B:6`},
		"environment":              {in: "global\n setenv FMT %ci\n presetenv OUT no\n" + log + "frontend f\n log-format \"$FMT ${OUT} ${NO-x} ${HAPROXY_TCP_LOG_FMT}\"\n", env: map[string]string{"OUT": "o"}, want: "f %ci o x %ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq:9"},
		"pseudo-variables":         {in: log + "frontend f\n log-format \"${.FILE}:${.LINE} $.SECTION %ci\"\n", want: "f a.cfg:6 f %ci:6"},
		"unset where it is no use": {in: log + "frontend \"$NAME\"\n bind \":$PORT\"\n", want: "${NAME} httplog:4"},
		"false":                    {in: log + ".if defined(A)\nfrontend f\n.elif 0\nfrontend g\n.else\nfrontend h\n.endif\n", env: map[string]string{"B": ""}, want: "f httplog:4\nh httplog:4"},
		"true":                     {in: log + ".if defined(B)\n .if 0\n frontend e\n .elif 1\nfrontend f\n .else\nfrontend g\n .endif\n.elif 1\nfrontend h\n.endif\n", env: map[string]string{"B": ""}, want: "f httplog:4"},
		"both":                     {in: log + "frontend f\n.if feature(X)\n option tcplog\n.else\n option httpslog\n.endif\n", want: "f tcplog:7\nf httpslog:9"},
		"both, consistent":         {in: log + "frontend f\n.if feature(X)\n option tcplog\n.endif\n.if !feature(X)\n option httpslog\n.endif\n", want: "f tcplog:7\nf httpslog:10"},
		"unset in a condition":     {in: log + "frontend f\n.if streq(\"$X\",1)\n option tcplog\n.endif\n", want: "f tcplog:7\nf httplog:4"},
		"dropped":                  {in: log + ".if 0\n log-format a b\n.endif\n.notice hello\nfrontend f\n", want: "f httplog:4"},
		"other sections":           {in: log + "frontend f\nuserlist u\n log-format %cp\nring r\n format iso\npeers p\n log x local0\nresolvers r\n option tcplog\n", want: "f httplog:4"},
		"backend":                  {in: log + "backend b\n log-format %nosuch\n", want: ""},
		"scope and CRLF":           {in: "[prod]\r\ndefaults\r\n log x local0\r\n log-format '%ci'\r\nfrontend f\r\n", want: "f %ci:4"},
		"no newline":               {in: "frontend f\n log a local0", want: "f default:1"},
		"a backslash is one":       {in: log + "frontend f\n log-format %ci\\\n option tcplog\n", want: "f tcplog:7"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range parse(t, tc.in, tc.env).Formats {
				got = append(got, show(f))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestProfiles(t *testing.T) {
	const profiles = "log-profile p\n log-tag pt\n on error format 'E %ci'\n on accept format 'A %ci'\n on any format 'any %ci'\n" +
		"log-profile q\n on any drop\n on close format 'C %ci'\n on http-req format 'H %ci'\n on response sd x\n" +
		"log-profile r\n on close drop format '%ci' sd '%cp'\n on error drop\n" // 13 lines
	for name, tc := range map[string]struct{ in, want string }{
		"at the end":              {"frontend f\n mode http\n option httplog\n log x profile p local0\n", "f any %ci:5 profile=p tag=pt\nf E %ci:3 error profile=p tag=pt"},
		"at an unknown step":      {"frontend f\n log-format %ci\n log x profile p local0\n", "f A %ci:4 profile=p tag=pt\nf any %ci:5 profile=p tag=pt\nf E %ci:3 error profile=p tag=pt"},
		"asap":                    {"frontend f\n option tcplog\n option logasap\n log x profile p local0\n", "f A %ci:4 profile=p asap tag=pt\nf any %ci:5 profile=p asap tag=pt\nf E %ci:3 error profile=p asap tag=pt"},
		"log-steps":               {"frontend f\n option tcplog\n log-steps connect,close\n log x profile p local0\n", "f any %ci:5 profile=p tag=pt\nf E %ci:3 error profile=p tag=pt"},
		"log-steps all":           {"frontend f\n option tcplog\n log-steps all\n log x profile q local0\n", "f tcplog:15 profile=q\nf C %ci:8 profile=q"},
		"log-steps, no format":    {"frontend f\n log-steps all\n log x profile q local0\n", "f C %ci:8 profile=q"},
		"log-steps, nothing left": {"frontend f\n log-steps accept\n log x local0\n", ""},
		"no format":               {"frontend f\n log x profile q local0\n", "f default:14"},
		"format behind drop":      {"frontend f\n option tcplog\n log x profile r local0\n", "f %ci:12 profile=r"},
		"with and without":        {"frontend f\n option tcplog\n log x local0\n log y profile q local0\n", "f tcplog:15\nf C %ci:8 profile=q"},
		"do-log":                  {"frontend f\n option tcplog\n log x profile q local0\n http-request do-log if TRUE\n", "f C %ci:8 profile=q\nf H %ci:9 profile=q"},
		"do-log profile":          {"frontend f\n option tcplog\n log x local0\nbackend b\n tcp-request content do-log profile p\n", "f tcplog:15\nf any %ci:5 profile=p tag=pt"},
		"do-log elsewhere":        {"frontend f\n option tcplog\n log x local0\nfrontend g\n http-response do-log profile p\n", "f tcplog:15\ng default:17 silent"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range parse(t, profiles+tc.in, nil).Formats {
				got = append(got, show(f))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
