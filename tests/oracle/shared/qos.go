package main

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

func computePodQOS(pod *v1.Pod) v1.PodQOSClass { return qos.ComputePodQOS(pod) }

func podQOS(pod *v1.Pod) v1.PodQOSClass { return qos.GetPodQOS(pod) }

func podResources(pod *v1.Pod) *v1.ResourceRequirements { return pod.Spec.Resources }
