// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	scalefake "k8s.io/client-go/scale/fake"
	coretesting "k8s.io/client-go/testing"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	emapi "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsfake "k8s.io/metrics/pkg/client/clientset/versioned/fake"
	cmfake "k8s.io/metrics/pkg/client/custom_metrics/fake"
	emfake "k8s.io/metrics/pkg/client/external_metrics/fake"
	"sigs.k8s.io/metrics-server/pkg/storage"

	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
)

const namespace, target, key = "ns", "model", "ns/model"

var podLabels = map[string]string{"app": target}

// metricsStore is what metrics-server keeps of two scrapes.
type metricsStore interface {
	Store(batch *storage.MetricsBatch)
	GetPodMetrics(pods ...*metav1.PartialObjectMetadata) ([]podMetrics, error)
}

// Original is one HorizontalPodAutoscaler under the real controller, its clients faked.
type Original struct {
	controller   *podautoscaler.HorizontalController
	informers    informers.SharedInformerFactory
	client       *fake.Clientset
	cancel       context.CancelFunc
	ctx          context.Context
	store        metricsStore
	specReplicas int32 // of the scaled workload
	status       int32
	external     *resource.Quantity // nil: the metric cannot be had
}

// Options of the HPA and of the controller's flags.
type Options struct {
	Spec           autoscalingv2.HorizontalPodAutoscalerSpec
	Stabilisation  time.Duration
	Tolerance      float64
	Initialization time.Duration
	ReadinessDelay time.Duration
	Resolution     time.Duration
}

func newOriginal(o Options) *Original {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: namespace, UID: "1"},
		Spec:       o.Spec,
	}
	hpa.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: target, APIVersion: "apps/v1"}
	defaults.SetDefaults_HorizontalPodAutoscaler(hpa)
	out := &Original{client: fake.NewSimpleClientset(hpa.DeepCopy()), store: newStore(o.Resolution)}
	out.ctx, out.cancel = context.WithCancel(context.Background())
	out.informers = informers.NewSharedInformerFactory(out.client, 0)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{appsv1.SchemeGroupVersion})
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	out.controller = podautoscaler.NewHorizontalController(
		out.ctx, out.client.CoreV1(), out.scaleClient(), out.client.AutoscalingV2(), mapper,
		podmetrics.NewRESTMetricsClient(out.resourceClient().MetricsV1beta1(), &cmfake.FakeCustomMetricsClient{}, out.externalClient()),
		out.informers.Autoscaling().V2().HorizontalPodAutoscalers(), out.informers.Core().V1().Pods(),
		15*time.Second, o.Stabilisation, o.Tolerance, o.Initialization, o.ReadinessDelay)
	check(out.informers.Autoscaling().V2().HorizontalPodAutoscalers().Informer().GetIndexer().Add(hpa))
	enqueueHPA(out.controller, hpa)
	return out
}

func (o *Original) scaleClient() *scalefake.FakeScaleClient {
	client := &scalefake.FakeScaleClient{}
	client.AddReactor("get", "deployments", func(coretesting.Action) (bool, runtime.Object, error) {
		return true, &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: namespace},
			Spec:       autoscalingv1.ScaleSpec{Replicas: o.specReplicas},
			Status:     autoscalingv1.ScaleStatus{Replicas: o.status, Selector: "app=" + target},
		}, nil
	})
	client.AddReactor("update", "deployments", func(action coretesting.Action) (bool, runtime.Object, error) {
		scale := action.(coretesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
		o.specReplicas = scale.Spec.Replicas
		return true, scale, nil
	})
	return client
}

func (o *Original) resourceClient() *metricsfake.Clientset {
	client := &metricsfake.Clientset{}
	client.AddReactor("list", "pods", func(coretesting.Action) (bool, runtime.Object, error) {
		var known []*metav1.PartialObjectMetadata
		for _, obj := range o.pods().List() {
			pod := obj.(*v1.Pod)
			if pod.Status.Phase == v1.PodRunning { // as metrics-server's API lists them
				known = append(known, &metav1.PartialObjectMetadata{ObjectMeta: pod.ObjectMeta})
			}
		}
		found, err := o.store.GetPodMetrics(known...)
		out := &metricsv1beta1.PodMetricsList{}
		for _, m := range found {
			item := metricsv1beta1.PodMetrics{ObjectMeta: m.ObjectMeta, Timestamp: m.Timestamp, Window: m.Window}
			for _, c := range m.Containers {
				item.Containers = append(item.Containers, metricsv1beta1.ContainerMetrics{Name: c.Name, Usage: c.Usage})
			}
			out.Items = append(out.Items, item)
		}
		return true, out, err
	})
	return client
}

func (o *Original) externalClient() *emfake.FakeExternalMetricsClient {
	client := &emfake.FakeExternalMetricsClient{}
	client.AddReactor("list", "*", func(coretesting.Action) (bool, runtime.Object, error) {
		if o.external == nil {
			return true, nil, fmt.Errorf("no value")
		}
		return true, &emapi.ExternalMetricValueList{Items: []emapi.ExternalMetricValue{
			{MetricName: "metric", Timestamp: metav1.Now(), Value: *o.external}}}, nil
	})
	return client
}

type indexer interface {
	Add(obj interface{}) error
	Delete(obj interface{}) error
	List() []interface{}
}

func (o *Original) pods() indexer { return o.informers.Core().V1().Pods().Informer().GetIndexer() }

// setPod makes the pod what the world says it is.
func (o *Original) setPod(p *Pod) {
	name := p.name()
	object := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: podLabels, UID: types.UID(name)},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Resources: v1.ResourceRequirements{
			Requests: v1.ResourceList{v1.ResourceCPU: *resource.NewMilliQuantity(p.requestMilli, resource.DecimalSI)}}}}},
	}
	start := metav1.NewTime(p.created)
	object.Status = v1.PodStatus{Phase: v1.PodRunning, StartTime: &start}
	if p.pending {
		object.Status.Phase = v1.PodPending
	}
	ready := v1.ConditionFalse
	if p.state == "R" || p.state == "D" { // a deleted pod is ready until its containers end
		ready = v1.ConditionTrue
	}
	object.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: ready, LastTransitionTime: metav1.NewTime(p.since)}}
	if p.state == "D" {
		now := metav1.Now()
		object.DeletionTimestamp = &now
	}
	check(o.pods().Add(object))
}

func (o *Original) removePod(p *Pod) {
	check(o.pods().Delete(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: p.name(), Namespace: namespace}}))
}

// decide reconciles once and gives what the workload's replicas are set to then.
func (o *Original) decide(specReplicas, status int) int {
	o.specReplicas, o.status = int32(specReplicas), int32(status)
	_, _ = reconcileKey(o.controller, o.ctx, key) // an error leaves the scale as it is
	// What the controller wrote comes back to it through its informer.
	hpa, err := o.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(o.ctx, target, metav1.GetOptions{})
	check(err)
	check(o.informers.Autoscaling().V2().HorizontalPodAutoscalers().Informer().GetIndexer().Add(hpa))
	return int(o.specReplicas)
}

// close stops what the controller started.
func (o *Original) close() {
	o.cancel()
	queueOf(o.controller).ShutDown()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
