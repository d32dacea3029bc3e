// SPDX-License-Identifier: Apache-2.0
package main

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/metrics"
	"sigs.k8s.io/metrics-server/pkg/storage"
)

type podMetrics = metrics.PodMetrics

func newStore(resolution time.Duration) metricsStore { return storage.NewStorage(resolution) }

// scrape stores what was read of the pods now: totals since their start.
func (o *Original) scrape(pods []*Pod) {
	batch := &storage.MetricsBatch{Pods: map[types.NamespacedName]storage.PodMetricsPoint{}}
	for _, p := range pods {
		batch.Pods[types.NamespacedName{Namespace: namespace, Name: p.name()}] = storage.PodMetricsPoint{
			Containers: map[string]storage.MetricsPoint{"c": {
				StartTime: p.created, Timestamp: time.Now(), CumulativeCPUUsed: uint64(p.cpuMicros) * 1000, MemoryUsage: 1}}}
	}
	o.store.Store(batch)
}
