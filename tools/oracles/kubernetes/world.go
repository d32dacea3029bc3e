// SPDX-License-Identifier: Apache-2.0
package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Pod is one replica of the generated world.
type Pod struct {
	number       int
	state        string // S starting or not ready, R ready, D being deleted
	created      time.Time
	since        time.Time // of the readiness condition
	changes      int       // second at which the world changes it next; -1 never
	pending      bool
	requestMilli int64
	cpuMicros    int64 // CPU microseconds used in all
	rateMilli    int64 // now
}

func (p *Pod) name() string { return fmt.Sprintf("r%05d", p.number) }

// World makes pods start, become ready, flap, fail and go, under a demand that jumps, drifts, flips
// around the edges of the tolerance, and stops.
type World struct {
	rng      *rand.Rand
	pods     []*Pod
	next     int
	request  int64
	limit    int64
	start    int // seconds until a pod is ready
	demand   int64
	until    int
	edge     int64 // percent of the request that every ready pod uses; 0: shares of the demand
	edges    []int64
	queue    int64
	original *Original
	events   [][]any
	begin    time.Time
	pendingS int
	external bool   // the HPA has an External metric
	fresh    []*Pod // created since the last reading
}

func (w *World) ms() int64 { return time.Since(w.begin).Milliseconds() }

func (w *World) tell(p *Pod) {
	w.events = append(w.events, []any{"s", w.ms(), p.number, p.state})
	w.original.setPod(p)
}

func (w *World) add(second int) *Pod {
	p := &Pod{number: w.next, state: "S", created: time.Now(), since: time.Now(), requestMilli: w.request, changes: second + w.start}
	w.next++
	switch r := w.rng.IntN(20); {
	case r == 0:
		p.changes = -1 // never gets ready
	case r < 4:
		p.changes += w.rng.IntN(120)
	}
	p.pending = w.pendingS > 0
	w.pods = append(w.pods, p)
	w.fresh = append(w.fresh, p)
	w.tell(p)
	return p
}

func (w *World) set(p *Pod, state string) {
	p.pending = false // a pod that has run is never pending again
	p.state, p.since = state, map[bool]time.Time{true: p.since, false: time.Now()}[state == "D"]
	w.tell(p)
}

func (w *World) remove(p *Pod) {
	for i, q := range w.pods {
		if q == p {
			w.pods = append(w.pods[:i:i], w.pods[i+1:]...)
		}
	}
	w.events = append(w.events, []any{"s", w.ms(), p.number, "G"})
	w.original.removePod(p)
}

// step does what happens in a second: pods change, and are made as many as wanted.
func (w *World) step(second, wanted int) {
	for _, p := range append([]*Pod{}, w.pods...) {
		p.cpuMicros += p.rateMilli * 1000
		if p.pending && int(time.Since(p.created).Seconds()) >= w.pendingS {
			p.pending = false
			w.original.setPod(p)
		}
		switch {
		case p.changes == second && p.state == "S":
			w.set(p, "R")
			p.changes = -1
		case p.changes == second && p.state == "D":
			w.remove(p)
		case p.state == "R" && w.rng.IntN(2500) == 0: // it flaps
			w.set(p, "S")
			p.changes = second + 1 + w.rng.IntN(60)
		case p.state != "D" && w.rng.IntN(5000) == 0: // it dies
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
		w.add(second)
	}
	for i := len(live) - 1; i >= wanted; i-- {
		if p := live[i]; p.state == "R" {
			w.set(p, "D")
			p.changes = second + 1 + w.rng.IntN(40)
		} else {
			w.remove(p)
		}
	}
}

// load gives every pod its use of CPU until the next second, and the queue its length.
func (w *World) load(second int) {
	if second >= w.until {
		w.until = second + []int{10, 20, 40, 90, 200}[w.rng.IntN(5)]
		w.edge = 0
		switch r := w.rng.IntN(10); {
		case r < 1:
			w.demand, w.queue = 0, 0
		case r < 4:
			w.edge = w.edges[w.rng.IntN(len(w.edges))]
			w.queue += w.rng.Int64N(21) - 10
		case r < 7:
			w.demand += w.rng.Int64N(2*w.request) - w.request
			w.queue += w.rng.Int64N(9) - 4
		default:
			w.demand = w.rng.Int64N(20 * w.request)
			w.queue = w.rng.Int64N(200)
		}
		w.demand, w.queue = max(w.demand, 0), max(w.queue, 0)
	}
	ready := int64(0)
	for _, p := range w.pods {
		if p.state == "R" {
			ready++
		}
	}
	for _, p := range w.pods {
		switch {
		case p.state != "R":
			if w.rng.IntN(8) == 0 {
				p.rateMilli = w.rng.Int64N(w.limit + 1)
			}
		case w.edge > 0:
			p.rateMilli = w.request * w.edge / 100
		default:
			p.rateMilli = min(w.limit, w.demand/ready)
			if w.rng.IntN(4) == 0 {
				p.rateMilli = min(w.limit, p.rateMilli*(80+w.rng.Int64N(41))/100)
			}
		}
	}
}

// read appends a reading. Of fresh pods alone, or of all but those that a scrape misses.
func (w *World) read(scrape bool, known bool) {
	var seen []*Pod
	for _, p := range w.pods {
		if scrape && (w.rng.IntN(25) != 0 || contains(w.fresh, p)) || !scrape && contains(w.fresh, p) {
			seen = append(seen, p)
		}
	}
	list := []any{}
	for _, p := range seen {
		if w.external {
			break // CPU plays no part
		}
		list = append(list, []any{p.number, 0, p.cpuMicros})
	}
	queue := w.queue
	if !known {
		queue = -1 // the metric cannot be had
	}
	w.events = append(w.events, []any{"r", w.ms(), 0, queue, list})
	w.fresh = nil
	if scrape {
		w.original.scrape(seen)
		w.original.external = nil
		if known {
			w.original.external = quantity(w.queue)
		}
	}
}

func contains(pods []*Pod, p *Pod) bool {
	for _, q := range pods {
		if q == p {
			return true
		}
	}
	return false
}
