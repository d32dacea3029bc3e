// SPDX-License-Identifier: Apache-2.0

// Decodes HorizontalPodAutoscalers strictly as the API server does, sets its defaults, converts them to the internal type
// and runs its own validation. Paths on standard input, a line for each complaint.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	"k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"sigs.k8s.io/yaml"
)

var decoder = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	object, _, err := decoder.Decode(data, nil, nil)
	if err != nil {
		return err
	}
	hpa, ok := object.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return fmt.Errorf("it is a %T", object)
	}
	hpa.Namespace = "default"
	legacyscheme.Scheme.Default(hpa)
	internal, err := legacyscheme.Scheme.ConvertToVersion(hpa, runtime.InternalGroupVersioner)
	if err != nil {
		return err
	}
	least := int32(1)
	if strings.Contains(string(text), "# minReplicas 0 needs the feature HPAScaleToZero") {
		least = 0
	}
	options := validation.HorizontalPodAutoscalerSpecValidationOptions{
		MinReplicasLowerBound: least,
	}
	return validation.ValidateHorizontalPodAutoscaler(internal.(*autoscaling.HorizontalPodAutoscaler), options).ToAggregate()
}

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
