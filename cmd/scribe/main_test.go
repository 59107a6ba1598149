package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/signals"
)

func TestMain(m *testing.M) {
	signals.Release()
	goleak.VerifyTestMain(m)
}
