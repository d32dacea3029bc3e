// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"reflect"
	"unsafe"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
)

// The controller's own work items, called at the times of the generated world instead of by its queue.

//go:linkname enqueueHPA k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).enqueueHPA
func enqueueHPA(a *podautoscaler.HorizontalController, obj interface{})

//go:linkname reconcileKey k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).reconcileKey
func reconcileKey(a *podautoscaler.HorizontalController, ctx context.Context, key string) (bool, error)

// queueOf is the controller's work queue, whose goroutines would outlive the world.
func queueOf(a *podautoscaler.HorizontalController) workqueue.TypedRateLimitingInterface[string] {
	field := reflect.ValueOf(a).Elem().FieldByName("queue")
	return *(*workqueue.TypedRateLimitingInterface[string])(unsafe.Pointer(field.UnsafeAddr()))
}
