// SPDX-License-Identifier: Apache-2.0

// Decodes Services strictly into Knative's own type, sets its defaults and runs its own validation, the one of its
// admission webhook. Paths on standard input, a line for each complaint.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/apis/config"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"sigs.k8s.io/yaml"
)

// contextFor has Knative's defaults; an initial scale of 0 must be said to need the cluster's leave.
func contextFor(text string) (context.Context, error) {
	settings := map[string]string{}
	if strings.Contains(text, "# needs allow-zero-initial-scale") {
		settings["allow-zero-initial-scale"] = "true"
	}
	autoscaler, err := asconfig.NewConfigFromMap(settings)
	if err != nil {
		return nil, err
	}
	all := config.FromContextOrDefaults(context.Background())
	all.Autoscaler = autoscaler
	return config.ToContext(context.Background(), all), nil
}

func check(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	service := &servingv1.Service{}
	if err := yaml.UnmarshalStrict(data, service); err != nil {
		return err
	}
	if kind := service.GroupVersionKind().String(); kind != "serving.knative.dev/v1, Kind=Service" {
		return fmt.Errorf("it is a %s", kind)
	}
	for name := range service.Spec.Template.Annotations {
		if _, known := known[name]; strings.HasPrefix(name, autoscaling.GroupName) && !known {
			return fmt.Errorf("nothing reads the annotation %s", name)
		}
	}
	ctx, err := contextFor(string(data))
	if err != nil {
		return err
	}
	service.SetDefaults(ctx)
	if err := service.Validate(ctx).Filter(apis.ErrorLevel); err != nil { // no advice on security contexts
		return err
	}
	if err := autoscaling.ValidateAnnotations(ctx, config.FromContext(ctx).Autoscaler, service.Spec.Template.Annotations); err != nil {
		return err
	}
	return nil
}

// known are the annotations that the autoscaler reads: an unknown one passes Knative's validation.
var known = func() map[string]bool {
	out := map[string]bool{}
	for _, keys := range [][]string{autoscaling.ClassAnnotation, autoscaling.MinScaleAnnotation, autoscaling.MaxScaleAnnotation,
		autoscaling.InitialScaleAnnotation, autoscaling.ScaleDownDelayAnnotation, autoscaling.MetricAnnotation,
		autoscaling.MetricAggregationAlgorithmAnnotation, autoscaling.TargetAnnotation,
		autoscaling.ScaleToZeroPodRetentionPeriodAnnotation, autoscaling.WindowAnnotation,
		autoscaling.TargetUtilizationPercentageAnnotation, autoscaling.TargetBurstCapacityAnnotation,
		autoscaling.PanicWindowPercentageAnnotation, autoscaling.PanicThresholdPercentageAnnotation, autoscaling.ActivationScale} {
		for _, key := range keys {
			out[key] = true
		}
	}
	return out
}()

func main() {
	bad := false
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := check(lines.Text()); err != nil {
			bad = true
			fmt.Printf("%s: %s\n", lines.Text(), strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if bad {
		os.Exit(1)
	}
}
