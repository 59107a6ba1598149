//go:build sabotage

package sabotage

import (
	"os"
	"slices"
	"strings"
)

var switches = strings.Split(os.Getenv("LOGSCRIBE_SABOTAGE"), ",")

// On says whether the named protection is switched off.
func On(s Switch) bool { return slices.Contains(switches, string(s)) }
