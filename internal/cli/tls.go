package cli

import (
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
)

// ServerTLS registers the files that secure a server's connections, and those it makes itself.
func (s *Settings) ServerTLS(to *transport.TLS) {
	s.tls(to, "PEM file with the authorities that the other side's certificate must be signed by")
	s.Bool(&to.OneWay, "one-way", "do not ask clients for certificates").Key("tls.one_way")
}

// ClientTLS registers the files that secure the connections of a client. They may be other ones after a reload.
func (s *Settings) ClientTLS(to *transport.TLS) {
	for _, file := range s.tls(to, "PEM file with the authorities that the server's certificate must be signed by; without it connections are in the clear") {
		file.Live()
	}
}

func (s *Settings) tls(to *transport.TLS, ca string) []*Setting {
	s.Group("TLS")
	return []*Setting{
		s.String(&to.CA, "ca", "", ca).Arg("FILE").Key("tls.ca"),
		s.String(&to.Cert, "crt", "", "PEM file with this program's own certificate").Arg("FILE").Key("tls.crt"),
		s.String(&to.Key, "pk", "", "PEM file with the certificate's private key").Arg("FILE").Key("tls.pk"),
	}
}

// DescribeListener says for people where a server listens, and how its connections are secured.
func DescribeListener(host string, port int, t transport.TLS) string {
	text := fmt.Sprintf("port %d", port)
	if port == 0 {
		text = "any port"
	}
	if host == "" {
		text += " of all addresses"
	} else {
		text += " of " + host
	}
	switch {
	case t.Cert == "":
		return text + ", in the clear"
	case t.CA == "" || t.OneWay:
		return text + ", with TLS; clients need no certificate"
	default:
		return text + ", with TLS; clients need a certificate"
	}
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// DescribeCertificate says for people until when the program's own certificate is good, with a warning if that is soon; ""
// without one. A program starts with an expired one, but nobody talks to it.
func DescribeCertificate(t transport.TLS, now time.Time) string {
	until, err := t.Expires()
	switch end := until.UTC().Format("2006-01-02 15:04 UTC"); {
	case err != nil: // a check of the settings has told it
		return ""
	case until.IsZero():
		return ""
	case !now.Before(until):
		return fmt.Sprintf("warning: the certificate %s has expired, at %s: all connections will be refused", t.Cert, end)
	case until.Sub(now) < soon:
		return fmt.Sprintf("warning: the certificate %s is good until %s only", t.Cert, end)
	default:
		return fmt.Sprintf("the certificate %s is good until %s", t.Cert, end)
	}
}

// CheckTLS checks the files of a program that is both server and client.
func CheckTLS(t transport.TLS) error {
	if _, err := t.Server(); err != nil {
		return err
	}
	_, err := t.Client()
	return err
}
