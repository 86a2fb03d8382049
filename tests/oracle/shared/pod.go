package main

import (
	"context"
	"encoding/json"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // registers the pod and its conversions
	corev1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/qos"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"
)

type podInput struct {
	Op             string          `json:"op"`
	Pod            json.RawMessage `json:"pod"`
	Container      string          `json:"container"`
	MemoryCapacity int64           `json:"memoryCapacity"`
}

func judgePod(input json.RawMessage) interface{} {
	var asked podInput
	decode(input, &asked)
	pod := decodePod(asked.Pod)
	switch asked.Op {
	case "compute_qos":
		return computePodQOS(pod)
	case "qos":
		return podQOS(pod)
	case "default_then_qos":
		corev1.SetObjectDefaults_Pod(pod)
		return defaulted(pod)
	case "api_create":
		corev1.SetObjectDefaults_Pod(pod)
		return created(pod)
	case "oom_score_adj":
		return qos.GetContainerOOMScoreAdjust(pod, container(pod, asked.Container), asked.MemoryCapacity)
	default:
		panic(refusal("unknown op " + strconv.Quote(asked.Op)))
	}
}

// podDecoder is the API server's own: exact field names, unknown fields dropped.
var podDecoder = kubejson.NewSerializerWithOptions(
	kubejson.DefaultMetaFactory, legacyscheme.Scheme, legacyscheme.Scheme, kubejson.SerializerOptions{})

func decodePod(data []byte) *v1.Pod {
	kind := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	pod := &v1.Pod{}
	if _, _, err := podDecoder.Decode(data, &kind, pod); err != nil {
		panic(refusal(err.Error()))
	}
	return pod
}

// container finds by name as the kubelet's callers do: regular, init, then ephemeral ones.
func container(pod *v1.Pod, name string) *v1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			return &pod.Spec.Containers[i]
		}
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return &pod.Spec.InitContainers[i]
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if pod.Spec.EphemeralContainers[i].Name == name {
			return (*v1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		}
	}
	panic(refusal("the pod has no container " + strconv.Quote(name)))
}

// outcome is a pod after defaulting, cut down to what decides its class.
type outcome struct {
	Containers     []interface{}            `json:"containers,omitempty"`
	InitContainers []interface{}            `json:"initContainers,omitempty"`
	PodResources   *v1.ResourceRequirements `json:"podResources,omitempty"`
	QOSClass       v1.PodQOSClass           `json:"qosClass"`
}

func defaulted(pod *v1.Pod) outcome {
	bare := func(c *v1.Container) interface{} { return c.Resources }
	return cut(pod, podQOS(pod), bare)
}

// created is what a POST would store: PrepareForCreate works on the internal type, drops the fields whose
// gate is off and writes the class into the status.
func created(pod *v1.Pod) outcome {
	internal := &core.Pod{}
	convert(pod, internal)
	podregistry.Strategy.PrepareForCreate(context.Background(), internal)
	stored := &v1.Pod{}
	convert(internal, stored)
	named := func(c *v1.Container) interface{} {
		return map[string]interface{}{"name": c.Name, "resources": c.Resources}
	}
	return cut(stored, stored.Status.QOSClass, named)
}

func cut(pod *v1.Pod, class v1.PodQOSClass, show func(*v1.Container) interface{}) outcome {
	result := outcome{PodResources: podResources(pod), QOSClass: class}
	for i := range pod.Spec.Containers {
		result.Containers = append(result.Containers, show(&pod.Spec.Containers[i]))
	}
	for i := range pod.Spec.InitContainers {
		result.InitContainers = append(result.InitContainers, show(&pod.Spec.InitContainers[i]))
	}
	return result
}

func convert(from, into runtime.Object) {
	if err := legacyscheme.Scheme.Convert(from, into, nil); err != nil {
		panic(refusal(err.Error()))
	}
}
