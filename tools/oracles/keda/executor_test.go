// SPDX-License-Identifier: Apache-2.0

// KEDA's own scale executor, asked line by line what it does at a time (the Kubernetes oracle asks for `keda`).
//
// In a synctest bubble, where time.Now and Sleep are the bubble's: RequestScale with a fake scale client. The
// ScaledObject's status is kept as KEDA's scale handler keeps it. Requests are JSON lines on standard input:
// {"new":{…}} begins a ScaledObject, {"at_ms":…,"replicas":…,"active":…,"error":…} is a polling; the answer is
// {"replicas":n}.
package keda

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scaling/executor"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	scalefake "k8s.io/client-go/scale/fake"
	coretesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"
)

// noCache has nothing of the scaled workload: its scale is asked for instead.
type noCache struct{ runtimeclient.Client }

func (noCache) Get(context.Context, runtimeclient.ObjectKey, runtimeclient.Object, ...runtimeclient.GetOption) error {
	return errors.New("not in the cache")
}

type request struct {
	New      *kedav1alpha1.ScaledObjectSpec `json:"new"`
	AtMs     int64                          `json:"at_ms"`
	Replicas int32                          `json:"replicas"`
	Active   bool                           `json:"active"`
	Error    bool                           `json:"error"`
}

func TestExecutor(t *testing.T) {
	if os.Getenv("ORACLE_KEDA") == "" {
		t.Skip("only for the Kubernetes oracle")
	}
	synctest.Test(t, func(t *testing.T) {
		var replicas int32
		client := &scalefake.FakeScaleClient{}
		client.AddReactor("get", "*", func(coretesting.Action) (bool, runtime.Object, error) {
			return true, &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}, nil
		})
		client.AddReactor("update", "*", func(action coretesting.Action) (bool, runtime.Object, error) {
			scale := action.(coretesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
			replicas = scale.Spec.Replicas
			return true, scale, nil
		})
		var object *kedav1alpha1.ScaledObject
		var begin time.Time
		exec := executor.NewScaleExecutor(noCache{}, client, runtime.NewScheme(), time.Minute, &events.FakeRecorder{})
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			var ask request
			if err := json.Unmarshal(lines.Bytes(), &ask); err != nil {
				panic(err)
			}
			if ask.New != nil {
				begin = time.Now()
				object = &kedav1alpha1.ScaledObject{
					ObjectMeta: metav1.ObjectMeta{Name: "model", Namespace: "ns", CreationTimestamp: metav1.NewTime(begin)},
					Spec:       *ask.New}
				object.Spec.ScaleTargetRef = &kedav1alpha1.ScaleTarget{Name: "model", Kind: "Workload"}
				object.Status.ScaleTargetGVKR = &kedav1alpha1.GroupVersionKindResource{Group: "apps", Version: "v1", Kind: "Workload", Resource: "workloads"}
				continue
			}
			time.Sleep(time.Until(begin.Add(time.Duration(ask.AtMs) * time.Millisecond)))
			replicas = ask.Replicas
			result := exec.RequestScale(context.Background(), object, ask.Active, ask.Error, executor.ScaleExecutorOptions{})
			if result.LastActiveTime != nil {
				object.Status.LastActiveTime = result.LastActiveTime
			}
			fmt.Printf("{\"replicas\":%d}\n", replicas)
		}
		os.Exit(0)
	})
}
