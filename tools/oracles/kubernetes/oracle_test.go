// SPDX-License-Identifier: Apache-2.0

// Decisions of Kubernetes' own horizontal controller on generated worlds, as decision vectors.
//
// In a synctest bubble, where time.Now and Sleep are the bubble's: NewHorizontalController with fake API
// clients, the real metrics client, metrics-server's real storage, and reconcileKey at every sync. Pods and
// the HPA's status are put into the controller's informers' stores.
//
// ORACLE_KIND=hpa_cpu|hpa_external|keda ORACLE_SEED=1 ORACLE_SEQUENCES=1000 ORACLE_OUT=file.jsonl.gz go test
package main

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
)

func quantity(value int64) *resource.Quantity { return resource.NewQuantity(value, resource.DecimalSI) }

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// options draws the settings: those of the original, and the same by our names.
func options(rng *rand.Rand, kind string) (Options, map[string]any) {
	o := Options{}
	ours := map[string]any{}
	seconds := func(name string, value int) time.Duration {
		ours[name] = value
		return time.Duration(value) * time.Second
	}
	o.Stabilisation = seconds("downscale_stabilization_s", pick(rng, 300, 300, 0, 30, 60))
	o.Resolution = seconds("metrics_resolution_s", pick(rng, 15, 15, 15, 20, 30, 60))
	o.Tolerance = pick(rng, 0.1, 0.1, 0.1, 0.0, 0.05)
	ours["tolerance_ratio"] = o.Tolerance
	low, high := int32(rng.IntN(4)), int32(pick(rng, 3, 5, 10, 40))
	if kind == "keda" {
		low = pick(rng, int32(0), 0, 0, 1, 2)
		delete(ours, "metrics_resolution_s")
	}
	if kind == "hpa_cpu" {
		low = max(low, 1)
		o.Initialization = seconds("cpu_initialization_s", pick(rng, 300, 300, 60, 0))
		o.ReadinessDelay = seconds("initial_readiness_delay_s", pick(rng, 30, 30, 10, 120))
		percent := pick(rng, int32(60), 60, 80, 50, 75, 150)
		ours["target_utilization_percent"] = percent
		o.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: v1.ResourceCPU, Target: autoscalingv2.MetricTarget{
				Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}}}}
	} else {
		aim := pick(rng, int64(10), 10, 5, 20, 3, 1)
		target := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: quantity(aim)}
		ours["target"], ours["target_type"] = aim, "average_value"
		if kind != "keda" && rng.IntN(3) == 0 {
			target = autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: quantity(aim)}
			ours["target_type"] = "value"
		}
		if kind == "keda" {
			delete(ours, "target_type")
		}
		o.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType,
			External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "metric"}, Target: target}}}
	}
	o.Spec.MinReplicas, o.Spec.MaxReplicas = &low, max(high, low)
	if rng.IntN(2) == 0 {
		ours["behavior"] = true
		o.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: rules(rng, ours, "up"), ScaleDown: rules(rng, ours, "down")}
	}
	return o, ours
}

