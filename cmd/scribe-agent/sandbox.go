package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// unit is the name of the agent's systemd unit.
const unit = "scribe-agent.service"

// sandbox is what the installed unit hides from the agent: folder -> the setting that hides it.
type sandbox map[string]string

// installedSandbox asks systemd, which knows the drop-ins too. Where there is no systemd or no unit, nothing is hidden.
func installedSandbox() sandbox {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", unit,
		"--property=LoadState,ProtectHome,PrivateTmp,InaccessiblePaths").Output()
	if err != nil {
		return nil
	}
	return parseSandbox(string(out))
}

// parseSandbox reads lines of NAME=VALUE.
func parseSandbox(text string) sandbox {
	hidden := sandbox{}
	hide := func(setting string, folders ...string) {
		for _, f := range folders {
			hidden[f] = setting
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch name, value, _ := strings.Cut(line, "="); {
		case name == "LoadState" && value != "loaded":
			return nil
		case name == "ProtectHome" && (value == "yes" || value == "tmpfs"):
			hide(line, "/home", "/root", "/run/user")
		case name == "PrivateTmp" && value != "no":
			hide(line, "/tmp", "/var/tmp")
		case name == "InaccessiblePaths":
			for _, folder := range strings.Fields(value) {
				hide(name, strings.TrimLeft(folder, "-+"))
			}
		}
	}
	return hidden
}

// hides returns the setting that hides all that a glob can match, "" if there is none.
func (s sandbox) hides(glob string) string {
	at, err := filepath.Abs(glob)
	for err == nil && at != "/" {
		at = filepath.Dir(at)
		if setting := s[at]; setting != "" {
			return setting
		}
	}
	return ""
}
