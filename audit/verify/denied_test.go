package verify_test

import (
	"strings"
	"testing"

	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// TestDenied has a real server refuse what a user's policy denies, with 403.
func TestDenied(t *testing.T) {
	server := testenv.S3WithIAM(t)
	open := func(access, secret string) objectstore.Store {
		store, err := objectstore.Open(t.Context(), server.URL("at"), objectstore.Options{AccessKey: access, SecretKey: secret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
	s := fillSample(newWorldIn(t, open(server.AccessKey, server.SecretKey)))
	const may = `{"Effect":"Allow","Action":["s3:ListBucket","s3:GetObject"],"Resource":["arn:aws:s3:::archive","arn:aws:s3:::archive/*"]}`
	for name, c := range map[string]struct {
		deny string
		want []string
	}{
		"nothing": {"", nil},
		"reading manifests": {
			`,{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::archive/at/_manifests/*"}`,
			[]string{
				"agg-1 1 not read", "agg-1 2 not read", "agg-1 3 not read", "agg-1 4 not read", "agg-1 5 not read", "agg-2 1 not read", "agg-2 2 not read", "agg-2 3 not read",
				"unread " + s.o10, "unread " + s.o10b, "unread " + s.o11, "unread " + s.late, "unread " + s.o12, "unread " + s.p10, "unread " + s.p11, "unread " + s.p12, "unread " + s.quarantined,
			},
		},
		"listing manifests": {
			`,{"Effect":"Deny","Action":"s3:ListBucket","Resource":"arn:aws:s3:::archive","Condition":{"StringLike":{"s3:prefix":"at/_manifests/*"}}}`,
			[]string{"unread " + s.o10, "unread " + s.o10b, "unread " + s.o11, "unread " + s.late, "unread " + s.o12, "unread " + s.p10, "unread " + s.p11, "unread " + s.p12, "unread " + s.quarantined},
		},
		"reading an hour": {`,{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::archive/at/dt=2026-03-01/hour=12/*"}`, []string{"unread " + s.o12, "unread " + s.p12}},
	} {
		t.Run(name, func(t *testing.T) {
			access, secret := server.AddUser(strings.ReplaceAll(name, " ", "-"), `{"Version":"2012-10-17","Statement":[`+may+c.deny+`]}`)
			w := *s.world
			w.t, w.store = t, open(access, secret)
			same(t, name, w.verify(verify.Options{Keys: w.keys, Deep: true}).differences(), c.want...)
		})
	}
}
