package cli

import "testing"

func TestStateDir(t *testing.T) {
	for _, tc := range []struct {
		env  map[string]string
		want string
	}{
		{env("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", "HOME", "/h"), "/var/lib/a"},
		{env("XDG_STATE_HOME", "/state", "HOME", "/h"), "/state/scribe-agent"},
		{env("XDG_STATE_HOME", "relative", "HOME", "/h"), "/h/.local/state/scribe-agent"},
		{env("HOME", "/h"), "/h/.local/state/scribe-agent"},
	} {
		if got, err := StateDir(lookup(tc.env), "scribe-agent"); got != tc.want || err != nil {
			t.Errorf("%v: got %q, %v", tc.env, got, err)
		}
	}
	if _, err := StateDir(lookup(nil), "scribe-agent"); err == nil ||
		err.Error() != "there is no folder to keep state in: STATE_DIRECTORY, XDG_STATE_HOME and HOME are unset" {
		t.Errorf("got %v", err)
	}
}
