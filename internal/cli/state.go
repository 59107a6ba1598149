package cli

import (
	"errors"
	"path/filepath"
	"strings"
)

// StateDir returns the folder for a program's state: the one that systemd made for it, $STATE_DIRECTORY, or the folder
// of the program's name in the user's state folder, which is $XDG_STATE_HOME or ~/.local/state. It makes no folder.
func StateDir(lookupEnv func(string) (string, bool), program string) (string, error) {
	if dirs, _ := lookupEnv("STATE_DIRECTORY"); dirs != "" {
		first, _, _ := strings.Cut(dirs, ":")
		return first, nil
	}
	if dir, _ := lookupEnv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, program), nil
	}
	if home, _ := lookupEnv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", program), nil
	}
	return "", errors.New("there is no folder to keep state in: STATE_DIRECTORY, XDG_STATE_HOME and HOME are unset")
}
