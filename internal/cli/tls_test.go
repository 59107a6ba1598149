package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/internal/transport/testpki"
)

func TestDescribeCertificate(t *testing.T) {
	end := time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC)
	pair := testpki.NewCA(t).IssueUntil(end, "localhost")
	own := transport.TLS{Cert: pair.Cert, Key: pair.Key}
	for _, tc := range []struct {
		tls  transport.TLS
		now  time.Time
		want string
	}{
		{transport.TLS{}, end, ""},
		{own, end.AddDate(0, 0, -15), "the certificate FILE is good until 2030-01-02 03:04 UTC"},
		{own, end.AddDate(0, 0, -13), "warning: the certificate FILE is good until 2030-01-02 03:04 UTC only"},
		{own, end, "warning: the certificate FILE has expired, at 2030-01-02 03:04 UTC: all connections will be refused"},
	} {
		if got := strings.ReplaceAll(DescribeCertificate(tc.tls, tc.now), pair.Cert, "FILE"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
