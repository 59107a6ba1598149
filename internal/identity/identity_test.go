package identity

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{"web-7", "Straße 9/b", strings.Repeat("x", MaxLength)} {
		if err := Check(good); err != nil {
			t.Error(err)
		}
	}
	for bad, want := range map[string]string{
		"":                                 "empty",
		strings.Repeat("x", MaxLength+1):   "longer than 200 bytes",
		"\xff":                             "UTF-8",
		"a\x00b":                           "control character",
		strings.Repeat("ä", MaxLength/2+1): "longer",
	} {
		if err := Check(bad); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
