package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
)

//go:embed peers/*.conf
var peerFiles embed.FS

// peerConfigs are the peers' configurations, with the settings for throughput that their manuals advise: large batches,
// windows and buffers, threads as far as order allows. Neither of them syncs anything.
var peerConfigs = template.Must(template.ParseFS(peerFiles, "peers/*.conf"))

// peer is another log shipper that is tried if it is installed: two instances of it, a sender that tails the input and
// keeps it on disk until it is sent, and a receiver that writes it to a file.
type peer struct {
	name     string
	about    string
	bin      string
	config   string // begins the names of its files in peers/
	args     func(config, dir string) []string
	assisted bool
}

// peerValues fill a configuration in.
type peerValues struct {
	Dir, Input, Output string
	Port               int
	Assisted           bool
}

var peers = []peer{
	{name: "rsyslog-disk", about: "rsyslog: imfile, every line through a disk queue, RELP, file; nothing synced", bin: "rsyslogd", config: "rsyslog", args: rsyslogArgs},
	{name: "rsyslog-assisted", about: "the same with a disk-assisted queue: in memory, and on disk when it is stopped", bin: "rsyslogd", config: "rsyslog", args: rsyslogArgs, assisted: true},
	{name: "syslog-ng", about: "syslog-ng: file source, reliable disk buffer, TCP without acknowledgement, file; nothing synced", bin: "syslog-ng", config: "syslog-ng", args: syslogNGArgs},
}

func rsyslogArgs(config, dir string) []string {
	return []string{"-n", "-f", config, "-i", filepath.Join(dir, "pid")}
}

func syslogNGArgs(config, dir string) []string {
	return []string{"-F", "--stderr", "--no-caps", "-f", config,
		"-R", filepath.Join(dir, "persist"), "-c", filepath.Join(dir, "control"), "-p", filepath.Join(dir, "pid")}
}

// find returns the path of the peer's program. Daemons often lie where only root looks.
func (p peer) find() (string, bool) {
	for _, name := range []string{p.bin, "/usr/sbin/" + p.bin, "/usr/local/sbin/" + p.bin} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// lay prepares both instances in the folder.
func (p peer) lay(dir string, in input) (*pipeline, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	v := peerValues{Input: in.path, Output: filepath.Join(dir, "out.log"), Port: port, Assisted: p.assisted}
	receiver, err := p.program(dir, "receiver", v)
	if err != nil {
		return nil, err
	}
	receiver.ready = func() error { return receiver.awaitPort("127.0.0.1:" + strconv.Itoa(port)) }
	sender, err := p.program(dir, "sender", v)
	if err != nil {
		return nil, err
	}
	return &pipeline{
		servers: []*program{receiver}, readers: []*program{sender}, cargo: []cargo{{in, newOutput("out.log", dir)}},
	}, nil
}

func (p peer) program(dir, part string, v peerValues) (*program, error) {
	bin, ok := p.find()
	if !ok {
		return nil, fmt.Errorf("%s is not installed", p.bin)
	}
	v.Dir = filepath.Join(dir, part)
	if err := os.Mkdir(v.Dir, 0o750); err != nil {
		return nil, err
	}
	config := filepath.Join(v.Dir, part+".conf")
	file, err := os.Create(config)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := peerConfigs.ExecuteTemplate(file, p.config+"-"+part+".conf", v); err != nil {
		return nil, err
	}
	return &program{name: part, bin: bin, args: p.args(config, v.Dir), dir: v.Dir}, nil
}
