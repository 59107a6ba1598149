// Package madelines makes up lines such as servers write, for benchmarks. The same seed makes the same lines, and no two of
// them are alike: the clock in them moves on with each. They compress a little worse than real logs do.
package madelines

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Lines is a supply of lines such as servers write. It is not safe for concurrent use.
type Lines struct {
	rng *rand.Rand
	now time.Time
}

// New returns the lines of a seed.
func New(seed uint64) *Lines {
	return &Lines{
		rng: rand.New(rand.NewPCG(seed, 0x6c6f6773)),
		now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC),
	}
}

// Of returns whole lines of so many bytes at most, and not many less.
func Of(size int) []byte {
	lines, buf := New(1), make([]byte, 0, size+1<<10)
	for {
		n := len(buf)
		if buf = lines.Next(buf); len(buf) > size {
			return buf[:n]
		}
	}
}

// The words of the lines. Real logs say few things, many times, with other numbers.
var (
	methods  = []string{"GET", "GET", "GET", "GET", "POST", "PUT", "HEAD", "DELETE"}
	statuses = []string{"200", "200", "200", "200", "200", "204", "301", "304", "404", "500"}
	paths    = []string{"/", "/index.html", "/api/v1/orders/%d", "/api/v1/customers/%d/baskets", "/static/js/app.%x.js", "/img/thumbs/%d.webp", "/search?q=lamp&page=%d", "/healthz"}
	agents   = []string{"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15", "curl/8.5.0", "kube-probe/1.30"}
	levels   = []string{"INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"}
	classes  = []string{"o.shop.cart.BasketService", "o.shop.pay.GatewayClient", "o.shop.store.InventoryReader", "o.shop.web.SessionFilter", "o.apache.kafka.clients.NetworkClient"}
	events   = []string{"basket %d holds %d articles, recalculated", "connection to node %d was lost after %d ms, trying again", "reserved %d pieces of article %d for the order of the customer", "took %d ms to answer request %d, slower than the limit of 250 ms", "cache of %d entries refreshed, %d of them had expired"}
	daemons  = []string{"sshd", "systemd", "CRON", "kernel", "postfix/smtpd", "dhclient"}
	notices  = []string{"Accepted publickey for deploy from 10.3.%d.%d port 51022 ssh2: ED25519 SHA256:pZ0QmD3vYkq7y4F1nY8s", "Started Session %d of user %d.", "Failed password for invalid user admin from 203.0.%d.%d port 38412 ssh2", "connect from mail-%d.example.org[198.51.100.%d], delivery queued", "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 %d %d)"}
)

// Next appends the next line to buf, with its newline.
func (c *Lines) Next(buf []byte) []byte {
	c.now = c.now.Add(time.Duration(1+c.rng.IntN(900)) * time.Microsecond)
	switch k := c.rng.IntN(10); {
	case k < 4:
		buf = c.access(buf)
	case k < 7:
		buf = c.service(buf)
	case k < 9:
		buf = c.structured(buf)
	default:
		buf = c.daemon(buf)
	}
	return append(buf, '\n')
}

func (c *Lines) access(buf []byte) []byte {
	path := pick(c.rng, paths)
	buf = fmt.Appendf(buf, "10.%d.%d.%d - - [", c.rng.IntN(4), c.rng.IntN(64), c.rng.IntN(256))
	buf = c.now.AppendFormat(buf, "02/Jan/2006:15:04:05.000000 -0700")
	buf = append(buf, `] "`...)
	buf = append(buf, pick(c.rng, methods)...)
	buf = append(buf, ' ')
	buf = c.fill(buf, path)
	return fmt.Appendf(buf, ` HTTP/1.1" %s %d "-" "%s" 0.%03d`, pick(c.rng, statuses), c.rng.IntN(40_000), pick(c.rng, agents), c.rng.IntN(900))
}

func (c *Lines) service(buf []byte) []byte {
	buf = c.now.AppendFormat(buf, "2006-01-02 15:04:05.000000 ")
	buf = append(buf, pick(c.rng, levels)...)
	buf = fmt.Appendf(buf, " [http-nio-8080-exec-%d] %s - ", c.rng.IntN(48), pick(c.rng, classes))
	return c.fill(buf, pick(c.rng, events))
}

func (c *Lines) structured(buf []byte) []byte {
	buf = append(buf, `{"ts":"`...)
	buf = c.now.AppendFormat(buf, time.RFC3339Nano)
	buf = fmt.Appendf(buf, `","level":"%s","caller":"worker/pool.go:%d","msg":"job finished","job":"resize-%08x","attempt":%d,"took_ms":%d,"bytes":%d}`,
		pick(c.rng, levels), 40+c.rng.IntN(200), c.rng.Uint32(), 1+c.rng.IntN(3), c.rng.IntN(5000), c.rng.IntN(1<<22))
	return buf
}

func (c *Lines) daemon(buf []byte) []byte {
	buf = c.now.AppendFormat(buf, "Jan _2 15:04:05.000000")
	buf = fmt.Appendf(buf, " web-%02d %s[%d]: ", c.rng.IntN(12), pick(c.rng, daemons), 400+c.rng.IntN(30_000))
	return c.fill(buf, pick(c.rng, notices))
}

// fill appends the pattern, with a number for each %d and %x.
func (c *Lines) fill(buf []byte, pattern string) []byte {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			buf = append(buf, pattern[i])
			continue
		}
		i++
		if pattern[i] == 'x' {
			buf = strconv.AppendUint(buf, uint64(c.rng.Uint32()), 16)
		} else {
			buf = strconv.AppendInt(buf, int64(c.rng.IntN(250)), 10)
		}
	}
	return buf
}

func pick(rng *rand.Rand, words []string) string { return words[rng.IntN(len(words))] }
