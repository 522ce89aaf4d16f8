package parser_test

import (
	"fmt"

	"github.com/loghaul/loghaul/parser"
)

func ExampleFormat_Parse() {
	f, err := parser.Compile(`%ci:%cp [%tr] %ft %b/%s %ST %B %{+Q}r`)
	if err != nil {
		panic(err)
	}
	var r parser.Record
	if !f.Parse([]byte(`127.0.0.1:38629 [22/Nov/2026:16:17:55.910] web app/app2 404 431 "GET /cart HTTP/1.1"`), &r) {
		panic("no match")
	}
	for i, field := range f.Fields() {
		switch v := &r.Values[i]; field.Kind {
		case parser.KindInt, parser.KindDate:
			fmt.Println(field.Name, v.Int)
		default:
			fmt.Printf("%s %s\n", field.Name, v.Text)
		}
	}
	// Output:
	// ci 127.0.0.1
	// cp 38629
	// tr 1795364275910
	// ft web
	// b app
	// s app2
	// ST 404
	// B 431
	// r GET /cart HTTP/1.1
}

func ExampleCompile_error() {
	_, err := parser.Compile(`%ci:%cp [%date]`)
	fmt.Println(err)
	// Output:
	// log-format, byte 10: there is no alias 'date'; a percent sign is written '%%'
}
