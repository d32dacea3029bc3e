// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	netstats "knative.dev/networking/pkg/http/stats"
	"knative.dev/serving/pkg/activator/handler"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/autoscaler/metrics"
)

// The activator's own counting, called at the times of the generated world.

//go:linkname handleRequestIn knative.dev/serving/pkg/activator/handler.(*ConcurrencyReporter).handleRequestIn
func handleRequestIn(cr *handler.ConcurrencyReporter, event netstats.ReqEvent) unsafe.Pointer

//go:linkname handleRequestOut knative.dev/serving/pkg/activator/handler.(*ConcurrencyReporter).handleRequestOut
func handleRequestOut(cr *handler.ConcurrencyReporter, stat unsafe.Pointer, event netstats.ReqEvent)

//go:linkname report knative.dev/serving/pkg/activator/handler.(*ConcurrencyReporter).report
func report(cr *handler.ConcurrencyReporter, now time.Time) []metrics.StatMessage

// field is an unexported one of the struct that `object` points to, made settable.
func field(object reflect.Value, name string) reflect.Value {
	f := object.Elem().FieldByName(name)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

// set puts a value there, as the package's own constructor would.
func set(object any, name string, value any) {
	field(reflect.ValueOf(object), name).Set(reflect.ValueOf(value))
}

// pods is the informer's store of pods, in order of their names.
type pods map[string]*corev1.Pod

var _ corev1listers.PodLister = pods{}

func (p pods) List(labels.Selector) ([]*corev1.Pod, error) {
	out := []*corev1.Pod{}
	for _, pod := range p {
		out = append(out, pod)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}
func (p pods) Pods(string) corev1listers.PodNamespaceLister { return namespaced{p} }

type namespaced struct{ pods }

func (n namespaced) Get(name string) (*corev1.Pod, error) { return n.pods[name], nil }

// queueProxies answers scrapes with what each pod's queue proxy reported last.
type queueProxies struct {
	mutex   sync.Mutex
	stats   map[string]metrics.Stat // by IP; a pod that is not here cannot be reached
	scraped map[string]bool
}

func (q *queueProxies) Do(r *http.Request) (metrics.Stat, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	ip := strings.Split(r.URL.Host, ":")[0]
	stat, ok := q.stats[ip]
	if !ok {
		return metrics.Stat{}, errors.New("it does not answer")
	}
	q.scraped[ip] = true
	return stat, nil
}

// deployment is the scaled workload: its lister and the client that patches it.
type deployment struct {
	dynamic.Interface
	replicas int32
}

type patcher struct {
	dynamic.NamespaceableResourceInterface
	d *deployment
}

func (d *deployment) Resource(schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return patcher{d: d}
}
func (p patcher) Namespace(string) dynamic.ResourceInterface { return p }
func (p patcher) Patch(_ context.Context, _ string, _ types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	var patch []struct {
		Path  string
		Value int32
	}
	check(json.Unmarshal(data, &patch))
	for _, one := range patch {
		if one.Path == "/spec/replicas" {
			p.d.replicas = one.Value
		}
	}
	return &unstructured.Unstructured{}, nil
}

type scalables struct{ d *deployment }

func (s scalables) List(labels.Selector) ([]runtime.Object, error)  { return nil, nil }
func (s scalables) ByNamespace(string) cache.GenericNamespaceLister { return s }
func (s scalables) Get(string) (runtime.Object, error) {
	replicas := s.d.replicas
	return &autoscalingv1alpha1.PodScalable{Spec: autoscalingv1alpha1.PodScalableSpec{Replicas: &replicas}}, nil
}

// prober stands for the asynchronous probe of the activator; the next reconcile asks again.
type prober struct{}

func (prober) Offer(context.Context, string, interface{}, time.Duration, time.Duration, ...interface{}) bool {
	return true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
