package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// none stands for a figure that is not known.
const none = "-"

// short writes a number with three digits and a unit of thousands.
func short(n float64, unit string) string {
	if n < 999.5 {
		digits := 0
		if n < 9.95 && n != math.Trunc(n) {
			digits = 1
		}
		return strconv.FormatFloat(n, 'f', digits, 64) + unit
	}
	for _, prefix := range []string{"k", "M", "G", "T", "P"} {
		if n /= 1000; n < 999.5 || prefix == "P" {
			digits := 0
			switch {
			case n < 9.995:
				digits = 2
			case n < 99.95:
				digits = 1
			}
			if unit != "" { // sizes are written as flags take them: 1.5KB
				prefix = strings.ToUpper(prefix)
			}
			return strconv.FormatFloat(n, 'f', digits, 64) + prefix + unit
		}
	}
	return ""
}

// number writes a number of things.
func number(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	return short(float64(n), "")
}

// sizeText writes a size.
func sizeText(n uint64) string { return short(float64(n), "B") }

// roundSize writes a size without what stands behind the point, if there are two digits before it.
func roundSize(n uint64) string {
	text := sizeText(n)
	if i := strings.IndexByte(text, '.'); i >= 2 {
		return text[:i] + strings.TrimLeft(text[i+1:], "0123456789")
	}
	return text
}

// perSecond writes a rate, nil if it is not known.
func perSecond(rate *float64, unit string) string {
	if rate == nil {
		return none
	}
	text := short(*rate, unit)
	if unit != "" {
		text += "/s"
	}
	return text
}

// age writes how long something has lasted, in the two largest units.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	seconds := int(d.Seconds())
	for _, u := range []struct {
		large, small int
		names        string
	}{{86400, 3600, "dh"}, {3600, 60, "hm"}, {60, 1, "ms"}} {
		if seconds < u.large {
			continue
		}
		text := strconv.Itoa(seconds/u.large) + u.names[:1]
		if rest := seconds % u.large / u.small; rest > 0 {
			text += strconv.Itoa(rest) + u.names[1:]
		}
		return text
	}
	return ""
}

// seconds returns milliseconds as others write times.
func seconds(ms uint64) float64 { return float64(ms) / 1000 }

// ageOf writes a time in seconds.
func ageOf(seconds float64) string { return age(time.Duration(seconds * float64(time.Second))) }

// wrappers are what gRPC puts around an error, which tells people nothing.
var wrappers = regexp.MustCompile(`rpc error: code = \w+ desc = |connection error: desc = "transport: |Error while dialing: `)

// readable returns an error that came from elsewhere as people want to read it.
func readable(text string) string {
	bare := wrappers.ReplaceAllString(text, "")
	if strings.Contains(text, `desc = "`) {
		bare = strings.TrimSuffix(bare, `"`)
	}
	return plain(bare)
}

// plain returns text that came from elsewhere without what a terminal would take for an order.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
