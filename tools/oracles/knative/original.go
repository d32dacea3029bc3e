// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"testing/synctest"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	nv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	fakenet "knative.dev/networking/pkg/client/clientset/versioned/fake"
	nlisters "knative.dev/networking/pkg/client/listers/networking/v1alpha1"
	netcfg "knative.dev/networking/pkg/config"
	netstats "knative.dev/networking/pkg/http/stats"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/reconciler"
	"knative.dev/serving/pkg/activator/handler"
	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/serving"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/autoscaler/metrics"
	"knative.dev/serving/pkg/autoscaler/scaling"
	fakeserving "knative.dev/serving/pkg/client/clientset/versioned/fake"
	listers "knative.dev/serving/pkg/client/listers/autoscaling/v1alpha1"
	deploymentconfig "knative.dev/serving/pkg/deployment"
	areconciler "knative.dev/serving/pkg/reconciler/autoscaling"
	"knative.dev/serving/pkg/reconciler/autoscaling/config"
	"knative.dev/serving/pkg/reconciler/autoscaling/kpa"
	"knative.dev/serving/pkg/resources"
)

const namespace, revision = "ns", "model"

var key = types.NamespacedName{Namespace: namespace, Name: revision}

// Options of the revision and of the cluster's config-autoscaler.
type Options struct {
	Config      map[string]string
	Annotations map[string]string
	Limit       int64 // containerConcurrency
	Unreachable bool  // no route leads to it
	Deadline    time.Duration
}

// Original is one revision under Knative's own autoscaler and reconciler.
type Original struct {
	pods        pods
	proxies     *queueProxies
	deployment  *deployment
	collector   *metrics.MetricCollector
	scrapeClock *clocktesting.FakeClock
	scaler      *scaling.MultiScaler
	beat        chan time.Time
	stop        chan struct{}
	activator   *handler.ConcurrencyReporter
	reports     chan []metrics.StatMessage
	waiting     []unsafe.Pointer
	kpa         *kpa.Reconciler
	pa          *autoscalingv1alpha1.PodAutoscaler
	serving     *fakeserving.Clientset
	net         *fakenet.Clientset
	skss        cache.Indexer
	metrics     cache.Indexer
	ctx         context.Context
}

func newOriginal(o Options, replicas int) *Original {
	logger := zap.NewNop().Sugar()
	out := &Original{
		pods: pods{}, deployment: &deployment{replicas: int32(replicas)},
		proxies: &queueProxies{stats: map[string]metrics.Stat{}, scraped: map[string]bool{}},
		beat:    make(chan time.Time), stop: make(chan struct{}), reports: make(chan []metrics.StatMessage, 100),
		scrapeClock: clocktesting.NewFakeClock(time.Now()),
		serving:     fakeserving.NewSimpleClientset(), net: fakenet.NewSimpleClientset(),
		skss:    cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		metrics: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
	}
	autoscaler, err := asconfig.NewConfigFromMap(o.Config)
	check(err)
	out.ctx = config.ToContext(logging.WithLogger(context.Background(), logger), &config.Config{
		Autoscaler: autoscaler, Deployment: &deploymentconfig.Config{ProgressDeadline: o.Deadline}, Network: &netcfg.Config{}})

	provider := noop.NewMeterProvider()
	accessor := resources.NewPodAccessor(out.pods, namespace, revision)
	out.collector = metrics.NewMetricCollector(func(m *autoscalingv1alpha1.Metric, l *zap.SugaredLogger) (metrics.StatsScraper, error) {
		if m.Spec.ScrapeTarget == "" {
			return nil, nil
		}
		scraper := metrics.NewStatsScraper(m, revision, accessor, false, netcfg.MeshCompatibilityModeDisabled, l, provider)
		set(scraper, "directClient", out.proxies)
		return scraper, nil
	}, logger)
	set(out.collector, "clock", out.scrapeClock)
	out.scaler = scaling.NewMultiScaler(out.stop, func(d *scaling.Decider) (scaling.UniScaler, error) {
		return scaling.New(*attribute.EmptySet(), provider, namespace, revision, out.collector, accessor, &d.Spec), nil
	}, logger)
	set(out.scaler, "tickProvider", func(time.Duration) *time.Ticker { return &time.Ticker{C: out.beat} })

	out.activator = &handler.ConcurrencyReporter{}
	set(out.activator, "podName", "activator")
	set(out.activator, "logger", logger)
	set(out.activator, "statCh", out.reports)
	stats := field(reflect.ValueOf(out.activator), "stats")
	stats.Set(reflect.MakeMap(stats.Type()))

	out.kpa = &kpa.Reconciler{Base: &areconciler.Base{Client: out.serving, NetworkingClient: out.net,
		SKSLister: nlisters.NewServerlessServiceLister(out.skss), MetricLister: listers.NewMetricLister(out.metrics)}}
	set(out.kpa, "podsLister", out.pods)
	set(out.kpa, "deciders", out.scaler)
	scaler := field(reflect.ValueOf(out.kpa), "scaler")
	scaler.Set(reflect.New(scaler.Type().Elem()))
	for name, value := range map[string]any{
		"dynamicClient": out.deployment, "transport": http.DefaultTransport, "probeManager": prober{},
		"listerFactory": func(schema.GroupVersionResource) (cache.GenericLister, error) { return scalables{out.deployment}, nil },
		"enqueueCB":     func(interface{}, time.Duration) {}, // the world reconciles at every step
		"activatorProbe": func(*autoscalingv1alpha1.PodAutoscaler, http.RoundTripper) (bool, error) {
			return out.sks().Spec.Mode == nv1alpha1.SKSOperationModeProxy, nil
		},
	} {
		field(scaler, name).Set(reflect.ValueOf(value))
	}

	annotations := map[string]string{autoscaling.ClassAnnotationKey: autoscaling.KPA}
	for name, value := range o.Annotations {
		annotations[autoscaling.GroupName+"/"+name] = value
	}
	out.pa = &autoscalingv1alpha1.PodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: revision, UID: "1", Generation: 1, Annotations: annotations,
			Labels: map[string]string{serving.RevisionLabelKey: revision, serving.ConfigurationLabelKey: "c", serving.ServiceLabelKey: "s"}},
		Spec: autoscalingv1alpha1.PodAutoscalerSpec{ContainerConcurrency: o.Limit, Reachability: autoscalingv1alpha1.ReachabilityReachable,
			ScaleTargetRef: corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: revision}, ProtocolType: "http1"},
	}
	if o.Unreachable {
		out.pa.Spec.Reachability = autoscalingv1alpha1.ReachabilityUnreachable
	}
	return out
}

