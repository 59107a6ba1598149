package cli

import (
	"fmt"

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

// CheckTLS checks the files of a program that is both server and client.
func CheckTLS(t transport.TLS) error {
	if _, err := t.Server(); err != nil {
		return err
	}
	_, err := t.Client()
	return err
}
