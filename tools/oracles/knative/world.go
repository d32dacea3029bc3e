// SPDX-License-Identifier: Apache-2.0
package main

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"time"

	netstats "knative.dev/networking/pkg/http/stats"
	"knative.dev/serving/pkg/autoscaler/metrics"
)

// Pod is one replica of the generated world with its queue proxy.
type Pod struct {
	number   int
	state    string // S starting or not ready, R ready, D being deleted
	created  time.Time
	changes  int // ms at which the world changes it next; -1 never
	inFlight int
	stats    *netstats.RequestStats // nil until the gateway's readings have it
}

func (p *Pod) name() string { return fmt.Sprintf("r%05d", p.number) }
func (p *Pod) ip() string   { return fmt.Sprintf("10.0.%d.%d", p.number/250, p.number%250+1) }

func (p *Pod) serve(count int) {
	for ; p.inFlight < count; p.inFlight++ {
		p.stats.HandleEvent(netstats.ReqEvent{Type: netstats.ReqIn, Time: time.Now()})
	}
	for ; p.inFlight > count; p.inFlight-- {
		p.stats.HandleEvent(netstats.ReqEvent{Type: netstats.ReqOut, Time: time.Now()})
	}
}

// World makes pods start, become ready, flap, fail and go, under a demand that jumps, drifts, bursts and stops. Loads change
// between the scrapes, at multiples of an eighth of a second, so that every mean is exact in doubles.
type World struct {
	rng      *rand.Rand
	original *Original
	events   [][]any
	pods     []*Pod
	next     int
	start    int // ms until a pod is ready
	flaky    int // one in so many scrapes of a pod fails; 0 none
	limit    int // requests a pod takes at once
	level    int
	until    int // ms at which the demand changes its kind
	scale    int // requests that some replicas take
	queue    int
	arrived  int
	dirty    bool
	due      int // ms of the next scrape
	frozen   int // nothing is read before that
	always   bool
}

func newWorld(rng *rand.Rand, original *Original, o Options, ours map[string]any, initial int) *World {
	w := &World{rng: rng, original: original, next: 1, start: pick(rng, 1500, 3000, 8000, 20000), flaky: pick(rng, 0, 0, 25, 60)}
	w.limit = int(o.Limit)
	if w.limit == 0 {
		w.limit = pick(rng, 1, 3, 10, 20)
	}
	aim := 100.0
	if target, ok := ours["target"].(float64); ok {
		aim = target
	}
	if o.Limit > 0 {
		aim = min(aim, float64(o.Limit))
	}
	w.scale = max(2, int(aim*float64(pick(rng, 2, 4, 8))))
	w.always = ours["target_burst_capacity"] == -1.0
	for i := 0; i < initial; i++ {
		p := w.add(0)
		if rng.IntN(4) != 0 {
			w.set(p, "R")
			p.changes = -1
		}
	}
	w.due = 1000
	w.read(0, w.pods)
	return w
}

func (w *World) tell(ms int, p *Pod) {
	w.events = append(w.events, []any{"s", ms, p.number, p.state})
	w.original.setPod(p.name(), p.ip(), p.state, p.created)
}

var now int // ms of the world's step

func (w *World) add(ms int) *Pod {
	p := &Pod{number: w.next, state: "S", created: time.Now(), changes: ms + w.start}
	w.next++
	switch r := w.rng.IntN(20); {
	case r == 0:
		p.changes = -1 // never gets ready
	case r < 4:
		p.changes += 125 * w.rng.IntN(160)
	}
	w.pods = append(w.pods, p)
	w.dirty = true
	now = ms
	w.tell(ms, p)
	return p
}

func (w *World) set(p *Pod, state string) {
	p.state = state
	w.tell(now, p)
}

func (w *World) remove(p *Pod) {
	for i, q := range w.pods {
		if q == p {
			w.pods = append(w.pods[:i:i], w.pods[i+1:]...)
		}
	}
	w.events = append(w.events, []any{"s", now, p.number, "G"})
	delete(w.original.pods, p.name())
}

func (w *World) ready() []*Pod {
	var out []*Pod
	for _, p := range w.pods {
		if p.state == "R" {
			out = append(out, p)
		}
	}
	return out
}

