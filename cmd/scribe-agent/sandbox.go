package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// unit is the name of the agent's systemd unit.
const unit = "scribe-agent.service"

// sandbox is what the installed unit keeps from the agent.
type sandbox struct {
	hidden []hiding
	user   string // as whom the agent runs, "" for root, or one whom all files let through
}

// hiding is what one setting hides.
type hiding struct{ folder, setting string }

// installedSandbox asks systemd, which knows the drop-ins too. Where there is no systemd or no unit, nothing is hidden.
func installedSandbox() sandbox {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", unit,
		"--property=LoadState,ProtectHome,PrivateTmp,InaccessiblePaths,User,AmbientCapabilities").Output()
	if err != nil {
		return sandbox{}
	}
	return parseSandbox(string(out))
}

// parseSandbox reads lines of NAME=VALUE.
func parseSandbox(text string) sandbox {
	var s sandbox
	reads := false // it may read every file
	hide := func(setting string, folders ...string) {
		for _, f := range folders {
			s.hidden = append(s.hidden, hiding{f, setting})
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch name, value, _ := strings.Cut(line, "="); {
		case name == "LoadState" && value != "loaded":
			return sandbox{}
		case name == "ProtectHome" && (value == "yes" || value == "tmpfs"):
			hide(line, "/home", "/root", "/run/user")
		case name == "PrivateTmp" && value != "no":
			hide(line, "/tmp", "/var/tmp")
		case name == "InaccessiblePaths":
			for _, folder := range strings.Fields(value) {
				hide(name, filepath.Clean(strings.TrimLeft(folder, "-+")))
			}
		case name == "User" && value != "root":
			s.user = value
		case name == "AmbientCapabilities":
			reads = strings.Contains(strings.ToLower(value), "cap_dac_read_search")
		}
	}
	if reads {
		s.user = ""
	}
	return s
}

// hides says what of the files that a glob matches is hidden, one text for each setting; none if nothing is.
func (s sandbox) hides(glob string) []string {
	at, err := filepath.Abs(glob)
	if err != nil {
		return nil
	}
	var texts []string
	bySetting := map[string][]string{}
	var settings []string
	for _, h := range s.hidden {
		all, some := reaches(at, h.folder)
		switch {
		case all:
			texts = append(texts, fmt.Sprintf("hidden from the agent by %s in %s", h.setting, unit))
		case some:
			if bySetting[h.setting] == nil {
				settings = append(settings, h.setting)
			}
			bySetting[h.setting] = append(bySetting[h.setting], h.folder)
		}
	}
	for _, setting := range settings {
		texts = append(texts, fmt.Sprintf("what it matches below %s is hidden from the agent by %s in %s",
			strings.Join(bySetting[setting], ", "), setting, unit))
	}
	return texts
}

// reaches says whether all of the paths that an absolute glob matches lie at or below the folder, or whether some may.
func reaches(glob, folder string) (all, some bool) {
	elements := strings.Split(glob, "/")
	all = true
	for i, name := range strings.Split(folder, "/") {
		switch {
		case i >= len(elements):
			return false, false
		case elements[i] == name:
			continue
		case elements[i] == "**":
			return false, true
		case !doublestar.MatchUnvalidated(elements[i], name):
			return false, false
		}
		all = false
	}
	if len(elements) == len(strings.Split(folder, "/")) {
		return all, all // it matches a file beside the folder
	}
	return all, true
}
