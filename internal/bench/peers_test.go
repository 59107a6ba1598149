package main

import (
	"os"
	"strings"
	"testing"
)

// TestPeerConfigs fills all configurations in, also of peers that are not installed.
func TestPeerConfigs(t *testing.T) {
	for _, p := range peers {
		for _, part := range []string{"sender", "receiver"} {
			var text strings.Builder
			v := peerValues{Dir: "/a/dir", Input: "/an/input", Output: "/an/output", Port: 4321, Assisted: p.assisted}
			if err := peerConfigs.ExecuteTemplate(&text, p.config+"-"+part+".conf", v); err != nil {
				t.Fatal(err)
			}
			file := map[string]string{"sender": v.Input, "receiver": v.Output}[part]
			for _, want := range []string{file, "4321"} {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%s, %s: %q is not in\n%s", p.name, part, want, text.String())
				}
			}
		}
	}
}

// TestPeers runs each peer that is installed with few lines, which must all arrive.
func TestPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("peers take seconds")
	}
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			if _, ok := p.find(); !ok {
				t.Skipf("%s is not installed", p.bin)
			}
			dir := t.TempDir()
			b := &bench{}
			var err error
			if b.input, err = writeInput(dir+"/input.log", madeCorpus(1), 2000); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir+"/run", 0o750); err != nil {
				t.Fatal(err)
			}
			r, err := throughput(p.layIn)(t.Context(), b, dir+"/run")
			if err != nil || r.Difference != (difference{}) {
				t.Fatalf("lines: %v; %v", r.Difference, err)
			}
		})
	}
}
