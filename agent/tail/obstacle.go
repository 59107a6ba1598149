package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// obstacle says what keeps this user from the file at an absolute path: the first folder on the way that is missing or
// does not let the user through, or the file itself. It returns "" if nothing does.
func obstacle(path string) string {
	for _, at := range append(folders(path), path) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return fmt.Sprintf("%s does not let this user through", owned(filepath.Dir(at)))
		case errors.Is(err, fs.ErrNotExist) && isLink(at):
			return fmt.Sprintf("%s is a link that leads nowhere", at)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Sprintf("there is no %s", at)
		case err != nil:
			return err.Error()
		case at != path && !info.IsDir():
			return fmt.Sprintf("%s is no folder", at)
		}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return ""
	}
	switch err := readable(path); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s may not be read by this user", owned(path))
	case err != nil:
		return err.Error()
	}
	return ""
}

// folders returns the folders that lead to an absolute path, / first.
func folders(path string) []string {
	var all []string
	for at := path; at != "/"; {
		at = filepath.Dir(at)
		all = append([]string{at}, all...)
	}
	return all
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}

// owned returns the path with the mode and the owner of what is there: "/var/log (drwx------, owner root)".
func owned(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return path
	}
	owner := "unknown"
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = strconv.FormatUint(uint64(sys.Uid), 10)
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
	}
	return fmt.Sprintf("%s (%s, owner %s)", path, info.Mode(), owner)
}

// unreachable says why the evaluation of an absolute glob does not come upon a path that it matches, "" if it does. A walk
// that sees no more of the folders than what leads to the path tells.
func unreachable(glob, path string) string {
	w := newWalk([]*section{{patterns: []string{glob}}}, func(path string) (fileStat, error) {
		return fileStat{regular: true}, nil
	})
	reason := ""
	way := append(folders(path), path)
	for i, folder := range way[:len(way)-1] {
		w.listings[folder] = nil
		if !listable(folder) {
			if reason == "" {
				reason = fmt.Sprintf("%s can't be listed by this user", owned(folder))
			}
			continue
		}
		info, err := os.Lstat(way[i+1])
		if err != nil {
			return "" // that nothing is there is said otherwise
		}
		w.listings[folder] = []fs.DirEntry{fs.FileInfoToDirEntry(info)}
	}
	if slices.ContainsFunc(w.run().matches, func(m match) bool { return m.path == path }) {
		return ""
	}
	for _, folder := range way[:len(way)-1] {
		if isLink(folder) && strings.Contains(glob, "**") {
			return fmt.Sprintf("%s is a link, and ** follows none", folder)
		}
	}
	return reason
}

func listable(folder string) bool {
	f, err := os.Open(folder)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == nil
}

// blindness says why an absolute glob that matches nothing sees nothing.
func blindness(glob string) string {
	elements := strings.Split(strings.TrimPrefix(glob, "/"), "/")
	at := "/"
	for _, element := range elements[:len(elements)-1] {
		if strings.ContainsAny(element, `*?[{\`) {
			break
		}
		at = filepath.Join(at, element)
	}
	if reason := obstacle(at); reason != "" {
		return reason
	}
	if !strings.ContainsAny(glob, `*?[{\`) {
		return obstacle(glob)
	}
	if !listable(at) && strings.ContainsAny(glob[len(at):], `*?[{\`) {
		return fmt.Sprintf("%s can't be listed by this user", owned(at))
	}
	return "no file matches it now"
}
