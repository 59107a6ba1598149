package packaging_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDockerfile holds the instructions that make the image against what is promised of it.
func TestDockerfile(t *testing.T) {
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", "")
	var last []string // of the last stage, which is the image
	toolchain := ""
	known := regexp.MustCompile(`^(FROM|WORKDIR|COPY|RUN|ARG|ENV|USER|VOLUME|EXPOSE|CMD) \S`)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !known.MatchString(line) {
			t.Errorf("not an instruction: %s", line)
		}
		if strings.HasPrefix(line, "FROM ") {
			last = nil
		}
		if m := regexp.MustCompile(`golang:(\S+)`).FindStringSubmatch(line); m != nil {
			toolchain = m[1]
		}
		last = append(last, line)
	}
	for _, want := range []string{"FROM scratch", "USER 65532:65532", "VOLUME /data", "ENV STATE_DIRECTORY=/data", "COPY --from=build /image/usr /usr"} {
		if !slices.Contains(last, want) {
			t.Errorf("the image is made without %s", want)
		}
	}
	if !regexp.MustCompile(`go build .* -o /image/usr/bin/ \./cmd/\.\.\.`).MatchString(text) {
		t.Error("not all programs are built")
	}
	if !strings.Contains(read(t, "../go.mod"), "\ngo "+toolchain+".") {
		t.Errorf("the image is built with Go %s, and go.mod asks for another", toolchain)
	}
}
