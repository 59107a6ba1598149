package ops

import "time"

// Reloads is what became of a program's attempts to read its configuration again.
type Reloads struct {
	Good, Failed int64     // attempts since the start
	Error        string    // of the last attempt, "" if it was good or there was none
	Since        time.Time // when the configuration in use was read: at the start, or by the last good attempt
}

// ReloadMetrics returns the families that every program has about its configuration, of a program by its name in metrics,
// and what tells their values.
func ReloadMetrics(program string) (Families, func(Sink, Reloads)) {
	var fs Families
	last := fs.Gauge("logscribe_"+program+"_config_last_reload_successful",
		"1 if the last attempt to read the configuration again was good, or there was none; after 0 the last good one stays in use.")
	since := fs.Gauge("logscribe_"+program+"_config_last_reload_success_timestamp_seconds",
		"When the configuration in use was read, at the start or by the last good reload, in seconds since 1970.")
	attempts := fs.Counter("logscribe_"+program+"_config_reloads_total", "Attempts to read the configuration again, by result: success or failure.", "result")
	return fs, func(to Sink, r Reloads) {
		PutIf(to, last, r.Error == "")
		Put(to, since, float64(r.Since.UnixMicro())/1e6)
		Put(to, attempts, r.Good, "success")
		Put(to, attempts, r.Failed, "failure")
	}
}