// rules draws one direction's behaviour; nil: the defaults.
func rules(rng *rand.Rand, ours map[string]any, side string) *autoscalingv2.HPAScalingRules {
	if rng.IntN(5) == 0 {
		return nil
	}
	out := &autoscalingv2.HPAScalingRules{}
	if rng.IntN(2) == 0 {
		window := int32(pick(rng, 0, 15, 30, 60, 120, 300))
		out.StabilizationWindowSeconds = &window
		ours[side+"_stabilization_s"] = window
	}
	if rng.IntN(3) != 0 {
		ours[side+"_pods"], ours[side+"_percent"] = 0, 0
		which := rng.IntN(3)
		if which != 0 {
			p := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: int32(1 + rng.IntN(5)), PeriodSeconds: int32(pick(rng, 15, 30, 60, 100))}
			out.Policies = append(out.Policies, p)
			ours[side+"_pods"], ours[side+"_pods_period_s"] = p.Value, p.PeriodSeconds
		}
		if which != 1 {
			p := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: int32(pick(rng, 10, 25, 50, 100, 300)), PeriodSeconds: int32(pick(rng, 15, 30, 60, 100))}
			if side == "down" {
				p.Value = min(p.Value, 100)
			}
			out.Policies = append(out.Policies, p)
			ours[side+"_percent"], ours[side+"_percent_period_s"] = p.Value, p.PeriodSeconds
		}
	}
	names := map[autoscalingv2.ScalingPolicySelect]string{autoscalingv2.MaxChangePolicySelect: "max",
		autoscalingv2.MinChangePolicySelect: "min", autoscalingv2.DisabledPolicySelect: "disabled"}
	if rng.IntN(2) == 0 {
		choice := pick(rng, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect)
		out.SelectPolicy = &choice
		ours[side+"_select"] = names[choice]
	}
	if rng.IntN(3) == 0 {
		milli := int64(pick(rng, 0, 50, 200, 330))
		out.Tolerance = resource.NewMilliQuantity(milli, resource.DecimalSI)
		ours[side+"_tolerance_ratio"] = out.Tolerance.AsApproximateFloat64()
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sequence(rng *rand.Rand, kind string, keda *KedaExecutor) map[string]any {
	o, ours := options(rng, kind)
	low, high := int(*o.Spec.MinReplicas), int(o.Spec.MaxReplicas)
	sync := pick(rng, 15, 15, 15, 10, 30)
	ours["sync_s"] = sync
	polling, activation := 0, int64(0)
	if kind == "keda" {
		polling, activation = pick(rng, 30, 30, 10, 5, 20), pick(rng, int64(0), 0, 5, 20)
		cooldown, initial := pick(rng, 300, 60, 30, 0), pick(rng, 0, 0, 45)
		ours["polling_interval_s"], ours["cooldown_period_s"], ours["initial_cooldown_period_s"] = polling, cooldown, initial
		ours["activation_target"] = activation
		spec := map[string]any{"pollingInterval": polling, "cooldownPeriod": cooldown, "initialCooldownPeriod": initial,
			"minReplicaCount": low, "maxReplicaCount": high}
		if low > 0 && rng.IntN(3) == 0 {
			idle := rng.IntN(low)
			ours["idle_replicas"], spec["idleReplicaCount"] = idle, idle
		}
		keda.begin(spec)
		least := max(int32(low), 1) // KEDA's GetHPAMinReplicas
		o.Spec.MinReplicas = &least
	}
	original := newOriginal(o)
	defer original.close()
	w := &World{rng: rng, next: 1, original: original, begin: time.Now(),
		request: pick(rng, int64(100), 250, 500, 1000, 333), start: pick(rng, 2, 10, 25, 60)}
	w.limit = w.request * pick(rng, int64(10), 12, 15, 20, 40) / 10
	w.external = kind != "hpa_cpu"
	aim := int64(60)
	if kind == "hpa_cpu" {
		aim = int64(*o.Spec.Metrics[0].Resource.Target.AverageUtilization)
		w.pendingS = pick(rng, 0, 0, 5, 20)
		ours["pending_s"] = w.pendingS
	}
	w.edges = []int64{aim, aim * 110 / 100, aim*110/100 + 1, aim * 90 / 100, aim*90/100 - 1, aim*105/100 + 1, 66, 65, 67, 54}
	target := low + rng.IntN(high-low+1)
	if rng.IntN(10) == 0 {
		target = rng.IntN(high + 4) // outside the bounds, too
	}
	due := 0
	resolution := int(o.Resolution / time.Second)
	if kind == "keda" {
		resolution = gcd(sync, polling)
	}
	outage := -1
	length := pick(rng, 25, 35, 50)
	for second := 0; second <= length*sync; second++ {
		if second > 0 {
			time.Sleep(time.Second)
		}
		w.step(second, target)
		if second == 0 {
			for _, p := range w.pods {
				if rng.IntN(4) != 0 {
					p.changes = -1
					w.set(p, "R")
				}
			}
		}
		late := second >= due && rng.IntN(6) == 0 && second < due+resolution/2 && kind != "keda"
		if second > outage && rng.IntN(900) == 0 {
			outage = second + 10 + rng.IntN(80)
		}
		if (second >= due && !late) || (len(w.fresh) > 0 && !w.external) {
			scrape := second >= due
			known := !w.external || (second > outage && rng.IntN(40) != 0)
			w.read(scrape, known)
			if scrape {
				due = (second/resolution + 1) * resolution
			}
		}
		w.load(second)
		polled := kind == "keda" && second > 0 && second%polling == 0
		before := target
		if polled {
			active := original.external != nil && original.external.CmpInt64(activation) > 0
			target = keda.poll(w.ms(), target, active, original.external == nil)
		}
		if kind == "keda" && second > 0 && second%resolution == 0 && second%sync != 0 {
			w.events = append(w.events, []any{"d", w.ms(), before, target})
		}
		if second > 0 && second%sync == 0 {
			status := 0
			for _, p := range w.pods {
				if p.state != "D" {
					status++
				}
			}
			decided := original.decide(target, status)
			w.events = append(w.events, []any{"d", w.ms(), before, decided})
			target = decided
			if rng.IntN(120) == 0 {
				target = rng.IntN(high + 3) // an operator
			}
		}
	}
	return map[string]any{"o": ours, "b": []int{low, high}, "q": w.request, "e": w.events}
}

func TestOracle(t *testing.T) {
	kind, out := os.Getenv("ORACLE_KIND"), os.Getenv("ORACLE_OUT")
	if out == "" {
		t.Skip("ORACLE_OUT is not set; tools/oracles/run sets it")
	}
	seed, _ := strconv.ParseUint(os.Getenv("ORACLE_SEED"), 10, 64)
	count, _ := strconv.Atoi(os.Getenv("ORACLE_SEQUENCES"))
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
	flag.Set("logtostderr", "false")
	// It only delays work until the informers have caught up, which here they have.
	check(utilfeature.DefaultMutableFeatureGate.Set("StaleControllerConsistencyHPA=false"))
	synctest.Test(t, func(t *testing.T) {
		file, err := os.Create(out)
		check(err)
		zip, _ := gzip.NewWriterLevel(file, gzip.BestCompression)
		enc := json.NewEncoder(zip)
		check(enc.Encode(map[string]any{"autoscaler": kind, "seed": seed, "sequences": count, "base_s": 946684800,
			"original": map[string]string{"hpa_cpu": "k8s.io/kubernetes v1.37.2, sigs.k8s.io/metrics-server v0.9.0",
				"hpa_external": "k8s.io/kubernetes v1.37.2", "keda": "github.com/kedacore/keda/v2 v2.21.0, k8s.io/kubernetes v1.37.2"}[kind]}))
		var keda *KedaExecutor
		if kind == "keda" {
			keda = startKeda()
		}
		for i := 0; i < count; i++ {
			check(enc.Encode(sequence(rand.New(rand.NewPCG(seed, uint64(i))), kind, keda)))
		}
		check(zip.Close())
		check(file.Close())
		fmt.Fprintf(os.Stderr, "%d sequences, seed %d: %s\n", count, seed, out)
		os.Exit(0) // the controllers' event broadcasters live on
	})
}
