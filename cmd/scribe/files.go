package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/scribe/store"
)

// files says how the files of logs are kept: of all logs, or of those that a [[log]] table is about.
type files struct {
	match    string
	policy   store.Policy
	settings []inheritable
}

// inheritable is a setting that a [[log]] table may leave to the one of all logs.
type inheritable struct {
	*cli.Setting
	inherit func(from *store.Policy)
}

// register registers the settings, with their defaults or, for a table, without.
func (f *files) register(s *cli.Settings, defaults bool) {
	def := func(text string) string {
		if defaults {
			return text
		}
		return ""
	}
	p := &f.policy
	f.settings = []inheritable{
		{s.Choice((*string)(&p.Form), "store", def("plain"), "how lines stand in files: plain, or as zstd frames in FILENAME.log.zst, which zstdcat "+
			"and zstdgrep read at any time; what agents compress with zstd is written as it comes", "plain", "zstd"),
			func(from *store.Policy) { p.Form = from.Form }},
		{s.Size(&p.MaxSize, "size", def("1MB"), "rotate a log's file before it grows beyond this size on the disk; -1B never"),
			func(from *store.Policy) { p.MaxSize = from.MaxSize }},
		{s.DurationOrNever(&p.RotateEvery, "rotate-every", def("-1"), "rotate files at the boundaries of these periods of local time too: 24h is "+
			"at midnight, 1h on the hour; -1 never").Check(checkPeriod),
			func(from *store.Policy) { p.RotateEvery = from.RotateEvery }},
		{s.DurationOrNever(&p.KeepAge, "keep-age", def("-1"), "delete rotated files that are older than this; -1 never"),
			func(from *store.Policy) { p.KeepAge = from.KeepAge }},
		{s.Limit(&p.KeepFiles, "keep-files", def("-1"), "keep this number of rotated files of a log, and delete the oldest; -1 keeps all"),
			func(from *store.Policy) { p.KeepFiles = from.KeepFiles }},
		{s.Size(&p.KeepBytes, "keep-bytes", def("-1B"), "keep this much in rotated files of a log, and delete the oldest; -1B keeps all"),
			func(from *store.Policy) { p.KeepBytes = from.KeepBytes }},
		{s.Choice((*string)(&p.Compression), "compress", def("none"), "compress rotated plain files in the background with zstd, gzip or none", "none", "zstd", "gzip").Arg("HOW"),
			func(from *store.Policy) { p.Compression = from.Compression }},
		{s.Duration(&p.CompressAfter, "compress-after", def("1m"), "leave a rotated file as it is for this long before it is compressed"),
			func(from *store.Policy) { p.CompressAfter = from.CompressAfter }},
	}
}

// registerLog registers a [[log]] table.
func (c *config) registerLog(t *cli.Settings) {
	f := &files{}
	c.logs = append(c.logs, f)
	t.String(&f.match, "match", "", "a glob of the names of logs").Required().Check(store.CheckMatch)
	f.register(t, false)
}

// rules returns what the [[log]] tables say, with the settings of all logs where they say nothing.
func (c *config) rules() []store.Rule {
	var rules []store.Rule
	for _, f := range c.logs {
		for _, s := range f.settings {
			if s.From() == "" {
				s.inherit(&c.files.policy)
			}
		}
		rules = append(rules, store.Rule{Match: f.match, Policy: f.policy})
	}
	return rules
}

func checkPeriod(text string) error {
	d, err := time.ParseDuration(text)
	if text == "-1" || err != nil {
		return nil // or the setting itself says so
	}
	return store.CheckPeriod(d)
}

// accessSettings say whom files and folders belong to.
type accessSettings struct{ fileMode, dirMode, owner, group string }

func (a *accessSettings) register(s *cli.Settings) {
	s.String(&a.fileMode, "file-mode", "0640", "make files with these permissions, less what the umask forbids").Arg("MODE").NotEmpty().Check(checkMode(0o600))
	s.String(&a.dirMode, "dir-mode", "0750", "make folders with these permissions, less what the umask forbids").Arg("MODE").NotEmpty().Check(checkMode(0o700))
	s.String(&a.owner, "owner", "", "give files and folders to this user, by name or number; needs root").Arg("USER")
	s.String(&a.group, "group", "", "give files and folders to this group, by name or number").Arg("GROUP")
}

// checkMode returns a check for permissions, which must leave the Scribe what it needs.
func checkMode(needed fs.FileMode) func(string) error {
	return func(text string) error {
		mode, err := parseMode(text)
		switch {
		case err != nil:
			return fmt.Errorf("bad mode %q: write permissions, three octal digits or a zero and three, such as 0640", text)
		case mode&needed != needed:
			return fmt.Errorf("bad mode %q: the Scribe itself needs %04o", text, needed)
		}
		return nil
	}
}

func parseMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err == nil && mode > 0o777 {
		err = errors.New("more than permissions")
	}
	return fs.FileMode(mode), err
}

// access returns the settings in the form that package store takes.
func (a *accessSettings) access() (store.Access, error) {
	fileMode, err := parseMode(a.fileMode)
	if err != nil {
		return store.Access{}, err
	}
	dirMode, err := parseMode(a.dirMode)
	if err != nil {
		return store.Access{}, err
	}
	uid, err := idOf("owner", a.owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return store.Access{}, err
	}
	gid, err := idOf("group", a.group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return store.Access{FileMode: fileMode, FolderMode: dirMode, Chown: uid >= 0 || gid >= 0, UID: uid, GID: gid}, err
}

// idOf returns the number of a user or group, which the name itself may be, and -1 for no name.
func idOf(setting, name string, lookUp func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	text, err := lookUp(name)
	if err != nil {
		return 0, fmt.Errorf("%s: this host knows no %q: write a name that it knows, or a number", setting, name)
	}
	return strconv.Atoi(text)
}
