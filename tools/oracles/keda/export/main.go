// SPDX-License-Identifier: Apache-2.0

// Decodes ScaledObjects strictly into KEDA's own type, runs the validation of its admission webhook on a fake cluster that
// has the Deployment, and has its parser read each trigger's metadata into the scaler's struct. Paths on standard input, a line
// for each complaint.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	_ "unsafe" // for go:linkname

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// The clients of the webhook, which it gets from its manager.

//go:linkname webhookClient github.com/kedacore/keda/v2/apis/keda/v1alpha1.kc
var webhookClient client.Client

//go:linkname webhookMapper github.com/kedacore/keda/v2/apis/keda/v1alpha1.restMapper
var webhookMapper meta.RESTMapper

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// cluster has the Deployment that a ScaledObject names, whose containers request CPU.
func cluster(name string) {
	scheme := runtime.NewScheme()
	must(kedav1alpha1.AddToScheme(scheme))
	must(appsv1.AddToScheme(scheme))
	must(autoscalingv2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("300m")}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "model", Resources: corev1.ResourceRequirements{Requests: requests}}}
	target := "spec.scaleTargetRef.name"
	webhookClient = fake.NewClientBuilder().WithScheme(scheme).WithObjects(deployment).
		WithIndex(&kedav1alpha1.ScaledObject{}, target, func(client.Object) []string { return nil }).
		WithIndex(&kedav1alpha1.ScaledObject{}, "spec.hpaName", func(client.Object) []string { return nil }).
		WithIndex(&autoscalingv2.HorizontalPodAutoscaler{}, target, func(client.Object) []string { return nil }).Build()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	webhookMapper = mapper
}

// schema is that of the ScaledObject's CustomResourceDefinition, in the folder KEDA_MODULE.
func schema() validation.SchemaValidator {
	text, err := os.ReadFile(os.Getenv("KEDA_MODULE") + "/config/crd/bases/keda.sh_scaledobjects.yaml")
	must(err)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	must(yaml.Unmarshal(text, crd))
	internal := &apiextensions.JSONSchemaProps{}
	must(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema, internal, nil))
	validator, _, err := validation.NewSchemaValidator(internal)
	must(err)
	return validator
}

// metadata is a scaler's struct of a trigger's metadata, with its tags, out of KEDA's source. (Importing the package of all
// scalers would need the clients of every system that KEDA knows.)
func metadata(file, name string) reflect.Type {
	source, err := parser.ParseFile(token.NewFileSet(), os.Getenv("KEDA_MODULE")+"/pkg/scalers/"+file, nil, 0)
	must(err)
	structure, ok := source.Scope.Lookup(name).Decl.(*ast.TypeSpec).Type.(*ast.StructType)
	if !ok {
		panic(name + " is no struct")
	}
	types := map[string]reflect.Type{"string": reflect.TypeFor[string](), "float64": reflect.TypeFor[float64](),
		"bool": reflect.TypeFor[bool](), "int64": reflect.TypeFor[int64]()}
	fields := []reflect.StructField{{Name: "TriggerIndex", Type: reflect.TypeFor[int]()}} // the parser wants one
	for _, field := range structure.Fields.List {
		of, simple := field.Type.(*ast.Ident)
		if field.Tag == nil || !simple || types[of.Name] == nil {
			continue // of authentication, or a kind that Spate does not write
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		must(err)
		fields = append(fields, reflect.StructField{Name: field.Names[0].Name, Type: types[of.Name], Tag: reflect.StructTag(tag)})
	}
	return reflect.StructOf(fields)
}

var metadataOf = map[string]reflect.Type{}

// checkTrigger has KEDA parse the metadata as the trigger's scaler does.
func checkTrigger(trigger kedav1alpha1.ScaleTriggers) error {
	kind := metadataOf[trigger.Type]
	if kind == nil {
		return fmt.Errorf("nothing is known of the trigger %s", trigger.Type)
	}
	known := map[string]bool{}
	for i := range kind.NumField() {
		for _, part := range strings.Split(kind.Field(i).Tag.Get("keda"), ",") {
			if name, found := strings.CutPrefix(strings.TrimSpace(part), "name="); found {
				known[name] = true
			}
		}
	}
	for name := range trigger.Metadata {
		if !known[name] {
			return fmt.Errorf("the trigger %s has no %s", trigger.Type, name)
		}
	}
	config := &scalersconfig.ScalerConfig{TriggerMetadata: trigger.Metadata, TriggerType: trigger.Type, MetricType: trigger.MetricType}
	if err := config.TypedConfig(reflect.New(kind).Interface()); err != nil {
		return err
	}
	if trigger.Type == "cpu" {
		_, err := strconv.ParseInt(trigger.Metadata["value"], 10, 32)
		return err
	}
	return nil
}

func check(path string, validator validation.SchemaValidator) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	object := &kedav1alpha1.ScaledObject{}
	if err := yaml.UnmarshalStrict(data, object); err != nil {
		return err
	}
	if kind := object.GroupVersionKind().String(); kind != "keda.sh/v1alpha1, Kind=ScaledObject" {
		return fmt.Errorf("it is a %s", kind)
	}
	var raw map[string]any
	must(yaml.Unmarshal(data, &raw))
	if err := validation.ValidateCustomResource(nil, raw, validator).ToAggregate(); err != nil {
		return err
	}
	object.Namespace = "default"
	cluster(object.Spec.ScaleTargetRef.Name)
	dryRun := false
	if _, err := object.ValidateCreate(&dryRun); err != nil {
		return err
	}
	for _, trigger := range object.Spec.Triggers {
		if err := checkTrigger(trigger); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	validator := schema()
	metadataOf["prometheus"] = metadata("prometheus_scaler.go", "prometheusMetadata")
	metadataOf["cpu"] = metadata("cpu_memory_scaler.go", "cpuMemoryMetadata")
	bad := false
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := check(lines.Text(), validator); err != nil {
			bad = true
			fmt.Printf("%s: %s\n", lines.Text(), strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if bad {
		os.Exit(1)
	}
}
