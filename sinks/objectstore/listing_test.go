package objectstore_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/sinks/objectstore"
)

// page is one answer to ListObjectsV2 (S3 API reference).
func page(keys []string, truncated bool, token string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>archive</Name>`)
	fmt.Fprintf(&b, "<KeyCount>%d</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>%v</IsTruncated>", len(keys), truncated)
	if token != "" {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", token)
	}
	for _, k := range keys {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><LastModified>2026-11-26T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>", k)
	}
	b.WriteString("</ListBucketResult>")
	return b.String()
}

// lister answers listings of these keys rightly, except as wrong changes them:
// it gets the number of the request and what to answer.
func lister(t *testing.T, keys []string, wrong func(n int, keys []string, truncated bool, token string) (code int, body string)) objectstore.Store {
	t.Helper()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		after := max(q.Get("start-after"), q.Get("continuation-token"))
		limit, err := strconv.Atoi(q.Get("max-keys"))
		if err != nil || q.Get("list-type") != "2" {
			t.Errorf("it asks for %s", r.URL)
		}
		from, found := slices.BinarySearch(keys, after)
		if found {
			from++
		}
		rest := keys[from:]
		truncated := len(rest) > limit
		token := ""
		if truncated {
			rest = rest[:limit]
			token = rest[limit-1]
		}
		requests++
		code, body := wrong(requests, rest, truncated, token)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	s := openURL(t, "s3://archive?endpoint="+server.URL, objectstore.Options{AccessKey: "a", SecretKey: "b", Timeout: 5 * time.Second})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A listing that is wrong is refused where that shows in it. Where it does not,
// as in the last two cases, only a manifest can tell: see loghaul audit verify.
func TestS3ListingsThatAreWrong(t *testing.T) {
	var keys []string
	for i := range 2500 {
		keys = append(keys, fmt.Sprintf("dt=2026-11-26/hour=%02d/%05d", i/200, i))
	}
	for _, c := range []struct {
		name  string
		wrong func(n int, keys []string, truncated bool, token string) (int, string)
		want  int    // keys, when says is empty
		says  string // the error
	}{
		{"right", func(_ int, k []string, tr bool, to string) (int, string) { return 200, page(k, tr, to) }, 2500, ""},
		{"a page is cut", func(n int, k []string, tr bool, to string) (int, string) {
			s := page(k, tr, to)
			if n == 2 {
				s = s[:len(s)*2/3]
			}
			return 200, s
		}, 0, "unexpected EOF"},
		{"a page is empty text", func(n int, k []string, tr bool, to string) (int, string) {
			if n == 2 {
				return 200, ""
			}
			return 200, page(k, tr, to)
		}, 0, "EOF"},
		{"a page is another document", func(n int, k []string, tr bool, to string) (int, string) {
			if n == 2 {
				return 200, "<html><body>login</body></html>"
			}
			return 200, page(k, tr, to)
		}, 0, "ListBucketResult"},
		{"the second page fails", func(n int, k []string, tr bool, to string) (int, string) {
			if n == 2 {
				return 503, slowDown
			}
			return 200, page(k, tr, to)
		}, 0, "SlowDown"},
		{"the same page again", func(_ int, _ []string, _ bool, _ string) (int, string) {
			return 200, page(keys[:1000], true, keys[999])
		}, 0, "does not keep the order"},
		{"keys out of order", func(_ int, k []string, tr bool, to string) (int, string) {
			k = slices.Clone(k)
			k[10], k[11] = k[11], k[10]
			return 200, page(k, tr, to)
		}, 0, "does not keep the order"},
		{"a key twice", func(_ int, k []string, tr bool, to string) (int, string) {
			return 200, page(append([]string{k[0]}, k...), tr, to)
		}, 0, "does not keep the order"},
		{"more to come, without a token", func(n int, k []string, tr bool, to string) (int, string) {
			if n == 1 {
				return 200, page(k[:500], true, "")
			}
			return 200, page(k, tr, to)
		}, 0, "continuation"},
		{"full pages that deny that there is more", func(_ int, k []string, _ bool, _ string) (int, string) { return 200, page(k, false, "") }, 2500, ""},
		{"short pages", func(_ int, k []string, tr bool, to string) (int, string) {
			if len(k) > 300 {
				return 200, page(k[:300], true, k[299])
			}
			return 200, page(k, tr, to)
		}, 2500, ""},
		// What a listing alone cannot show:
		{"a short page that denies that there is more", func(_ int, k []string, _ bool, _ string) (int, string) { return 200, page(k[:700], false, "") }, 700, ""},
		{"a key is left out", func(n int, k []string, tr bool, to string) (int, string) {
			if n == 1 {
				k = slices.Delete(slices.Clone(k), 5, 6)
			}
			return 200, page(k, tr, to)
		}, 2499, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			err := lister(t, keys, c.wrong).List(t.Context(), "", func(i objectstore.Info) error {
				got = append(got, i.Key)
				return nil
			})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%d keys and %v, want one line with %q", len(got), err, c.says)
				}
				return
			}
			if err != nil || len(got) != c.want || !slices.IsSorted(got) {
				t.Errorf("%d keys and %v, want %d", len(got), err, c.want)
			}
		})
	}
}
