package logname

import "testing"

func TestMatcher(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"", "web/access", true},
		{"web/*", "web/access", true},
		{"web/*", "web/a/access", false},
		{"**/access", "web/a/access", true},
		{"web/acc{ess,ept}", "web/accept", true},
	} {
		match, err := Matcher(tc.glob)
		if err != nil || match(tc.name) != tc.want {
			t.Errorf("%q, %q: %v", tc.glob, tc.name, err)
		}
	}
	if _, err := Matcher("[a"); err == nil || err.Error() != `bad pattern "[a": write a glob of names of logs, such as web/* or **/access` {
		t.Errorf("got %v", err)
	}
}
