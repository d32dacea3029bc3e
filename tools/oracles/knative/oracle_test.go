// SPDX-License-Identifier: Apache-2.0

// Decisions of Knative Serving's own autoscaler on generated worlds, as decision vectors.
//
// In a synctest bubble, where time.Now and Sleep are the bubble's: the queue proxies' request statistics, the scraper, the
// metric collector with its windows, the activator's concurrency reporter, the MultiScaler with the autoscaler, and the
// reconciler with its way to zero. Their tickers are ticked by the world, in a fixed order.
//
// ORACLE_SEED=1 ORACLE_SEQUENCES=1000 ORACLE_OUT=file.jsonl.gz go test

//go:debug randseednop=0
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	oldrand "math/rand"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// options draws the settings: those of the original, and the same by our names.
func options(rng *rand.Rand) (Options, map[string]any) {
	o := Options{Config: map[string]string{}, Annotations: map[string]string{}}
	ours := map[string]any{}
	number := func(where map[string]string, theirs, name string, value float64) float64 {
		where[theirs] = strconv.FormatFloat(value, 'f', -1, 64)
		ours[name] = value
		return value
	}
	seconds := func(theirs, name string, value int) int {
		o.Config[theirs] = fmt.Sprintf("%ds", value)
		ours[name] = value
		return value
	}
	if rng.IntN(20) != 0 { // else all defaults
		number(o.Config, "max-scale-up-rate", "max_scale_up_rate", pick(rng, 1000.0, 1000, 1.5, 2, 10))
		number(o.Config, "max-scale-down-rate", "max_scale_down_rate", pick(rng, 2.0, 2, 1.1, 1.5, 5))
		number(o.Config, "container-concurrency-target-percentage", "target_utilization_percent", pick(rng, 70.0, 70, 100, 50, 33))
		if o.Config["container-concurrency-target-percentage"] == "100" {
			o.Config["container-concurrency-target-percentage"] = "100.0"
		}
		number(o.Config, "target-burst-capacity", "target_burst_capacity", pick(rng, 211.0, 211, 0, 0, -1, 5, 20, 50))
		number(o.Config, "panic-window-percentage", "panic_window_percent", pick(rng, 10.0, 10, 5, 20, 50, 100))
		number(o.Config, "panic-threshold-percentage", "panic_threshold_percent", pick(rng, 200.0, 200, 110, 150, 300, 1000))
		seconds("stable-window", "stable_window_s", pick(rng, 6, 10, 15, 20, 30, 60))
		seconds("scale-to-zero-grace-period", "scale_to_zero_grace_s", pick(rng, 30, 1, 5, 10))
		seconds("scale-to-zero-pod-retention-period", "pod_retention_s", pick(rng, 0, 0, 0, 5, 20, 45))
		seconds("scale-down-delay", "scale_down_delay_s", pick(rng, 0, 0, 0, 1, 5, 10, 30))
		if least := pick(rng, 1, 1, 1, 2, 3, 5); least > 1 {
			o.Annotations["activation-scale"] = strconv.Itoa(least)
			ours["activation_scale"] = least
		}
		if o.Unreachable = rng.IntN(10) == 0; o.Unreachable {
			ours["reachable"] = false
		}
		if rng.IntN(12) == 0 {
			o.Config["enable-scale-to-zero"] = "false"
			ours["scale_to_zero"] = false
		}
		if rng.IntN(6) == 0 {
			o.Annotations["metric-aggregation-algorithm"] = "weighted-exponential"
			ours["aggregation"] = "weighted_exponential"
		}
	}
	if limit := pick(rng, 0, 0, 1, 5, 10); limit > 0 {
		o.Limit = int64(limit)
		ours["container_concurrency"] = limit
	}
	if target := pick(rng, 0.0, 1, 2, 5, 10, 0.5, 3); target > 0 {
		number(o.Annotations, "target", "target", target)
	}
	o.Deadline = time.Duration(pick(rng, 600, 600, 5, 20)) * time.Second
	ours["progress_deadline_s"] = o.Deadline.Seconds()
	return o, ours
}

// initialScale is the one that the revision was made with (-1 by our names), the default, or any other.
func initialScale(rng *rand.Rand, o *Options, ours map[string]any, made int) {
	scale := pick(rng, made, made, made, 1, 1, 0, 3)
	ours["initial_scale"] = scale
	if scale == made && rng.IntN(4) != 0 {
		ours["initial_scale"] = -1
	}
	if scale == 0 {
		o.Config["allow-zero-initial-scale"] = "true"
	}
	if rng.IntN(2) == 0 {
		o.Config["initial-scale"] = strconv.Itoa(scale)
	} else {
		o.Annotations["initial-scale"] = strconv.Itoa(scale)
	}
}

func sequence(rng *rand.Rand) map[string]any {
	o, ours := options(rng)
	tick := pick(rng, 500, 500, 500, 250, 125)
	ours["tick_s"] = float64(tick) / 1000
	low, high := pick(rng, 0, 0, 0, 0, 1, 2), pick(rng, 1, 3, 5, 10, 25, 60)
	high = max(high, low)
	o.Annotations["min-scale"], o.Annotations["max-scale"] = strconv.Itoa(low), strconv.Itoa(high)
	time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
	oldrand.Seed(rng.Int64())
	initial := pick(rng, low, low, 1, 2, min(high, 8))
	made := initial
	if !o.Unreachable {
		made = max(initial, low)
	}
	initialScale(rng, &o, ours, made)
	w := newWorld(rng, newOriginal(o, initial), o, ours, initial)
	defer w.original.close()
	w.original.begin()
	wanted := int(w.original.deployment.replicas)
	first := wanted
	length := pick(rng, 60, 90, 120, 180) * 1000
	for ms := tick; ms <= length; ms += tick {
		time.Sleep(time.Duration(tick) * time.Millisecond)
		w.step(ms, wanted, ms == tick)
		if ms%2000 == 0 {
			w.original.tick()
		}
		decided := w.original.reconcile()
		operator := ms+tick <= length && rng.IntN(1000) == 0
		if decided != wanted || operator || ms+tick > length {
			w.events = append(w.events, []any{"d", ms, wanted, decided})
		}
		wanted = decided
		if operator {
			wanted = rng.IntN(high + 3)
			w.original.deployment.replicas = int32(wanted)
			w.events = append(w.events, []any{"w", ms, wanted})
		}
	}
	return map[string]any{"o": ours, "b": []int{low, high}, "t": tick, "w": first, "e": w.events}
}

func TestOracle(t *testing.T) {
	out := os.Getenv("ORACLE_OUT")
	if out == "" {
		t.Skip("ORACLE_OUT is not set; tools/oracles/run sets it")
	}
	seed, _ := strconv.ParseUint(os.Getenv("ORACLE_SEED"), 10, 64)
	count, _ := strconv.Atoi(os.Getenv("ORACLE_SEQUENCES"))
	synctest.Test(t, func(t *testing.T) {
		file, err := os.Create(out)
		check(err)
		zip, _ := gzip.NewWriterLevel(file, gzip.BestCompression)
		enc := json.NewEncoder(zip)
		check(enc.Encode(map[string]any{"autoscaler": "kpa", "seed": seed, "sequences": count, "base_s": 946684800,
			"original": "knative.dev/serving v0.50.0"}))
		for i := 0; i < count; i++ {
			check(enc.Encode(sequence(rand.New(rand.NewPCG(seed, uint64(i))))))
		}
		check(zip.Close())
		check(file.Close())
		fmt.Fprintf(os.Stderr, "%d sequences, seed %d: %s\n", count, seed, out)
	})
}