// change moves the pods on, and makes them as many as wanted.
func (w *World) change(ms, wanted int) {
	for _, p := range append([]*Pod{}, w.pods...) {
		switch {
		case p.changes >= 0 && p.changes <= ms && p.state == "S":
			w.set(p, "R")
			p.changes = -1
		case p.changes >= 0 && p.changes <= ms && p.state == "D":
			w.remove(p)
		case p.state == "R" && w.rng.IntN(6000) == 0: // it flaps
			w.set(p, "S")
			p.changes = ms + 125*(1+w.rng.IntN(80))
		case p.state != "D" && w.rng.IntN(12000) == 0: // it dies
			w.remove(p)
		}
	}
	var live []*Pod
	for _, p := range w.pods {
		if p.state != "D" {
			live = append(live, p)
		}
	}
	for n := len(live); n < wanted; n++ {
		w.add(ms)
	}
	for i := len(live) - 1; i >= wanted && i >= 0; i-- {
		if p := live[i]; p.state == "R" {
			w.set(p, "D")
			p.changes = ms + 125*(1+w.rng.IntN(100))
		} else {
			w.remove(p)
		}
	}
}

// load spreads the demand over the ready pods; the rest waits.
func (w *World) load(ms int) {
	if ms >= w.until {
		w.until = ms + pick(w.rng, 1000, 3000, 8000, 20000, 50000)
		switch r := w.rng.IntN(10); {
		case r < 3:
			w.level = 0
		case r < 6:
			w.level = max(0, w.level+w.rng.IntN(2*w.scale+1)-w.scale)
		case r < 9:
			w.level = w.rng.IntN(2 * w.scale)
		default:
			w.level = w.rng.IntN(12 * w.scale)
		}
		w.level = min(w.level, 400)
	}
	level := w.level
	if level > 0 && w.rng.IntN(3) == 0 {
		level = max(0, level+w.rng.IntN(5)-2)
	}
	if w.rng.IntN(3) == 0 {
		return
	}
	ready := w.ready()
	for _, p := range w.pods {
		if p.state != "R" && p.inFlight > 0 {
			p.serve(p.inFlight - 1)
			w.dirty = true
		}
	}
	left := level
	for i, p := range ready {
		if p.stats == nil {
			continue
		}
		share := min(w.limit, (left+len(ready)-i-1)/(len(ready)-i))
		if share > 0 && w.rng.IntN(4) == 0 {
			share = max(0, share-w.rng.IntN(2))
		}
		if share != p.inFlight {
			p.serve(share)
			w.dirty = true
		}
		left -= share
	}
	if left != w.queue {
		w.queue = left
		w.dirty = true
	}
	w.count()
}

// count tells the activator how many are in its hands.
func (w *World) count() {
	count := w.queue
	for _, p := range w.pods {
		if w.always {
			count += p.inFlight
		}
	}
	w.original.wait(count)
}

// read writes a reading of these pods down.
func (w *World) read(ms int, of []*Pod) {
	w.count() // some may have gone with their pod
	list := []any{}
	for _, p := range of {
		if p.stats == nil {
			p.stats = netstats.NewRequestStats(time.Now())
		}
		list = append(list, []any{p.number, p.inFlight})
	}
	w.events = append(w.events, []any{"r", ms, w.arrived, w.queue, list})
	w.dirty = false
}

func (w *World) step(ms, wanted int, first bool) {
	now = ms
	if !first {
		w.change(ms, wanted)
	}
	if ms >= w.due && ms >= w.frozen && w.rng.IntN(30) == 0 {
		w.frozen = ms + pick(w.rng, 125, 500, 1000, 3000, 12000, 70000) // a late sample, or a gap
	}
	if ms < w.frozen {
		return
	}
	if ms >= w.due {
		w.scrape(ms)
		w.due = (ms/1000 + 1) * 1000
		return
	}
	w.load(ms)
	if w.dirty {
		w.read(ms, w.pods)
	}
}

// scrape is everybody's second: the queue proxies report, the collector scrapes some, the activator reports.
func (w *World) scrape(ms int) {
	clear(w.original.proxies.stats)
	for _, p := range w.pods {
		if p.stats == nil {
			continue
		}
		r := p.stats.Report(time.Now())
		if w.flaky == 0 || w.rng.IntN(w.flaky) != 0 {
			w.original.proxies.stats[p.ip()] = metrics.Stat{PodName: p.name(), AverageConcurrentRequests: r.AverageConcurrency, RequestCount: r.RequestCount}
		}
	}
	w.original.scrape()
	seen := []*Pod{}
	for _, p := range w.pods {
		if w.original.proxies.scraped[p.ip()] || (w.always && p.stats != nil) {
			seen = append(seen, p)
		}
	}
	sort.Slice(seen, func(i, j int) bool { return seen[i].number < seen[j].number })
	dirty := w.dirty
	w.read(ms, seen)
	w.dirty = dirty
	w.original.report()
}
