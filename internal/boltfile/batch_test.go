package boltfile_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// TestBatch has many callers share transactions, some of whom fail.
func TestBatch(t *testing.T) {
	db, err := boltfile.Open(filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.MaxBatchDelay = 20 * time.Millisecond
	bucket := []byte("b")
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	var before int
	if err := db.View(func(tx *bolt.Tx) error { before = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	const n = 50
	for i := range n {
		callers.Go(func() {
			err := db.Batch(func(tx *bolt.Tx) error {
				if err := tx.Bucket(bucket).Put(fmt.Append(nil, i), []byte("x")); err != nil || i%10 != 3 {
					return err
				}
				return fmt.Errorf("%d: %w", i, refused)
			})
			if fails := i%10 == 3; fails != errors.Is(err, refused) || fails && err.Error() != fmt.Sprintf("%d: refused", i) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	callers.Wait()
	err = db.View(func(tx *bolt.Tx) error {
		if took := tx.ID() - before; took > n/2 {
			t.Errorf("%d callers took %d transactions", n, took)
		}
		for i := range n {
			if stored := tx.Bucket(bucket).Get(fmt.Append(nil, i)) != nil; stored == (i%10 == 3) {
				t.Errorf("caller %d: stored is %t", i, stored)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBatchGathersBehindATransaction: those who come while a transaction runs share the next one.
func TestBatchGathersBehindATransaction(t *testing.T) {
	db, err := boltfile.Open(filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.MaxBatchDelay = 0
	var callers sync.WaitGroup
	var ran atomic.Int64
	var ids sync.Map // of transactions
	began, goOn := make(chan struct{}), make(chan struct{})
	callers.Go(func() {
		if err := db.Update(func(*bolt.Tx) error { close(began); <-goOn; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-began
	const n = 50
	for range n {
		callers.Go(func() {
			ran.Add(1)
			if err := db.Batch(func(tx *bolt.Tx) error { ids.Store(tx.ID(), true); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	for ran.Load() < n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // most of them have called by then
	close(goOn)
	callers.Wait()
	transactions := 0
	ids.Range(func(any, any) bool { transactions++; return true })
	if transactions > 5 {
		t.Errorf("%d callers took %d transactions", n, transactions)
	}
}