// begin reconciles as after the revision was made: once for its service, once for the rest.
func (o *Original) begin() {
	o.reconcile()
	o.reconcile()
	synctest.Wait()
}

func (o *Original) sks() *nv1alpha1.ServerlessService {
	sks, err := o.net.NetworkingV1alpha1().ServerlessServices(namespace).Get(o.ctx, revision, metav1.GetOptions{})
	check(err)
	return sks
}

// stored is the object as the API would give it back: with times in whole seconds.
func stored[T any](object *T) *T {
	text, err := json.Marshal(object)
	check(err)
	out := new(T)
	check(json.Unmarshal(text, out))
	return out
}

// reconcile is the reconciler's work on the PodAutoscaler, and what follows from it at once: the service in its mode, the
// metric's collection.
func (o *Original) reconcile() int {
	before := stored(o.pa)
	reconciler.PreProcessReconcile(o.ctx, o.pa)
	check(o.kpa.ReconcileKind(o.ctx, o.pa))
	reconciler.PostProcessReconcile(o.ctx, o.pa, before)
	o.pa = stored(o.pa)

	sks := o.sks()
	sks.Status.PrivateServiceName, sks.Status.ServiceName = "private", "public"
	sks.Status.InitializeConditions()
	if sks.Spec.Mode == nv1alpha1.SKSOperationModeProxy {
		sks.Status.MarkActivatorEndpointsPopulated()
	} else {
		sks.Status.MarkActivatorEndpointsRemoved()
	}
	sks.Status.MarkEndpointsReady()
	sks = stored(sks)
	_, err := o.net.NetworkingV1alpha1().ServerlessServices(namespace).Update(o.ctx, sks, metav1.UpdateOptions{})
	check(err)
	check(o.skss.Add(sks))

	list, err := o.serving.AutoscalingV1alpha1().Metrics(namespace).List(o.ctx, metav1.ListOptions{})
	check(err)
	for _, metric := range list.Items {
		if _, known, _ := o.metrics.Get(&metric); !known {
			check(o.metrics.Add(&metric))
			check(o.collector.CreateOrUpdate(&metric))
			synctest.Wait() // its ticker is there
		}
	}
	return int(o.deployment.replicas)
}

// scrape is the collector's tick.
func (o *Original) scrape() {
	clear(o.proxies.scraped)
	o.scrapeClock.SetTime(time.Now())
	synctest.Wait()
}

// wait makes as many requests wait at the activator.
func (o *Original) wait(count int) {
	for len(o.waiting) < count {
		o.waiting = append(o.waiting, handleRequestIn(o.activator, netstats.ReqEvent{Key: key, Type: netstats.ReqIn, Time: time.Now()}))
		o.receive()
	}
	for len(o.waiting) > count {
		last := len(o.waiting) - 1
		handleRequestOut(o.activator, o.waiting[last], netstats.ReqEvent{Key: key, Type: netstats.ReqOut, Time: time.Now()})
		o.waiting = o.waiting[:last]
	}
}

// report is the activator's tick.
func (o *Original) report() {
	o.reports <- report(o.activator, time.Now())
	o.receive()
}

// receive is what cmd/autoscaler does with the activator's reports.
func (o *Original) receive() {
	for len(o.reports) > 0 {
		for _, message := range <-o.reports {
			o.collector.Record(message.Key, time.Unix(time.Now().Unix(), 0), message.Stat)
			o.scaler.Poke(message.Key, message.Stat)
			synctest.Wait()
		}
	}
}

// tick is the autoscaler's.
func (o *Original) tick() {
	o.beat <- time.Now()
	synctest.Wait()
}

func (o *Original) close() {
	close(o.stop)
	o.collector.Delete(namespace, revision)
	synctest.Wait()
}

func (o *Original) setPod(name, ip, state string, started time.Time) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{serving.RevisionLabelKey: revision}}}
	begun := metav1.NewTime(started)
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, StartTime: &begun}
	ready := corev1.ConditionFalse
	if state != "S" {
		ready = corev1.ConditionTrue
	}
	if state == "D" {
		now := metav1.Now()
		pod.DeletionTimestamp = &now
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	o.pods[name] = pod
}
